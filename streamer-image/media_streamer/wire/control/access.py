"""Who may watch or publish what, and on which terms."""

from typing import Literal

import msgspec

from media_streamer.wire.control.values import AccessKind, Value
from media_streamer.wire.peer import Request


class CacheTerms(Value, frozen=True):
    """A directory where segments are kept, and the rules of it."""

    path: str
    misses: int = 0
    storage_limit: int = 0
    """Bytes; 0: no limit."""
    expiration: int = 0
    """Seconds; 0: no limit."""


class Passage(Value, frozen=True):
    """Where another server has what is asked for here, and what is kept of it."""

    origin: str
    """http(s)://HOST[:PORT]"""
    name: str
    """Of the stream there."""
    cluster_key: str = ""
    cache: CacheTerms | None = None
    """None: nothing is kept."""
    chain: bool = True
    """It may ask the server that it has the stream from."""

    def __repr__(self) -> str:
        return f"Passage({self.origin}, {self.name})"  # a key is never printed


class Encryption(Value, frozen=True):
    """With which keys segments are encrypted."""

    stream: str
    keyserver: str
    """URL, also with a secret."""
    resource: str
    """What keys are asked for."""
    user_keyserver: str = ""
    """Where players get keys if the key server does not say it."""
    period_seconds: int = 0
    """After which the next key is used; 0: never."""

    def __repr__(self) -> str:
        return f"Encryption({self.stream})"  # a secret is never printed


class RateTerms(Value, frozen=True):
    """How the bit rate is found that a WebRTC publisher is told. Steps and losses in percent."""

    step_up: float = 30.0
    step_down: float = 15.0
    loss_lower: float = 2.0
    """Below it the bit rate rises."""
    loss_upper: float = 10.0
    """Above it the bit rate falls."""
    correction: int = 300_000
    """bit/s that the publisher may stay behind what it is told before that rises no more."""
    cycles: int = 5
    """Descents until the bit rate counts as found; 0: it is never."""
    loss_only: bool = False
    """Neither what comes counts nor `cycles`."""
    logged: bool = False


class PublisherTerms(Value, frozen=True):
    """How a WebRTC publisher is answered."""

    adapts: bool = True
    """It is told how its packets arrive, or a bit rate."""
    codec: str = ""
    """Name of the video codec that is taken before others; empty: none."""
    transport: Literal["", "udp", "tcp"] = ""
    """The only one that it is offered; empty: both."""
    least_bit_rate: int = 0
    """bit/s."""
    most_bit_rate: int = 0
    """bit/s; 0: nothing is said."""
    rate: RateTerms | None = None
    """None: the publisher finds out by itself."""


class PlaybackHeaders(Value, frozen=True):
    """Headers in answers to viewers."""

    playback: Literal["", "live", "dvr"] = ""
    """Which media; empty: both."""
    protocols: list[str] | None = None
    """Names of the rows of protocols; None: all."""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    """Of playlists, manifests and media without an end."""
    segment_headers: dict[str, str] = msgspec.field(default_factory=dict)


class DeliveryConfig(Value, frozen=True):
    """What of a stream's configuration matters to delivery."""

    segment_duration: int = 5000
    segment_count: int = 4
    chunk_duration: int = 200
    url_prefix: str = ""
    prepush: float | None = None
    """Seconds that new viewers are sent at once; None: since the last key frame."""
    add_audio_only: bool = False
    dash_update_period: float = 0.0
    """Seconds; 0 if the configuration does not say it."""
    title: str = ""
    provider: str = ""
    static: bool = True
    start_seconds: float = 15.0
    """How long a viewer waits for data."""
    auth_token: str = "token"
    protocols: dict[str, bool] = msgspec.field(default_factory=dict)
    """Protocols that the configuration names, and whether they are allowed."""
    start_track: str = ""
    """Of several videos the one that WebRTC sends first; empty: the first."""
    publisher: PublisherTerms = PublisherTerms()
    pictures: bool = True
    """Pictures may be made when somebody asks for them."""
    picture_url: str = ""
    """Where the last picture is fetched in place of decoding one."""
    picture_sizes: list[tuple[int, int]] = msgspec.field(default_factory=list)
    """Width and height of pictures in pixels, -1 by the other one; the first is the default. Empty:
    at most 640 wide."""
    archive: str = ""
    """Directory of the stream's archive; empty: it has none."""
    archive_places: list[tuple[str, str, str]] = msgspec.field(default_factory=list)
    """All parts of it (`archive.places.ToldPlace`): the disk, the directory of the stream there,
    and the bucket that has the media, if one has."""
    archive_root: str = ""
    """The folder that the directory is below: one disk, as far as we know."""
    storages: list[str] = msgspec.field(default_factory=list)
    """Of a file: where it is looked for, in this order. Empty for a stream."""
    file: str = ""
    """Of a file: its path below them."""
    download: bool = False
    """The file itself may be fetched."""
    auto_mbr: bool = False
    """`file` may be a directory whose files are one film."""
    playback_headers: list[PlaybackHeaders] = msgspec.field(default_factory=list)
    cache: CacheTerms | None = None
    """Of a file: where the segments that are made of it are kept."""
    passage: Passage | None = None
    """Told to who asks for what is recorded, where another server has it."""
    encryption: Encryption | None = None
    """None: it is sent in clear."""
    taken_from: Passage | None = None
    """The server that a live stream is taken from, whose segments have the same names."""


