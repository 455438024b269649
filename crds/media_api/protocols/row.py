"""What a row of the table of protocols says.

Invariants: pure data without behaviour that depends on a program; nothing of the project is
imported, so that models and programs alike may read it.
"""

from dataclasses import dataclass
from typing import Literal

Transport = Literal["http", "own", "none"]
"""How viewers and publishers reach it: a path of the HTTP ports, ports of its own, or never."""
Socket = Literal["http", "stream", "datagram"]
"""TCP for HTTP, TCP for the protocol's own server, or UDP."""
SessionKind = Literal["connection", "segmented", "uncounted"]
"""What one viewer is: a connection, many requests that a key holds together, or nobody who counts
(a picture, a page)."""
RoleName = Literal["play", "publish", "pull", "push"]
NOT_YET = "not served by this version"
PUSH_OPTIONS = (
    "url", "disabled", "comment", "retry_limit", "retry_timeout", "timeout", "connect_timeout",
    "tracks",
)  # fmt: skip
"""Options that every served push reads."""
INPUT_OPTIONS = (
    "url", "priority", "comment", "source_timeout", "timeout", "audio_timeout", "video_timeout",
    "frames_timeout", "max_retry_timeout", "no_clients_reconnect_delay", "max_bitrate", "allow_if",
    "deny_if",
)  # fmt: skip
"""Options that every input has, whoever feeds it."""
TS_PUSH_OPTIONS = ("pnr", "pmt", "pids", "mpegts_ac3", "service", "provider")
"""Those of pushes whose bytes are MPEG-TS."""


@dataclass(frozen=True, slots=True)
class Form:
    """One URL of a protocol. `path` follows the server's address; `{name}` is the stream."""

    name: str
    """Its short name, unique in the table."""
    title: str
    path: str
    scheme: str = ""
    """Where it is not that of the listener: `ws` for WebSockets (`wss` with TLS)."""
    server: str = ""
    """Publishing: what encoders with two fields (OBS) take as server; `key` is the other one."""
    key: str = "{name}"


@dataclass(frozen=True, slots=True)
class Role:
    """One way to use a protocol."""

    forms: tuple[Form, ...] = ()
    """Play and publish: where, the best first."""
    schemes: tuple[str, ...] = ()
    """Pull and push: schemes of the URLs; a trailing s means TLS."""
    other_schemes: tuple[str, ...] = ()
    """Schemes that a configuration may name and nobody serves."""
    fields: tuple[str, ...] = ()
    """Options of streams and of the server that this role reads and nothing else does."""
    input_options: tuple[str, ...] = ()
    """Pull and publish: what inputs by it read beside `INPUT_OPTIONS`, which all do."""
    push_options: tuple[str, ...] = ()
    """Push: its options beside `PUSH_OPTIONS`, which all read."""
    missing: str = ""
    """Why it is not served, in words for people; empty where it is."""

    @property
    def served(self) -> bool:
        return not self.missing


@dataclass(frozen=True, slots=True)
class Listener:
    """Ports that a protocol owns: a key of `listeners`, a directive, STREAMER_NAME."""

    name: str
    title: str
    port: int | None = None
    """The usual one, left out of URLs; None where there is none."""
    tls: bool = False
    socket: Socket = "stream"
    per_worker: bool = True
    """Datagrams: each egress worker has a port of its own, the N-th (from 0) the configured port
    plus N. False: the first worker alone has the port. No two processes share one: a worker that
    comes or goes would change whom the kernel gives the packets of an open session to."""
    unprivileged: int | None = None
    """The port that a server without privileges opens unless it is told otherwise (pods, the
    trial); None: it is opened by configuration only."""
    own_line: bool = True
    """False: the file has it in `listeners { }` only, as its directive means something else."""
    first_byte: int | None = None
    """What clients send first, where that tells them from those of HTTP: it may have its port
    together with `http`, with TLS together with `https`. None: it may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A protocol: what it can do here and what it is called everywhere.

    A role that is None is one that the protocol does not have; one that is not served says why.
    """

    name: str
    """As sessions, events and statistics call it (`proto`)."""
    title: str
    folder: str = ""
    """Its package below `media_streamer.protocols`; empty: that of its name."""
    switch: str = ""
    """Its key in `protocols` of a stream; empty: it cannot be switched."""
    switch_aliases: tuple[str, ...] = ()
    """What the directive `protocols` also takes for the switch."""
    transport: Transport = "none"
    listeners: tuple[Listener, ...] = ()
    carrier: str = ""
    """Container of the media on the wire."""
    session: SessionKind = "connection"
    play: Role | None = None
    publish: Role | None = None
    pull: Role | None = None
    push: Role | None = None

    @property
    def package(self) -> str:
        return self.folder or self.name

    @property
    def is_served(self) -> bool:
        """In at least one role, or as the carrier of others (HTTP)."""
        roles = (self.play, self.publish, self.pull, self.push)
        return self.name == "http" or any(role is not None and role.served for role in roles)

    @property
    def answers(self) -> bool:
        """Whether somebody answers on its own ports or paths."""
        return self.name == "http" or any(
            role is not None and role.served for role in (self.play, self.publish)
        )
