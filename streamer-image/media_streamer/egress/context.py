"""What the protocols of an egress worker work with.

One object for the worker's life: `server.py`, `play.py` and `publish.py` of a protocol get it and
keep it, so settings are read where they are used and a change holds at once.
"""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from aiohttp import web
from media_process.descriptors import connection_limit
from media_process.door import Doorkeeper
from media_process.seldom import Seldom

from media_streamer.budgets import RTMP_ADDRESS_UNFINISHED_BYTES, WORKER_CONNECTIONS
from media_streamer.egress.access import PassOn
from media_streamer.egress.allowance import HeldBytes
from media_streamer.egress.answers import Answers
from media_streamer.egress.archives import ArchiveReader
from media_streamer.egress.films import Films
from media_streamer.egress.http.access_log import AccessLog
from media_streamer.egress.http.neighbours import Neighbours
from media_streamer.egress.http.quick_segments import QuickSegments
from media_streamer.egress.hub import Hub
from media_streamer.forwarded import NOBODY, TrustedProxies
from media_streamer.wire.control import IceServer

if TYPE_CHECKING:
    from media_streamer.egress.http.request import MediaRequest


class Passes(Protocol):
    """Answers what another server has (`passing.Passages`)."""

    async def answer(self, request: "MediaRequest", passing: PassOn) -> web.StreamResponse: ...


@dataclass(slots=True)
class Egress:
    """One per worker."""

    hub: Hub
    worker: int = 0
    """Its number among the egress workers."""
    token_parameter: str = "token"
    """Query parameter that carries a viewer's token."""
    ports: dict[str, int] = field(default_factory=dict)
    """UDP ports of this worker alone, by listener: what SDP and ICE tell a peer."""
    access_log: AccessLog = field(default_factory=lambda: AccessLog.of(os.environ))
    webrtc_addresses: list[str] = field(default_factory=list)
    """Where WebRTC peers reach this server; empty: what can be known without being told."""
    ice_servers: list[IceServer] = field(default_factory=list)
    """Servers that WebRTC peers are told of, with their secrets."""
    neighbours: Neighbours | None = None
    """The other egress workers."""
    proxies: TrustedProxies = NOBODY
    chores: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    """What runs beside the requests until the worker stops, by a name for people."""
    answers: Answers = field(default_factory=Answers)
    """What viewers were answered over HTTP."""
    quick: QuickSegments = field(init=False)
    """Answers that are known without a handler."""
    archives: ArchiveReader = field(default_factory=ArchiveReader)
    films: Films = field(default_factory=Films)
    passages: Passes | None = None
    """What is recorded at other servers."""
    leaves: bool = False
    """The server will be stopped soon, and another one serves the same."""
    unfinished: HeldBytes = field(default_factory=lambda: HeldBytes(RTMP_ADDRESS_UNFINISHED_BYTES))
    """Messages of RTMP that are not complete."""
    refusals: Seldom = field(default_factory=Seldom)
    """Lines of who was refused, or broke the rules: protocol, stream, code and address."""
    door: Doorkeeper = field(
        default_factory=lambda: Doorkeeper(connection_limit(WORKER_CONNECTIONS))
    )
    """Takes the connections of every TCP port."""

    def __post_init__(self) -> None:
        self.quick = QuickSegments(self.answers)
