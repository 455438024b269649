"""What Central adds to the vocabulary: where a stream should run, and the streamers it knows."""

from typing import Annotated, ClassVar, Literal

from media_api.base import ApiModel
from media_api.dvr import DvrConfig
from media_api.status import ServerStats, StreamState, StreamStats, UnixMs
from media_api.stream import StreamConfig
from media_api.units import (
    Count,
    HostName,
    LongText,
    Milliseconds,
    ObjectName,
    Percent,
    Port,
    Secret,
    Text,
    TextMap,
    Url,
)
from pydantic import Field, field_validator

from media_central.models.node import StreamerNodeConfig

Kilobits = Annotated[int, Field(ge=0, le=10**9, description="kbit/s.")]


class Claims(ApiModel):
    """What a stream is expected to use of its streamer."""

    bitrate: Kilobits | None = Field(default=None, description="Input bit rate in kbit/s.")
    cpu: Annotated[float, Field(ge=0, le=1024)] | None = Field(
        default=None,
        description="Cores that the transcoder takes. Default: estimated from its configuration.",
    )


class CentralStream(StreamConfig):
    """A stream as Central keeps it: the streamer's configuration and its placement."""

    claims: Claims | None = Field(default=None, description="Expected use of the streamer.")
    streamer: HostName | None = Field(
        default=None, description="The only streamer that may run it. Default: any."
    )
    preferred_streamer: HostName | None = Field(
        default=None, description="The streamer that runs it while it can. Default: none."
    )
    streamer_selector: TextMap | None = Field(
        default=None, description="Labels that its streamer must have. Default: none."
    )
    gpu: bool | None = Field(
        default=None, description="true: only a streamer with a GPU runs it. Default false."
    )


PLACEMENT_FIELDS = frozenset(
    {"claims", "streamer", "preferred_streamer", "streamer_selector", "gpu"}
)
"""Central's own part of a stream: streamers are not told."""


