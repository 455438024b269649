"""What a viewer or publisher asks for and what the supervisor decided.

The decision itself is the supervisor's; an egress worker only carries it out. One `Access` is one
session there, under the same identifier in every worker.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

AccessKind = Literal["play", "publish"]


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Who wants which stream, and how.

    `proto` is one of hls, llhls, tshttp, flv, rtmp, jpeg, player. `qs` is the query string as the
    client sent it, `token` and `password` the parameters of those names taken out of it.
    """

    name: str
    proto: str
    kind: AccessKind
    ip: str
    token: str = ""
    qs: str = ""
    password: str = ""
    user_agent: str = ""
    referer: str = ""
    authorization: str = ""
    """The header, if it is that of a server of the cluster (`Cluster TIME:DIGEST`)."""
    session_hint: str = ""
    """Session that this worker believes the request belongs to; empty for a new one."""


@dataclass(frozen=True, slots=True)
class Access:
    """Leave to play or publish.

    `stream` is the real name of the stream (the requested one may be an alias), `token` the one
    that later requests of the session carry, `config` what of the stream's configuration matters
    to delivery: `segment_duration` and `chunk_duration` in ms, `segment_count`, `url_prefix`,
    `add_audio_only`, `title`.
    """

    session_id: str
    stream: str
    media_socket: Path
    epoch: int
    request: AccessRequest
    token: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)

    def milliseconds(self, key: str, default: int) -> int:
        """A positive duration of the configuration; `default` where it is absent or nonsense."""
        value = self.config.get(key)
        return int(value) if isinstance(value, int | float) and value > 0 else default


class AccessDenied(Exception):  # noqa: N818 - a decision, not a fault
    """The request is refused: `status` as in HTTP, `code` for programs, `title` for people."""

    def __init__(self, status: int, code: str, title: str, location: str = "") -> None:
        super().__init__(f"{status} {code}: {title}")
        self.status = status
        self.code = code
        self.title = title
        self.location = location
        """Where a 302 sends the viewer; empty otherwise."""
