"""What a viewer or publisher asks for and what the supervisor decided.

The decision itself is the supervisor's; an egress worker only carries it out. One `Access` is one
session there, under the same identifier in every worker.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from media_rest.guessing import caller_key
from media_rest.same_origin import is_loopback

from media_streamer.refusal import AccessDenied as AccessDenied
from media_streamer.refusal import not_running as not_running
from media_streamer.wire.control import AccessRequest, DeliveryConfig

NOTHING_SAID = DeliveryConfig()


@dataclass(frozen=True, slots=True)
class Access:
    """Leave to play or publish.

    `stream` is the real name of the stream (the requested one may be an alias), `token` the one
    that later requests of the session carry.
    """

    session_id: str
    stream: str
    media_socket: Path
    epoch: int
    request: AccessRequest
    token: str = ""
    config: DeliveryConfig = NOTHING_SAID
    country: str = ""
    ticket: bytes = b""
    """Of the session; see `Granted.ticket`."""
    reader: str = ""
    """See `Granted.reader`."""
    relay: bool = False
    """See `Granted.relay`."""


def counted_as(access: Access) -> str:
    """Whose share it takes where an address has one; empty: nobody's. Programs on this machine may
    be proxies, and a server plays for many."""
    ip = access.request.ip
    return "" if access.relay or is_loopback(ip) else caller_key(ip)


class Counts(Protocol):
    """Who is told what an answer costs (`served_sessions.Account`)."""

    bytes: int


class Viewer(Protocol):
    """One of `Viewers`."""

    access: Access

    def count(self, size: int) -> None:
        """So many bytes went out."""


class Viewers(Protocol):
    """Sessions of many short requests (`segmented_sessions.SegmentedSessions`)."""

    def known(self, key: tuple[str, str, str, str]) -> Viewer | None: ...

    def use(self, viewer: Any) -> bool: ...


class AtNeighbour(Exception):  # noqa: N818 - a way to go, not a fault
    """Another egress worker answers that."""

    def __init__(self, worker: int) -> None:
        super().__init__(worker)
        self.worker = worker


class PassOn(Exception):  # noqa: N818 - a way to go, not a fault
    """What is wanted is elsewhere. `account`: what the answer costs, if it is counted.
    `place`: the sessions that the request belongs to, and what they call its protocol.
    `otherwise`: the answer of this server, for when the other one cannot be asked."""

    def __init__(
        self,
        access: Access,
        account: Counts | None = None,
        *,
        place: tuple[Viewers, str] | None = None,
        otherwise: "AccessDenied | None" = None,
    ) -> None:
        super().__init__(access.stream)
        self.access = access
        self.account = account
        self.place = place
        self.otherwise = otherwise