class CentralStreamer(ApiModel):
    """A streamer that Central gives streams to."""

    deprecated_aliases: ClassVar = {"public": "public_payload_url"}

    hostname: HostName = Field(description="Its unique name, as it calls itself.")
    api_url: Url | None = Field(
        default=None,
        description="URL that Central reaches its API at, http://HOST:PORT. Default:"
        " http://HOSTNAME.",
    )
    public_payload_url: Url | None = Field(
        default=None, description="URL that viewers reach it at. Default: api_url."
    )
    public_ports: dict[str, Port] | None = Field(
        default=None,
        description="Other ports that viewers reach on the host of public_payload_url, by"
        " listener, such as rtmp. Default: those of its own first listeners.",
    )
    private_payload_url: Url | None = Field(
        default=None, description="URL that other streamers reach it at. Default: api_url."
    )
    cluster_key: Secret | None = Field(
        default=None, description="The cluster key in its configuration."
    )
    role: Literal["streamer", "inference", "identification"] = Field(
        default="streamer", description="What it does; only streamer runs streams."
    )
    namespace: ObjectName | None = Field(
        default=None, description="Only streams of the same namespace run on it. Default: none."
    )
    labels: TextMap | None = Field(default=None, description="Labels that streams select by.")
    channel_limit: Count | None = Field(
        default=None, description="Streams that it takes. Default 6000."
    )
    cpu_limit: Percent | None = Field(
        default=None, description="CPU load in percent above which it gets nothing more."
    )
    total_bandwidth: Kilobits | None = Field(
        default=None,
        description="Its capacity in kbit/s. Default: what its own configuration says.",
    )
    gpu: bool | None = Field(
        default=None, description="It has a GPU. Default: what it says of itself."
    )
    cpu_cores: Annotated[float, Field(ge=0, le=1024)] | None = Field(
        default=None,
        description="Cores that transcoders may take. Default: those that it says it has.",
    )
    gpu_sessions: Count | None = Field(
        default=None,
        description="Encoder sessions of all its GPUs, one for each rendition. Default: no limit.",
    )
    draining: bool = Field(
        default=False, description="true: its streams move away and none is added."
    )
    is_restreamer: bool = Field(
        default=False, description="It gets streams of other streamers on request."
    )
    fetch_timeout: Annotated[Milliseconds, Field(ge=100)] | None = Field(
        default=None, description="Longest time its answers may take, milliseconds, from 100."
    )
    stale_timeout: Milliseconds | None = Field(
        default=None, description="Silence after which its streams move, milliseconds."
    )
    max_bitrate: Kilobits | None = Field(
        default=None, description="Older name of total_bandwidth, kbit/s: used where that is unset."
    )
    dvrs: Annotated[list[DvrConfig], Field(max_length=64)] | None = Field(
        default=None, description="Archives that it has, for streams to refer to."
    )
    config: StreamerNodeConfig | None = Field(
        default=None, description="What Central writes into its configuration, and keeps there."
    )
    comment: LongText | None = Field(default=None, description="Note of the administrator.")

    @field_validator("hostname")
    @classmethod
    def _no_path(cls, value: str) -> str:
        if any(ord(letter) <= 32 or letter == "\x7f" for letter in value):
            raise ValueError("a hostname has no spaces or control characters")
        return value

    @field_validator("api_url", "public_payload_url", "private_payload_url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is None or value.startswith(("http://", "https://")):
            return value.rstrip("/") if value else value
        raise ValueError("must start with http:// or https://")


class LayoutDecision(ApiModel):
    """Why a streamer was or was not chosen."""

    hostname: HostName = Field(description="The streamer.")
    role: Literal["streamer", "inference", "identification"] = Field(
        description="Role of the streamer."
    )
    node_decision: bool = Field(description="true: it could run the stream.")
    reasons: list[Text] = Field(default_factory=list, description="Why it could not.")


class LayoutBase(ApiModel):
    """One placement of a stream in the past."""

    ingest: HostName | None = Field(default=None, description="The streamer that captured it.")
    created_at: UnixMs | None = Field(default=None, description="When it was placed, Unix ms.")
    originator: Literal["layouter", "other"] | None = Field(
        default=None, description="layouter, or a person through the API."
    )


class Layout(LayoutBase):
    """Where a stream runs, and why there."""

    failover_from: HostName | None = Field(
        default=None, description="The streamer that it left because that one died."
    )
    change_reason: Text | None = Field(default=None, description="Why it was placed anew.")
    message: LongText | None = Field(default=None, description="Why it runs nowhere, in words.")
    dvr_backups: list[HostName] | None = Field(default=None, description="Copies of the archive.")
    inference: HostName | None = Field(default=None, description="Its analysis; always none.")
    leaving: HostName | None = Field(
        default=None, description="The streamer that still serves the viewers it had."
    )
    ingest_history: list[LayoutBase] | None = Field(
        default=None, description="The last 5 placements; only on request."
    )
    node_layout_decisions: list[LayoutDecision] | None = Field(
        default=None, description="The verdict on each streamer; of one stream, not in lists."
    )


class CentralStreamState(CentralStream, StreamState):
    """A stream as Central answers it."""

    stats: StreamStats | None = Field(default=None, description="Statistics, read-only.")
    layout: Layout | None = Field(default=None, description="Where it runs, read-only.")
    created_at: UnixMs | None = Field(default=None, description="Creation, Unix ms.")
    managed_by: Text | None = Field(default=None, description="Who owns it, if not Central.")


class HealthProblem(ApiModel):
    """A check that failed."""

    rule: Text = Field(description="Name of the check.")
    error: LongText = Field(description="What is wrong, and the way out.")


class HealthChecks(ApiModel):
    """What Central checks of a streamer."""

    reachable: bool = Field(default=False, description="Its API answers.")
    running: bool = Field(default=False, description="It says that it is running.")
    config_ok: bool = Field(default=False, description="Its configuration is sound.")
    config_external_ok: bool = Field(default=False, description="It takes streams from Central.")
    valid_cluster_key: bool = Field(default=False, description="It accepts the cluster key.")
    time_synchronized: bool = Field(default=False, description="Its clock agrees with Central's.")
    errors_details: list[HealthProblem] = Field(
        default_factory=list, description="The failed checks in words."
    )


class HealthStatus(ApiModel):
    """Health of a streamer."""

    status: Literal["ok", "error"] = Field(description="ok: all checks passed.")
    status_changed_at: UnixMs | None = Field(default=None, description="Since when, Unix ms.")
    checks: HealthChecks = Field(description="The checks.")


class CentralStreamerStats(ServerStats):
    """Statistics of a streamer."""

    error: LongText | None = Field(default=None, description="Why there are none now.")


class CentralStreamerState(CentralStreamer):
    """A streamer as Central answers it. `stats` null: offline."""

    stats: CentralStreamerStats | None = Field(default=None, description="Statistics, read-only.")
    healthcheck_status: HealthStatus | None = Field(default=None, description="Health.")
    stream_count: Count = Field(default=0, description="Streams placed on it.")
    updated_at: UnixMs | None = Field(default=None, description="Last change, Unix ms.")
