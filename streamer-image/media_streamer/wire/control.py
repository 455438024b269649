"""What the supervisor and its workers say to each other.

A worker says `Hello` first and gets its settings; then the supervisor tells it what to run. Texts
may come from anybody: see `encoding.py`. Times are in ms unless said otherwise.
"""

from typing import Any, Literal

import msgspec
from media_api.stream import StreamConfig

from media_streamer.wire.peer import Answer, Call, Failure, Notice, Request, Said, Tell
from media_streamer.wire.side import Side

JsonObject = dict[str, Any]
WorkerKind = Literal["egress", "media"]
AccessKind = Literal["play", "publish"]
LogLevel = Literal["none", "debug", "info", "notice", "warning", "error", "alert", "critical"]


class _Value(msgspec.Struct, frozen=True, array_like=True):
    """Part of a message."""


# Workers of both kinds


class IceServer(_Value, frozen=True):
    """A STUN or TURN server that WebRTC peers are told of; see `media_api.ice`."""

    url: str
    username: str = ""
    password: str = ""
    secret: str = ""
    """Makes credentials for each peer; empty: name and password are what they are."""
    lifetime_seconds: int = 0


class EgressSettings(_Value, frozen=True, tag=True):
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


class MediaSettings(_Value, frozen=True, tag=True):
    """What of the configuration concerns a media worker."""

    loglevel: LogLevel
    segments_dir: str


class Hello(Request[EgressSettings | MediaSettings], frozen=True):
    """First message of a worker: who it is, and what it runs already.

    A fresh one runs nothing. One whose supervisor died goes on, and says so to the next one.
    """

    kind: WorkerKind
    id: str
    pid: int
    version: str
    segments_dir: str
    """Where its run of the server keeps segments; another run has another place."""
    streams: dict[str, bool] = msgspec.field(default_factory=dict)
    """Of a media worker, by name: whether the stream is open (`stream_opened` was said)."""
    folders: list[str] = msgspec.field(default_factory=list)
    """Of a media worker: those that it was let record below when it began."""
    ports: list[tuple[str, str, int]] = msgspec.field(default_factory=list)
    """Of an egress worker: `ListenerSpec.place` of each open listener."""
    jobs: list[str] = msgspec.field(default_factory=list)
    """Of an egress worker, by identifier."""


class Heartbeat(Notice, frozen=True):
    """The worker's loop turns."""


class Recycle(Notice, frozen=True):
    """The worker asks to be replaced."""

    reason: str


class SettingsChanged(Notice, frozen=True):
    """The settings that hold from now on."""

    settings: EgressSettings | MediaSettings


# Streams, to media workers


class ArchivePlace(_Value, frozen=True):
    """Where a stream is recorded."""

    disks: tuple[str, ...]
    """Directories with the archives of streams; it is recorded in one of them at a time."""
    span_ms: int
    """The longest that one file lasts."""


class ApplyStream(Request[None], frozen=True):
    """Run the stream so from now on."""

    name: str
    config: bytes
    """JSON of `StreamConfig`. Not decoded with the message: a stream that the worker refuses is
    the stream's trouble, a message that it cannot read is the channel's."""
    vods: dict[str, list[str]]
    """Directories by VOD prefix."""
    archive: ArchivePlace | None = None
    """None: it is not recorded."""

    @classmethod
    def of(
        cls,
        config: StreamConfig,
        vods: dict[str, list[str]],
        archive: ArchivePlace | None = None,
    ) -> "ApplyStream":
        """Raises ValueError if the configuration is no JSON."""
        return cls(
            config.name,
            config.model_dump_json(exclude_unset=True, exclude_none=True).encode(),
            vods,
            archive,
        )

    def stream(self) -> StreamConfig:
        """The configuration; raises ValueError if it is not valid here."""
        return StreamConfig.model_validate_json(self.config)


class StartStream(Request[None], frozen=True):
    """Somebody wants the on-demand stream now."""

    name: str


class RemoveStream(Request[None], frozen=True):
    name: str


class RestartStream(Request[None], frozen=True):
    """Close its inputs and begin again."""

    name: str


class SelectInput(Request[None], frozen=True):
    """Prefer the input at `index` until it fails."""

    name: str
    index: int


# Streams, from media workers


class SourceInfo(_Value, frozen=True):
    """The input that an event is about."""

    id: str
    type: Literal["publish", "ingest"]
    proto: str
    url: str
    """Without credentials."""
    priority: int
    ip: str | None
    bytes: int


