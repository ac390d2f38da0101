"""The names of nnInteractive's HTTP protocol as its version 2.6 speaks it: 17 paths and two headers.

A request and its answer are JSON, or one packed array (see `wire`) with JSON in the header `X-Meta`.
"""

from __future__ import annotations

META_HEADER = "X-Meta"
LEASE_HEADER = "X-Lease-Token"
KEY_VARIABLE = "NN_INTERACTIVE_API_KEY"
"""Environment variable with the key, which the official client and server read too."""

ANSWERED = "answered"
"""A field of ours beside `run_prediction: false`: the mask holds this prompt's answer already. Other servers pass
over it, and predict for the newest prompt alone."""

PORT = 1527
"""The official server's."""

READS = ("/healthz", "/capabilities", "/lease_status")
POSTS = (
    "/claim",
    "/release",
    "/heartbeat",
    "/set_image",
    "/set_target_buffer",
    "/set_do_autozoom",
    "/reset_interactions",
    "/undo",
    "/predict",
    "/add_bbox_interaction",
    "/add_point_interaction",
    "/add_scribble_interaction",
    "/add_lasso_interaction",
    "/add_initial_seg_interaction",
)
