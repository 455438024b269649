"""Workers of both kinds: who they are, and what holds for them."""

import msgspec

from media_streamer.wire.control.values import LogLevel, Value, WorkerKind
from media_streamer.wire.peer import Notice, Request


class IceServer(Value, frozen=True):
    """A STUN or TURN server that WebRTC peers are told of; see `media_api.ice`."""

    url: str
    username: str = ""
    password: str = ""
    secret: str = ""
    """Makes credentials for each peer; empty: name and password are what they are."""
    lifetime_seconds: int = 0


class EgressSettings(Value, frozen=True, tag=True):
    """What of the configuration concerns an egress worker."""

    loglevel: LogLevel
    log_requests: bool
    auth_token: str
    """Query parameter that carries a viewer's token."""
    trusted_proxies: list[str]
    webrtc_addresses: list[str]
    """Where WebRTC peers reach this server."""
    forwarding_key: bytes | None
    ice_servers: list[IceServer] = msgspec.field(default_factory=list)


class MediaSettings(Value, frozen=True, tag=True):
    """What of the configuration concerns a media worker."""

    loglevel: LogLevel
    segments_dir: str


class Hello(Request[EgressSettings | MediaSettings], frozen=True):
    """First message of a worker: who it is, and what it runs already.

    A fresh one runs nothing. One whose supervisor died goes on, and says so to the next one.
    """

    kind: WorkerKind
    id: str
    version: str
    segments_dir: str
    """Where its run of the server keeps segments; another run has another place."""
    streams: dict[str, bool] = msgspec.field(default_factory=dict)
    """Of a media worker, by name: whether the stream is open (`stream_opened` was said)."""
    folders: list[str] = msgspec.field(default_factory=list)
    """Of a media worker: those that it was let record below when it began."""
    read_folders: list[str] = msgspec.field(default_factory=list)
    """The same: those that it was let read."""
    ports: list[tuple[str, str, int]] = msgspec.field(default_factory=list)
    """Of an egress worker: `ListenerSpec.place` of each open listener."""
    jobs: list[str] = msgspec.field(default_factory=list)
    """Of an egress worker, by identifier."""


class Heartbeat(Notice, frozen=True):
    """The worker's loop turns."""


class Recycle(Notice, frozen=True):
    """The worker asks to be replaced."""

    reason: str


class Leaving(Notice, frozen=True):
    """The server will be stopped soon, and another one serves the same: who keeps a connection is
    to make his next one there."""


class SettingsChanged(Notice, frozen=True):
    """The settings that hold from now on."""

    settings: EgressSettings | MediaSettings
