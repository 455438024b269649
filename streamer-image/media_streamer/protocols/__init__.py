"""The protocols of a streamer: a folder each, found by its row in `media_api.protocols`.

A part of a protocol is a module of its folder, imported when somebody needs it: egress workers
never load `pull.py` (FFmpeg), media workers never load `play.py`. See README.md.
"""

import importlib
from types import ModuleType
from typing import Literal

from media_api.protocols import Protocol

Part = Literal["play", "publish", "pull", "push", "server"]


def load(protocol: Protocol, part: Part) -> ModuleType:
    """The module; raises ModuleNotFoundError where a row is served and its folder lacks it."""
    return importlib.import_module(f"{__name__}.{protocol.package}.{part}")
