"""Puts this folder on the path of every test, so that they share the modules in it."""

import os

# ONNX Runtime from 1.29 on sends telemetry from a thread of its own unless this is set before it is imported
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
