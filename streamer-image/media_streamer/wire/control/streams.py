"""Streams, which media workers run."""

from typing import Literal

from media_streamer.wire.control.values import JsonObject, Value
from media_streamer.wire.peer import Notice, Request


class ArchivePlace(Value, frozen=True):
    """Where a stream is recorded."""

    disks: tuple[str, ...]
    """Directories with the archives of streams; it is recorded in one of them at a time."""
    span_ms: int
    """The longest that one file lasts."""


class ApplyStream(Request[None], frozen=True):
    """Run the stream so from now on."""

    name: str
    config: bytes
    """JSON of `StreamConfig` (`wire/stream_config.py`). Not decoded with the message: a stream that
    the worker refuses is the stream's trouble, a message that it cannot read is the channel's."""
    vods: dict[str, list[str]]
    """Directories by VOD prefix."""
    archive: ArchivePlace | None = None
    """None: it is not recorded."""
    archives: dict[str, list[tuple[str, str, str]]] = {}  # noqa: RUF012 - msgspec copies it
    """Those of other streams that its inputs show, by name (`archive.places.ToldPlace`)."""


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


class SourceInfo(Value, frozen=True):
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