class StreamEvent(Notice, frozen=True):
    """Something happened to a stream or to one of its inputs."""

    name: str
    event: Literal[
        "stream_opened",
        "stream_closed",
        "source_opened",
        "source_started",
        "source_lost",
        "source_closed",
        "frames_timed_out",
        "frames_restored",
        "dvr_failed",
        "dvr_restored",
    ]
    source: SourceInfo | None = None
    reason: str | None = None


class StreamsStats(Notice, frozen=True):
    """Statistics of the streams that changed."""

    streams: dict[str, JsonObject]
    """By name, JSON of `media_api.status.StreamStats`."""


class TranscodersWanted(Notice, frozen=True):
    """All streams of the worker that need a transcoder, a process each.

    It connects to `transcoders-N.sock` of the worker. A supervisor that has never heard of a
    process that is there takes it over.
    """

    streams: dict[str, int]
    """By name: the process id of the one that is there, 0: none is."""


# Egress workers


class ListenerSpec(_Value, frozen=True):
    """A port to listen at."""

    protocol: str
    address: str
    """Empty for all."""
    port: int
    api: bool = True
    """Whether the API and the UI are served there too."""
    certificate: str = ""
    """Path of a PEM file, or PEM text."""
    certificate_key: str = ""
    ssl_protocols: list[str] = []

    @property
    def place(self) -> tuple[str, str, int]:
        """What makes it another listener if it changes."""
        return self.protocol, self.address, self.port

    @property
    def title(self) -> str:
        return f"{self.protocol} {self.address or '*'}:{self.port}"

    def __repr__(self) -> str:
        return f"ListenerSpec({self.title})"  # a key is never printed


class Listen(Request[list[str]], frozen=True):
    """Listen at these ports and no others; answered by what did not work, for people."""

    listeners: list[ListenerSpec]


class Place(_Value, frozen=True):
    """Where a stream runs."""

    worker: str
    """Media worker."""
    epoch: int
    """Grows at every placement and restart of a worker."""


class Directory(Notice, frozen=True):
    """All streams that run."""

    streams: dict[str, Place]


class DirectoryChanged(Notice, frozen=True):
    """Streams that came or moved; None: gone."""

    streams: dict[str, Place | None]


class CacheTerms(_Value, frozen=True):
    """A directory where segments are kept, and the rules of it."""

    path: str
    misses: int = 0
    storage_limit: int = 0
    """Bytes; 0: no limit."""
    expiration: int = 0
    """Seconds; 0: no limit."""


class Passage(_Value, frozen=True):
    """Where another server has recorded what is asked for here, and what is kept of it."""

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


class DeliveryConfig(_Value, frozen=True):
    """What of a stream's configuration matters to delivery."""

    segment_duration: int = 5000
    segment_count: int = 4
    chunk_duration: int = 200
    url_prefix: str = ""
    add_audio_only: bool = False
    dash_update_period: float = 0.0
    """Seconds; 0 if the configuration does not say it."""
    title: str = ""
    provider: str = ""
    static: bool = True
    start_seconds: float = 15.0
    """How long a viewer waits for data."""
    auth_token: str = "token"
    protocols: dict[str, bool] = {}
    """Protocols that the configuration names, and whether they are allowed."""
    pictures: bool = True
    """Pictures may be made when somebody asks for them."""
    archive: str = ""
    """Directory of the stream's archive; empty: it has none."""
    archive_places: list[tuple[str, str, str]] = []
    """All parts of it (`archive.places.ToldPlace`): the disk, the directory of the stream there,
    and the bucket that has the media, if one has."""
    archive_root: str = ""
    """The folder that the directory is below: one disk, as far as we know."""
    storages: list[str] = []
    """Of a file: where it is looked for, in this order. Empty for a stream."""
    file: str = ""
    """Of a file: its path below them."""
    download: bool = False
    """The file itself may be fetched."""
    auto_mbr: bool = False
    """`file` may be a directory whose files are one film."""
    cache: CacheTerms | None = None
    """Of a file: where the segments that are made of it are kept."""
    passage: Passage | None = None
    """Told to who asks for what is recorded, where another server has it."""


class Granted(_Value, frozen=True, tag=True):
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


class Refusal(_Value, frozen=True, tag=True):
    """The request is refused: `status` as in HTTP, `code` for programs, `title` for people."""

    status: int
    code: str
    title: str
    location: str = ""
    """Where a 302 sends the viewer."""