class Granted(Value, frozen=True, tag=True):
    """Leave to play or publish: one session."""

    session_id: str
    stream: str
    """Real name of the stream; the one asked for may be an alias."""
    media_socket: str
    epoch: int
    token: str
    """The one that later requests of the session carry."""
    config: DeliveryConfig
    country: str = ""
    """Of the viewer, ISO 3166-1 alpha-2; empty if it is not known."""
    ticket: bytes = b""
    """What a supervisor must know of the session, for one that comes after this one; empty for what
    is no session."""
    reader: str = ""
    """Socket of the media worker that may read what was recorded, or the file."""
    relay: bool = False
    """It is for a server of the cluster, which has viewers of its own."""


class Refusal(Value, frozen=True, tag=True):
    """The request is refused: `status` as in HTTP, `code` for programs, `title` for people."""

    status: int
    code: str
    title: str
    location: str = ""
    """Where a 302 sends the viewer."""


class SrtTerms(Value, frozen=True, tag=True):
    """On what terms a peer connects to an SRT port. Times are in ms, `timeout` in seconds."""

    name: str
    """Stream that is meant."""
    mode: AccessKind
    passphrase: str
    """Empty: none."""
    latency: int | None
    timeout: int | None
    """A publisher's silence; 0: for ever. None: as usual."""
    enforced: bool
    """Who encrypts otherwise is refused."""
    minversion: str
    version: str = ""
    """Another word for the lowest version."""
    linger: int | None = None
    """Seconds in which the rest is sent at the end; None: as usual."""
    refusal: Refusal | None = None
    """Why it cannot be now, which only who knows the passphrase shall hear."""

    def __repr__(self) -> str:
        return f"SrtTerms({self.name}, {self.mode})"  # a passphrase is never printed


class SrtQuestion(Request[SrtTerms | Refusal], frozen=True):
    """Somebody connects to an SRT port."""

    address: str
    """Of the port; empty for all."""
    port: int
    name: str
    """As the stream id has it; may be empty."""
    mode: Literal["", "play", "publish"]


class DigestAnswer(Value, frozen=True):
    """What a client answered to a challenge of its worker's: proves a password without telling it
    (`media_streamer.digest`)."""

    method: str
    fields: dict[str, str]


class AccessRequest(Request[Granted | Refusal], frozen=True):
    """Who wants which stream, and how."""

    name: str
    proto: str
    kind: AccessKind
    ip: str
    token: str = ""
    qs: str = ""
    """Query string as the client sent it; `token` and `password` are parameters of it."""
    password: str = ""
    user_agent: str = ""
    referer: str = ""
    authorization: str = ""
    """The header, if it is that of a server of the cluster (`Cluster TIME:DIGEST`)."""
    digest: DigestAnswer | None = None
    """In place of `password`."""
    archive: bool = False
    """What is recorded is played: the stream itself need not run."""
    own_archive: bool = False
    """Only what this server has recorded."""
    session_hint: str = ""
    """Session that the worker believes the request belongs to; empty for a new one."""
    path: str = ""
    """Of HTTP, as it came: what of it follows the stream's name is asked of the server that the
    client is sent to. Empty where clients cannot be sent elsewhere."""
