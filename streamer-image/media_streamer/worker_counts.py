"""How many workers there are where nothing is said. Imports little: the keeper asks."""

import os

EGRESS_WORKERS = "STREAMER_EGRESS_WORKERS"
MAX_WORKERS = 8


def default_workers() -> int:
    """Of each kind."""
    return min(max(1, os.cpu_count() or 1), MAX_WORKERS)
