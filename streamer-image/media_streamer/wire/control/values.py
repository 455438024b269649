"""What messages are made of, and words that several of them use."""

from typing import Any, Literal

import msgspec

JsonObject = dict[str, Any]
WorkerKind = Literal["egress", "media"]
AccessKind = Literal["play", "publish"]
LogLevel = Literal["none", "debug", "info", "notice", "warning", "error", "alert", "critical"]


class Value(msgspec.Struct, frozen=True, array_like=True):
    """Part of a message."""