class SrtTerms(_Value, frozen=True, tag=True):
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


class DigestAnswer(_Value, frozen=True):
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


class PathReport(_Value, frozen=True):
    """What the receiver of a session tells of the way to it."""

    track: str = ""
    """The video that it is sent of several."""
    switches: int = 0
    """How often that has changed."""
    bandwidth: int = 0
    """Bits that got through in the last second; 0: not known."""
    queue_ms: int = 0
    """What stands on the way."""
    lost: int = 0
    repeated: int = 0
    """Packets that were sent again."""


class SessionReport(_Value, frozen=True):
    """What one worker moved for a session since it first saw it."""

    id: str
    bytes: int
    dropped_gops: int
    path: PathReport | None = None


class HeldSession(_Value, frozen=True):
    """A session that the worker serves, for a supervisor that has never heard of it."""

    ticket: bytes
    bytes: int
    dropped_gops: int


class SessionsHeld(Notice, frozen=True):
    """Said after `Hello`, in parts, by an egress worker that serves somebody already."""

    sessions: list[HeldSession]


class SessionsMoved(Notice, frozen=True):
    """Sessions that moved bytes, and now and then all."""

    sessions: list[SessionReport]


class AnswersSent(Notice, frozen=True):
    """Answers to viewers over HTTP, since this was said last."""

    counts: list[tuple[str, str, int, int]]
    """Stream as it was asked for (there may be none), protocol, status, how often."""


class SessionLeft(Notice, frozen=True):
    """The worker serves the session no longer."""

    id: str
    bytes: int
    reason: str


class CloseSession(Notice, frozen=True):
    """End the connections of a session."""

    id: str
    reason: str


# Jobs, on egress workers


class Job(_Value, frozen=True):
    """Work for a stream that one egress worker does for the whole server: a push.

    Done by `run` of the part of the protocol that it names; see `egress/jobs.py`.
    """

    id: str
    """The same for the same work, also after a restart."""
    stream: str
    protocol: str
    """Name of its row in the table of protocols."""
    part: Literal["push"]
    title: str
    """For people, without secrets."""
    config: bytes
    """For that part alone: of a push, JSON of `PushConfig`."""
    pause_seconds: float
    """Between two attempts; it doubles up to `max_pause_seconds`."""
    max_pause_seconds: float
    retry_limit: int | None = None
    """Attempts in a row that may fail after the first; None: no limit."""


class Jobs(Notice, frozen=True):
    """All jobs of the worker: do these and no others."""

    jobs: list[Job]


class JobsChanged(Notice, frozen=True):
    """Jobs that came or are others now, by identifier; None: gone."""

    jobs: dict[str, Job | None]


class JobReport(_Value, frozen=True):
    """How a job is."""

    status: Literal["pending", "starting", "running", "retry", "error"]
    """It waits for the stream, begins, works, failed and is tried again, was given up."""
    opened_at: int
    """Unix ms of its first attempt."""
    since: int
    """Unix ms at which `status` began."""
    error: str = ""
    """The last one, in words without secrets; it may be from before."""
    retries: int = 0
    """Attempts since it last worked."""
    restarts: int = 0
    """Attempts after the first, in all."""
    bytes: int = 0
    counters: dict[str, int] = {}
    """Errors by kind, as `media_api.status.PushStats` calls them."""


class JobsReport(Notice, frozen=True):
    """Jobs whose report changed, by identifier."""

    jobs: dict[str, JobReport]


ToMediaRequest = ApplyStream | StartStream | RemoveStream | RestartStream | SelectInput
ToEgressNotice = SettingsChanged | Directory | DirectoryChanged | CloseSession | Jobs | JobsChanged
FromWorkerRequest = Hello | AccessRequest | SrtQuestion
FromWorkerNotice = (
    Heartbeat
    | Recycle
    | StreamEvent
    | StreamsStats
    | TranscodersWanted
    | SessionsHeld
    | SessionsMoved
    | SessionLeft
    | AnswersSent
    | JobsReport
)

FromWorker = Call[FromWorkerRequest] | Tell[FromWorkerNotice] | Answer | Failure
ToWorker = Call[ToMediaRequest | Listen] | Tell[ToEgressNotice] | Answer | Failure

SUPERVISOR_SIDE: Side[Said, Said] = Side("control channel", ToWorker, FromWorker)
WORKER_SIDE: Side[Said, Said] = Side("control channel", FromWorker, ToWorker)
