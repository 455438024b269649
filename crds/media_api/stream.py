"""Stream and template configuration under the API's own JSON names.

Role: the one description of a stream that the configuration file, REST, config_external, Central
and the Stream resource share. It holds what people set; what a server adds (statistics, who made
the stream) is `media_api.status.StreamState`, so `stats` in a request is ignored like any unknown
key.

Invariants: `segment_duration` and `chunk_duration` are milliseconds here (seconds in the file for
the first). A value that was not set is inherited from the template, then from the server, then the
default; use `explicit()` to see what was set.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from media_api.auth import AuthSpec
from media_api.base import ApiModel
from media_api.cache import CacheSpec
from media_api.dvr import RecordInputSpec, StreamDvrSpec
from media_api.input import InputConfig, check_input_url
from media_api.playback import (
    DrmSpec,
    MpegTsPids,
    PlaybackHeaders,
    ProtocolsSpec,
    ThumbnailsSpec,
    WebrtcAbr,
)
from media_api.push import Ac3Mode, PushConfig
from media_api.srt import ListenSpec, SrtConfig
from media_api.transcoder import TranscoderSpec
from media_api.units import (
    Count,
    DiskPath,
    LongText,
    MillisecondsText,
    ObjectName,
    Seconds,
    SecondsOrBool,
    SecondsOrFalse,
    Secret,
    SegmentMilliseconds,
    StreamName,
    Text,
    TextMap,
    TextOrFalse,
    WordOrBool,
)

DEFAULT_SEGMENT_DURATION = 5000  # ms: what the reference server puts into its playlists (5.000)
DEFAULT_SEGMENT_COUNT = 4  # segments of the live playlist


def _spec_from_flag(key: str) -> BeforeValidator:
    """`thumbnails: true` and `cluster_ingest: true` are short for an object with defaults."""

    def convert(value: Any) -> Any:
        if isinstance(value, bool):
            return {key: value} if key else ({} if value else None)
        return value

    return BeforeValidator(convert)


def _check_backup_file(file: str) -> str:
    check_input_url(f"file://{file}")  # what it is played as
    return file


BackupFile = Annotated[Text, AfterValidator(_check_backup_file)]


class BackupConfig(ApiModel):
    """What is shown while no input gives frames."""

    file: BackupFile = Field(description="VOD file, as LOCATION/path.mp4.")
    timeout: Seconds | None = Field(
        default=None, description="Seconds without frames until it starts. Default: source_timeout."
    )
    audio_timeout: Seconds | None = Field(
        default=None, description="Seconds without audio until it starts. Default: not watched."
    )
    video_timeout: Seconds | None = Field(
        default=None, description="Seconds without video until it starts. Default: not watched."
    )
    transcode: bool = Field(default=True, description="Transcode to the stream's parameters.")
    dvr: bool = Field(default=False, description="Record it into the stream's archive.")


class ClusterIngest(ApiModel):
    """Exactly one streamer of a cluster captures the stream, the others pull from it."""

    capture_at: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="Host name of the preferred streamer. Default: any."
    )


class StreamBase(ApiModel):
    """What makes a stream run: its inputs, and whether it runs."""

    static: bool = Field(
        default=True, description="true: always runs; false: while it has viewers or a push."
    )
    disabled: bool = Field(default=False, description="Keep configured, do not run.")
    inputs: Annotated[list[InputConfig], Field(max_length=64)] = Field(
        default_factory=list, description="Inputs, the best first. None: only `backup` is shown."
    )


class StreamMedia(ApiModel):
    """What is done with the media of a stream. A template and a source carry it too."""

    deprecated_aliases: ClassVar = {"auth": "on_play"}

    provider: Text | None = Field(default=None, description="Provider shown to viewers.")
    comment: LongText | None = Field(default=None, description="Note of the administrator.")
    clients_timeout: SecondsOrBool | None = Field(
        default=None,
        description="On demand: seconds after the last viewer (a push is one) until it stops;"
        " false: never. Default 60.",
    )
    retry_limit: Count | None = Field(
        default=None, description="On demand: attempts to connect until giving up. Default 10."
    )
    source_timeout: SecondsOrFalse | None = Field(
        default=None, description="Default of the inputs' source_timeout, seconds or false."
    )
    audio_timeout: Seconds | None = Field(
        default=None, description="Default of the inputs' audio_timeout, seconds."
    )
    video_timeout: Seconds | None = Field(
        default=None, description="Default of the inputs' video_timeout, seconds."
    )
    frames_timeout: Seconds | None = Field(
        default=None, description="Default of the inputs' frames_timeout, seconds."
    )
    max_retry_timeout: Seconds | None = Field(
        default=None, description="Longest pause between attempts, seconds. Default 30."
    )
    recheck_secondary_inputs_interval: Seconds | None = Field(
        default=None, description="Pause between probes of inputs not in use, seconds."
    )
    groups: Annotated[list[ObjectName], Field(max_length=64)] | None = Field(
        default=None, description="Groups that a `source` can choose by."
    )
    labels: TextMap | None = Field(default=None, description="Labels, for placement and search.")
    backup: BackupConfig | None = Field(
        default=None, description="Shown while no input gives frames."
    )
    epg_enabled: bool | None = Field(default=None, description="Keep the EPG. Default false.")
    transcoder: TranscoderSpec | None = Field(default=None, description="Transcoding.")
    thumbnails: Annotated[ThumbnailsSpec | None, _spec_from_flag("enabled")] = Field(
        default=None, description="Pictures of the stream. Default: none."
    )
    dvr: StreamDvrSpec | None = Field(default=None, description="Archive. Default: none.")
    on_play: AuthSpec | None = Field(
        default=None, description="Authorisation of viewers. Default: all may play."
    )
    on_publish: AuthSpec | None = Field(
        default=None, description="Authorisation of publishers. Default: all may publish."
    )
    password: Secret | None = Field(default=None, description="Password of publishers.")
    drm: DrmSpec | None = Field(default=None, description="Encryption. Default: none.")
    protocols: ProtocolsSpec | None = Field(
        default=None, description="Protocols that may play it. Default: all."
    )
    prepush: SecondsOrBool | None = Field(
        default=None,
        description="Sent to new viewers at once: true (default) since the last key frame, false"
        " nothing, or whole groups of pictures of so many seconds.",
    )
    segment_count: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=DEFAULT_SEGMENT_COUNT, description="Segments of the live playlist, 1 to 1000."
    )
    segment_duration: SegmentMilliseconds = Field(
        default=DEFAULT_SEGMENT_DURATION,
        description="Length of a segment in milliseconds, 100 to 120000; ends at a key frame.",
    )
    chunk_duration: Annotated[int, Field(ge=20, le=10_000), MillisecondsText] | None = Field(
        default=None, description="Length of an LL-HLS part in milliseconds, 20 to 10000."
    )
    url_prefix: TextOrFalse | None = Field(
        default=None,
        description="Put before segment addresses in media playlists; false cancels that of the"
        " server.",
    )
    hls_scte35: Annotated[Literal[False, "aws", "scte35", "rfc8216"] | None, WordOrBool] = Field(
        default=None, description="How ad markers are written into HLS; false (default): not."
    )
    add_audio_only: bool | None = Field(
        default=None,
        description="Add an audio-only variant to HLS. Default false.",
    )
    webrtc_abr: WebrtcAbr | None = Field(
        default=None,
        description="Adaptive bit rate of WebRTC playback: several videos are chosen from by what"
        " each viewer's path carries, with and without this; `?filter.tracks=v1` of a viewer fixes"
        " one.",
    )
    pushes: Annotated[list[PushConfig], Field(max_length=64)] | None = Field(
        default=None, description="Where the stream is sent. Default: nowhere."
    )
    mpegts_pids: MpegTsPids | None = Field(default=None, description="PIDs of produced MPEG-TS.")
    mpegts_ac3: Ac3Mode | None = Field(
        default=None, description="Signalling of AC-3 in MPEG-TS. Default keep."
    )
    playback_headers: Annotated[list[PlaybackHeaders], Field(max_length=32)] | None = Field(
        default=None, description="HTTP headers added to answers."
    )
    cmaf_enabled: bool | None = Field(
        default=None, description="Make CMAF segments from the start. Default: at first use."
    )
    dash_update_period: Seconds | None = Field(
        default=None, description="minimumUpdatePeriod of DASH in seconds. Default: half a segment."
    )
    jpeg_snapshot_sign_key: Secret | None = Field(
        default=None, description="Key that signs snapshots."
    )
    logo: DiskPath | None = Field(default=None, description="Logo shown by the player page.")
    pulse_off: bool | None = Field(default=None, description="Keep no history. Default false.")


class StreamOnPremises(ApiModel):
    """Options of servers that have disks and neighbours."""

    record_input: RecordInputSpec | None = Field(
        default=None, description="Raw recording of the input, for support."
    )
    cluster_ingest: Annotated[ClusterIngest | None, _spec_from_flag("")] = Field(
        default=None, description="Capture at one streamer of the cluster only."
    )
    cache: CacheSpec | None = Field(
        default=None, description="Keeps recorded segments that are taken from another server."
    )
    meta: TextMap | None = Field(default=None, description="Free keys and values.")


class StreamConfig(StreamBase, StreamMedia, StreamOnPremises):
    """A stream as people configure it."""

    name: StreamName = Field(
        description="Latin letters, digits, . - _ and / between parts; at most 255 characters."
    )
    title: Text | None = Field(default=None, description="Title shown to viewers.")
    namespace: ObjectName | None = Field(
        default=None, description="Only streamers of the same namespace run it. Default: none."
    )
    position: Count | None = Field(default=None, description="Place in lists, from 0.")
    template: StreamName | None = Field(
        default=None, description="Template that gives what is not set here."
    )
    srt: ListenSpec | None = Field(
        default=None, description="SRT port of this stream, to play and publish."
    )
    srt2: ListenSpec | None = Field(default=None, description="Second SRT port.")
    srt_play: SrtConfig | None = Field(default=None, description="SRT listener to play.")
    srt2_play: SrtConfig | None = Field(default=None, description="Second SRT listener to play.")
    srt_publish: SrtConfig | None = Field(default=None, description="SRT listener to publish.")
    srt2_publish: SrtConfig | None = Field(
        default=None, description="Second SRT listener to publish."
    )
    srt_port_resolve: bool | None = Field(
        default=None, description="The configuration backend chooses the SRT ports. Default false."
    )

    @property
    def accepts_publish(self) -> bool:
        """True if a publisher may feed this stream."""
        return any(item.scheme == "publish" for item in self.inputs)


Prefix = Annotated[StreamName | Literal[""], Field(union_mode="left_to_right")]


class TemplateConfig(StreamBase, StreamMedia, StreamOnPremises):
    """Options for streams that name it and, with `prefixes`, for unknown names under a prefix."""

    name: StreamName = Field(description="Name that streams refer to.")
    prefixes: Annotated[list[Prefix], Field(max_length=64)] | None = Field(
        default=None,
        description="Requests for unknown names PREFIX/… make a stream; an empty one takes any.",
    )
