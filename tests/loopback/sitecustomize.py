"""Loaded at the start of every Python that a test starts: this folder stands on their PYTHONPATH."""

import loopback_only

loopback_only.forbid()
