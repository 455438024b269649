"""What servers report: statistics of streams, inputs, pushes and sessions, and stream answers.

Role: the read side of the API. Units: `*_at` are Unix milliseconds (only `opened_at` of old inputs
and pushes was seconds), `lifetime`, `ts_delay` and `last_dts` milliseconds, `bitrate` and `*_kbit`
kbit/s, `bytes` bytes. Counters grow from the opening of their object and restart with it.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from media_api.base import ApiModel
from media_api.dvr import DvrInfo
from media_api.input import InputConfig
from media_api.media import MediaInfo as MediaInfo
from media_api.media import TrackInfo as TrackInfo
from media_api.push import PushConfig
from media_api.server_status import ConfigError as ConfigError
from media_api.server_status import ConfigExternalStatus as ConfigExternalStatus
from media_api.server_status import ServerStats as ServerStats
from media_api.server_status import WhoAmI as WhoAmI
from media_api.stream import StreamConfig
from media_api.units import Count, LongText, Text, Url

UnixMs = Annotated[float, Field(ge=0)]
ElapsedMs = Annotated[float, Field(ge=0)]
StreamStatus = Literal["running", "waiting", "error"]
SessionStatus = Literal["establishing", "running", "stalling", "finished"]
PusherStatus = Literal[
    "starting", "pending", "retry", "error", "establishing", "running", "stalling", "finished"
]
NamedBy = Literal["config", "user", "remote", "external"]
SessionType = Literal[
    "play", "publish", "ingest", "push", "stream", "muxer", "api", "player", "publisher"
]


class SrtStats(ApiModel):
    """Counters of an SRT connection."""

    packets: Count = Field(default=0, description="Packets received.")
    retransmitted_packets: Count = Field(default=0, description="Packets sent again.")
    error_lost_packets: Count = Field(default=0, description="Packets lost.")
    error_dropped_packets: Count = Field(default=0, description="Packets that came too late.")
    rtt: Count | None = Field(default=None, description="Round trip in milliseconds.")
    latency: Count | None = Field(default=None, description="Agreed latency in milliseconds.")


class PidStats(ApiModel):
    """Counters of one PID of an MPEG-TS input."""

    pid: Count = Field(description="PID, 0 to 8191.")
    pnr: Count | None = Field(default=None, description="Program number.")
    packets: Count = Field(default=0, description="TS packets.")
    frames: Count = Field(default=0, description="Frames.")
    errors_ts_cc: Count = Field(default=0, description="Continuity errors (TR 101 290 1.4).")
    errors_ts_tei: Count = Field(default=0, description="Packets marked as broken.")
    errors_ts_scrambled: Count = Field(default=0, description="Scrambled packets.")
    errors_ts_pmt: Count = Field(default=0, description="PMT missing (TR 101 290 1.5).")
    errors_pid_lost: Count = Field(default=0, description="PID missing (TR 101 290 1.6).")


class InputStats(ApiModel):
    """Statistics of the input side of a stream (`stats.input`), or of one input (`inputs[].stats`).

    Counters start at 0 when the stream opens and survive reconnects.
    """

    id: Text | None = Field(default=None, description="Session id, UUID.")
    url: Url | None = Field(default=None, description="URL without credentials.")
    proto: Text | None = Field(default=None, description="Protocol.")
    ip: Text | None = Field(default=None, description="Address of the source or publisher.")
    user_agent: Text | None = Field(default=None, description="User agent of the publisher.")
    active: bool = Field(default=False, description="It feeds the stream now.")
    opened_at: UnixMs | None = Field(default=None, description="First attempt, Unix ms.")
    connected_at: UnixMs | None = Field(default=None, description="Connected, Unix ms.")
    started_at: UnixMs | None = Field(default=None, description="First frame, Unix ms.")
    last_dts: int | None = Field(default=None, description="DTS of the last frame, ms.")
    last_dts_at: UnixMs | None = Field(default=None, description="Time of the last frame, Unix ms.")
    ts_delay: ElapsedMs | None = Field(default=None, description="Since the last frame, ms.")
    media_info: MediaInfo | None = Field(default=None, description="Tracks of the input.")
    dvr_info: DvrInfo | None = Field(default=None, description="Archive at the source.")
    error: Text | None = Field(default=None, description="Last error in words.")
    bytes: Count = Field(default=0, description="Bytes received.")
    frames: Count = Field(default=0, description="Frames received.")
    retries: Count = Field(default=0, description="Attempts to connect after the first.")
    input_switches: Count = Field(default=0, description="Changes of the input in use.")
    media_info_changes: Count = Field(default=0, description="Changes of the tracks.")
    valid_secondary_inputs: Count = Field(default=0, description="Further inputs that work.")
    invalid_secondary_inputs: Count = Field(default=0, description="Further inputs that fail.")
    num_sec_on_primary_input: Count = Field(default=0, description="Seconds on the best input.")
    num_sec_on_secondary_input: Count = Field(default=0, description="Seconds on another input.")
    num_sec_no_data: Count = Field(default=0, description="Seconds without frames.")
    resync_count_normal: Count = Field(default=0, description="Expected time corrections.")
    resync_count_jump: Count = Field(default=0, description="Time corrections by a jump.")
    resync_count_drift: Count = Field(default=0, description="Time corrections by drift.")
    reorder_count: Count = Field(default=0, description="Frames put in order.")
    errors: Count = Field(default=0, description="All errors.")
    error_rate: Count | None = Field(default=None, description="Errors per second.")
    errors_lost_packets: Count = Field(default=0, description="Lost packets.")
    errors_decoder_reset: Count = Field(default=0, description="Restarts of the demuxer.")
    errors_broken_payload: Count = Field(default=0, description="Packets that cannot be parsed.")
    errors_dropped_frames: Count = Field(default=0, description="Frames dropped.")
    errors_desync: Count = Field(default=0, description="Losses of synchronisation.")
    errors_ts_pat: Count = Field(default=0, description="PAT missing (TR 101 290 1.3).")
    errors_ts_service_lost: Count = Field(default=0, description="Program missing.")
    errors_ts_stuck_restarts: Count = Field(default=0, description="Restarts by stuck times.")
    errors_404: Count = Field(default=0, description="HTTP answers 404.")
    errors_403: Count = Field(default=0, description="HTTP answers 401 and 403.")
    errors_500: Count = Field(default=0, description="HTTP answers 5xx.")
    errors_crashed: Count = Field(default=0, description="Crashes of the input's process.")
    ad_splices_ingested: Count = Field(default=0, description="SCTE-35 splices received.")
    ad_splices_inserted: Count = Field(default=0, description="Ads inserted.")
    bytes_dvr: Count = Field(default=0, description="Bytes read from the archive at the source.")
    pids: list[PidStats] | None = Field(default=None, description="By PID, MPEG-TS only.")
    srt: SrtStats | None = Field(default=None, description="SRT only.")


class PushStats(ApiModel):
    """Statistics of one push."""

    id: Text | None = Field(default=None, description="Session id, UUID.")
    url: Url | None = Field(default=None, description="URL without credentials.")
    status: PusherStatus | None = Field(default=None, description="State.")
    standby_status: Literal["active", "waiting"] | None = Field(
        default=None, description="State of a standby push."
    )
    opened_at: UnixMs | None = Field(default=None, description="First attempt, Unix ms.")
    error: Text | None = Field(
        default=None, description="What is wrong now, or why the last attempt ended, in words."
    )
    bytes: Count = Field(default=0, description="Bytes sent.")
    frames: Count = Field(default=0, description="Frames sent.")
    segments: Count = Field(default=0, description="Segments sent.")
    retries: Count = Field(default=0, description="Attempts since it last worked.")
    errors_401: Count = Field(default=0, description="HTTP answers 401.")
    errors_403: Count = Field(default=0, description="HTTP answers 403.")
    errors_404: Count = Field(default=0, description="HTTP answers 404.")
    errors_409: Count = Field(default=0, description="HTTP answers 409.")
    errors_500: Count = Field(default=0, description="HTTP answers 5xx.")
    errors_tls: Count = Field(default=0, description="TLS failures.")
    errors_connection_lost: Count = Field(default=0, description="Lost connections.")
    errors_dropped_frames: Count = Field(default=0, description="Frames dropped: slow receiver.")
    errors_dropped_segments: Count = Field(default=0, description="Segments dropped.")
    errors_no_destination: Count = Field(default=0, description="Addresses not found.")
    errors_not_authorized: Count = Field(default=0, description="Refused by the receiver.")
    pusher_restarts: Count = Field(default=0, description="Restarts of the push.")


class PlayStats(ApiModel):
    """Statistics of playback of a stream (`stats.play`).

    Answers over HTTP are counted as `play_PROTOCOL_http_STATUS`, such as `play_hls_http_404`.
    """

    play_opened_sessions: Count = Field(default=0, description="Sessions open now.")
    play_total_sessions: Count = Field(default=0, description="Sessions since the start.")
    bytes: Count = Field(default=0, description="Bytes sent.")
    errors_dropped_frames: Count = Field(default=0, description="Frames dropped: slow viewers.")


class DvrWriteStats(ApiModel):
    """Statistics of recording (`stats.dvr_write`)."""

    bytes: Count = Field(default=0, description="Bytes written.")
    segments: Count = Field(default=0, description="Segments written.")
    errors: Count = Field(default=0, description="Failed writes.")
    dropped_segments: Count = Field(default=0, description="Segments that are not recorded.")
    error: LongText | None = Field(default=None, description="Why nothing is recorded now.")
    failing_disks: dict[str, str] | None = Field(
        default=None, description="Disks that others stand in for, and why."
    )


class DvrCopyStats(ApiModel):
    """Copies of an archive in a bucket (`stats.dvr_copy`)."""

    url: Text | None = Field(default=None, description="The bucket, without keys.")
    copied_files: Count = Field(default=0, description="Files copied since the server began.")
    copied_bytes: Count = Field(default=0, description="Bytes of those.")
    waiting_files: Count = Field(default=0, description="Finished files that are not copied yet.")
    waiting_bytes: Count = Field(default=0, description="Bytes of those.")
    lag: Count = Field(default=0, description="Seconds since the oldest of those ended.")
    stored_files: Count = Field(default=0, description="Files in the bucket.")
    stored_bytes: Count = Field(default=0, description="Bytes of those.")
    errors: Count = Field(default=0, description="Copies that failed and are tried again.")
    lost_files: Count = Field(
        default=0, description="Files that the disk's limits took before they were copied."
    )
    error: LongText | None = Field(default=None, description="Why nothing is copied now.")


class DvrReplicateStats(ApiModel):
    """Gaps of an archive that are filled from another server (`stats.dvr_replicate`)."""

    origin: Text | None = Field(default=None, description="The other server.")
    filled_segments: Count = Field(default=0, description="Segments since the server began.")
    filled_bytes: Count = Field(default=0, description="Bytes of those.")
    filled_seconds: Count = Field(default=0, description="Seconds of those.")
    missing_seconds: Count = Field(
        default=0, description="Seconds that the other server has and this one lacks."
    )
    errors: Count = Field(default=0, description="Attempts that failed and are repeated.")
    error: LongText | None = Field(default=None, description="Why nothing is filled now.")


class TranscoderStats(ApiModel):
    """Statistics of the transcoder (`stats.transcoder`)."""

    frames_decoded: Count = Field(default=0, description="Frames decoded.")
    frames_encoded: Count = Field(default=0, description="Frames encoded, all tracks.")
    errors_dropped_frames: Count = Field(default=0, description="Frames dropped: overload.")
    restarts: Count = Field(default=0, description="Restarts of the transcoder.")
    device: Text | None = Field(default=None, description="Device in use, such as nvenc:0.")
    error: LongText | None = Field(default=None, description="Why nothing is encoded now.")


class PlayUrlState(ApiModel):
    """One way to watch a stream."""

    form: Text = Field(description="Short name of the form, such as llhls.")
    protocol: Text = Field(description="Protocol switch that allows it.")
    title: Text = Field(description="Name for people.")
    url: Url = Field(description="URL.")


class PublishUrlState(ApiModel):
    """One way to publish a stream."""

    form: Text = Field(description="Short name of the form, such as rtmp.")
    protocol: Text = Field(description="Protocol.")
    title: Text = Field(description="Name for people.")
    url: Url = Field(description="URL.")
    server: Url | None = Field(default=None, description="For encoders with two fields: server.")
    key: Text | None = Field(default=None, description="For encoders with two fields: stream key.")


class StreamStats(ApiModel):
    """Statistics of a stream (`stats`)."""

    id: Text | None = Field(default=None, description="Session id, UUID.")
    source_id: Text | None = Field(default=None, description="Session id of the input, UUID.")
    opened_at: UnixMs | None = Field(default=None, description="Opened, Unix ms.")
    started_at: UnixMs | None = Field(default=None, description="First frame, Unix ms.")
    last_running_at: UnixMs | None = Field(default=None, description="Last in use, Unix ms.")
    status: StreamStatus | None = Field(
        default=None,
        description="running: ready to serve; waiting: for a publisher or viewer; error.",
    )
    running: bool = Field(default=False, description="Its status is running (older name).")
    start_running_at: UnixMs | None = Field(default=None, description="As started_at.")
    alive: bool = Field(default=False, description="The last frame came at most 12 s ago.")
    ts_delay: ElapsedMs | None = Field(default=None, description="Since the last frame, ms.")
    last_dts: int | None = Field(default=None, description="DTS of the last frame, ms.")
    last_dts_at: UnixMs | None = Field(default=None, description="Time of the last frame, Unix ms.")
    lifetime: ElapsedMs | None = Field(default=None, description="Since the first frame, ms.")
    media_info: MediaInfo | None = Field(default=None, description="Tracks of the stream.")
    input_media_info: MediaInfo | None = Field(
        default=None, description="Tracks of the input in use."
    )
    bitrate: Count | None = Field(default=None, description="kbit/s of all tracks.")
    input_bitrate: Count | None = Field(default=None, description="kbit/s received.")
    output_bitrate: Count | None = Field(default=None, description="kbit/s after transcoding.")
    out_bandwidth: Count | None = Field(default=None, description="kbit/s sent to all viewers.")
    bytes_in: Count = Field(default=0, description="Bytes received.")
    bytes_out: Count = Field(default=0, description="Bytes sent.")
    client_count: Count = Field(default=0, description="Open play sessions (older name).")
    online_clients: Count = Field(default=0, description="Open play sessions.")
    last_access_at: UnixMs | None = Field(default=None, description="Last request, Unix ms.")
    retry_count: Count = Field(default=0, description="Attempts to connect after the first.")
    url: Url | None = Field(default=None, description="Input in use, without credentials.")
    source_error: LongText | None = Field(default=None, description="Last error of the input.")
    input_error_rate: Count | None = Field(default=None, description="Input errors per second.")
    published_from: Text | None = Field(default=None, description="Address of the publisher.")
    published_via: Text | None = Field(default=None, description="Protocol of the publisher.")
    backup_running: bool = Field(default=False, description="The backup is shown.")
    dvr_enabled: bool = Field(default=False, description="It is recorded now.")
    dvr_info: DvrInfo | None = Field(default=None, description="Archive.")
    dvr_replication_running: bool = Field(default=False, description="Archive is copied now.")
    dvr_replication: Count | None = Field(default=None, description="Archive copied, percent.")
    coder_error: bool = Field(default=False, description="The transcoder's device failed.")
    running_transcoder: bool = Field(default=False, description="It is transcoded now.")
    transcoder_overloaded: bool = Field(default=False, description="The transcoder drops frames.")
    remote: bool = Field(default=False, description="Taken from a `source`.")
    source_hostname: Text | None = Field(default=None, description="Server it is taken from.")
    via: list[Text] | None = Field(
        default=None,
        description="Servers that it comes through, by what they call themselves, nearest first.",
    )
    running_on: list[Text] | None = Field(default=None, description="Servers that run it.")
    streaming_endpoint: Url | None = Field(default=None, description="Where to play it (Central).")
    playback_token: Text | None = Field(default=None, description="Token for previews.")
    agent_status: Text | None = Field(default=None, description="Connection of the agent.")
    current_agent_id: Text | None = Field(default=None, description="Agent of the input.")
    input: InputStats | None = Field(default=None, description="Counters of the input side.")
    play: PlayStats | None = Field(default=None, description="Counters of playback.")
    push: PushStats | None = Field(default=None, description="Sum over all pushes.")
    play_urls: list[PlayUrlState] | None = Field(default=None, description="Where to watch it.")
    publish_urls: list[PublishUrlState] | None = Field(
        default=None, description="Where to publish it; only if it takes a publisher."
    )
    dvr_write: DvrWriteStats | None = Field(default=None, description="Counters of recording.")
    dvr_copy: DvrCopyStats | None = Field(default=None, description="Copies in a bucket.")
    dvr_replicate: DvrReplicateStats | None = Field(
        default=None, description="Gaps that are filled from another server."
    )
    transcoder: TranscoderStats | None = Field(default=None, description="Of the transcoder.")


class InputState(InputConfig):
    """An input as servers answer it."""

    stats: InputStats | None = Field(default=None, description="Statistics of this input.")


class PushState(PushConfig):
    """A push as servers answer it."""

    stats: PushStats | None = Field(default=None, description="Statistics of this push.")


class StreamState(StreamConfig):
    """A stream as servers answer it: the effective configuration and what the server adds."""

    inputs: Annotated[list[InputState], Field(max_length=64)] = Field(  # type: ignore[assignment]
        default_factory=list, description="Inputs, the best first."
    )
    pushes: Annotated[list[PushState], Field(max_length=64)] | None = Field(  # type: ignore[assignment]
        default=None, description="Where the stream is sent."
    )
    warnings: list[Text] | None = Field(
        default=None, description="What of the configuration has no effect here, in words."
    )
    named_by: NamedBy | None = Field(
        default=None,
        description="config: saved here; user: from a template; remote: from a source; external:"
        " from config_external.",
    )
    config_on_disk: dict[str, Any] | None = Field(
        default=None, description="What was explicitly saved, without defaults and template."
    )
    stats: StreamStats | None = Field(default=None, description="Statistics, read-only.")
    updated_at: UnixMs | None = Field(default=None, description="Last change (Central), Unix ms.")


class PlayToken(ApiModel):
    """What whoever may read the API watches one stream with, past the rules for viewers."""

    name: Text = Field(description="Stream that it is good for.")
    token: Text = Field(description="The token.")
    parameter: Text = Field(description="Parameter of the query that takes it (`auth_token`).")
    seconds: Count = Field(description="For so long it opens sessions; those go on after that.")


class SessionInfo(ApiModel):
    """A session of a viewer, publisher or input."""

    id: Text = Field(description="Session id, UUID.")
    type: SessionType = Field(default="play", description="What the session does.")
    source_id: Text | None = Field(default=None, description="Session that feeds this one.")
    parent_id: Text | None = Field(default=None, description="Session that it belongs to.")
    name: Text | None = Field(default=None, description="Stream or file.")
    proto: Text | None = Field(default=None, description="Protocol.")
    ip: Text | None = Field(default=None, description="Address of the client.")
    country: Text | None = Field(default=None, description="Country of the client, ISO 3166-1.")
    token: Text | None = Field(default=None, description="Token of the client.")
    user_id: Text | None = Field(default=None, description="User, said by the backend.")
    user_name: Text | None = Field(default=None, description="Name, said by the backend.")
    max_sessions: Count | None = Field(default=None, description="Limit of this user.")
    soft_limitation: bool = Field(default=False, description="The limit is applied late.")
    user_agent: LongText | None = Field(default=None, description="User agent.")
    referer: LongText | None = Field(default=None, description="Page of the player.")
    query_string: LongText | None = Field(default=None, description="Query of the first request.")
    bytes: Count = Field(default=0, description="Bytes sent or received.")
    dropped_gops: Count | None = Field(
        default=None, description="Groups of pictures that the path did not carry."
    )
    track: Text | None = Field(default=None, description="Video that is sent of several.")
    track_switches: Count | None = Field(default=None, description="How often it has changed.")
    path_bandwidth: Count | None = Field(
        default=None, description="Bits that got through in the last second."
    )
    path_queue: Count | None = Field(default=None, description="Queue on the path, ms.")
    lost_packets: Count | None = Field(default=None, description="Packets that did not arrive.")
    retransmitted_packets: Count | None = Field(
        default=None, description="Packets that were sent again."
    )
    opened_at: UnixMs | None = Field(default=None, description="First request, Unix ms.")
    started_at: UnixMs | None = Field(default=None, description="First media, Unix ms.")
    first_byte_at: UnixMs | None = Field(default=None, description="First byte, Unix ms.")
    updated_at: UnixMs | None = Field(default=None, description="Last activity, Unix ms.")
    closed_at: UnixMs | None = Field(default=None, description="Closed, Unix ms.")
    status: SessionStatus | None = Field(default=None, description="State.")
    segments_container: Literal["cmaf", "fmp4", "mpegts"] | None = Field(
        default=None, description="Container of the segments."
    )
    ssl: bool = Field(default=False, description="Over TLS.")
    ssl_protocol: Text | None = Field(default=None, description="TLS version.")
    dvr: bool = Field(default=False, description="Plays the archive.")
    current_time: float | None = Field(default=None, description="Position played, ms.")


class EndedSession(SessionInfo):
    """A session that has ended (`session_log`)."""

    url: Url | None = Field(default=None, description="Of an input or a push, without secrets.")
    duration: Count | None = Field(default=None, description="From opened_at to closed_at, ms.")
    reason: LongText | None = Field(default=None, description="Why it ended.")
