"""The health of the cluster: `/cluster/stats`, and the totals of `/config/stats`."""

from typing import Literal

from media_api.base import ApiModel
from media_api.server_status import WhoAmI
from media_api.units import HostName, Percent, Text
from pydantic import Field

from media_central.models.values import Kilobits, Number, UnixMilliseconds, UnixSeconds

HealthWord = Literal["operational", "degradated", "partial_outage", "outage", "disabled"]
"""The spelling is that of the API."""


class StateCounts(ApiModel):
    """Objects by their state."""

    operational: Number = Field(default=0, description="All is well.")
    degradated: Number = Field(default=0, description="They work, and something is short.")
    partial_outage: Number = Field(default=0, description="A part does not work.")
    outage: Number = Field(default=0, description="They do not work.")
    disabled: Number = Field(default=0, description="Switched off by a person.")
    total: Number = Field(default=0, description="All of them.")


class StreamCounts(StateCounts):
    """Streams of one streamer by their state."""

    status: HealthWord = Field(description="The worst of them.")


class RateTotals(ApiModel):
    """Traffic of all streamers."""

    input_kbit: Kilobits = Field(default=0, description="Received, kbit/s.")
    output_kbit: Kilobits = Field(default=0, description="Sent, kbit/s.")


class Usage(ApiModel):
    """A resource, its use in percent and what that means."""

    status: HealthWord = Field(description="degradated above 90 %.")
    usage: Percent = Field(default=0, description="Percent.")


class RateUsage(ApiModel):
    """A direction of the network."""

    status: HealthWord = Field(description="degradated above 90 % of total_bandwidth.")
    usage: Kilobits = Field(default=0, description="kbit/s.")


class NetworkUsage(ApiModel):
    """Traffic of a streamer."""

    in_kbit: RateUsage = Field(description="Received.")
    out_kbit: RateUsage = Field(description="Sent.")


class ConfigHealth(ApiModel):
    """Whether the configuration of a streamer is in force."""

    status: HealthWord = Field(description="outage: broken, or not taken from Central.")


class StreamerHealth(ApiModel):
    """One streamer of the cluster."""

    hostname: HostName = Field(description="The streamer.")
    status: HealthWord = Field(description="outage: it does not answer.")
    uptime: Number = Field(default=0, description="Seconds since its start.")
    cpu: Usage = Field(description="Processors.")
    memory: Usage = Field(description="Memory.")
    storage: Usage = Field(description="The fullest disk.")
    network: NetworkUsage = Field(description="Network.")
    stream_metrics: StreamCounts = Field(description="Its streams.")
    agent_metrics: StreamCounts = Field(description="Its camera agents.")
    config: ConfigHealth = Field(description="Its configuration.")


class ClusterHealth(ApiModel):
    """`/cluster/stats`."""

    collected_at: UnixMilliseconds = Field(description="When, Unix ms.")
    server_id: Text = Field(description="Id of this Central.")
    version: Number = Field(description="Version as a number: 0.1.2 is 10002.")
    stream_metrics_total: StateCounts = Field(description="All streams.")
    streamer_metrics_total: StateCounts = Field(description="All streamers.")
    agent_metrics_total: StateCounts = Field(description="All camera agents.")
    streamer_bitrate_metrics_total: RateTotals = Field(description="All traffic.")
    streamer_metrics: list[StreamerHealth] = Field(description="Each streamer.")


class HistoryState(ApiModel):
    """How history is doing."""

    queued_rows: Number = Field(default=0, description="Rows that wait for PostgreSQL.")
    dropped_rows: Number = Field(default=0, description="Rows lost since the start.")


class CentralServerStats(WhoAmI):
    """`/config/stats`: Central, and what all streamers say together."""

    id: Text = Field(description="Id of this Central.")
    hostname: Text = Field(description="Host name.")
    streamer_status: Literal["running"] = Field(default="running", description="It runs.")
    uptime: Number = Field(description="Seconds since the start.")
    database: Literal["available", "unavailable"] = Field(description="PostgreSQL.")
    history: HistoryState = Field(description="History.")
    total_streams: Number = Field(description="Streams declared.")
    online_streams: Number = Field(description="Streams that are alive.")
    total_clients: Number = Field(description="Open play sessions on all streamers.")
    total_streamers: Number = Field(description="Streamers declared.")
    online_streamers: Number = Field(description="Streamers that answer.")
    input_kbit: Kilobits = Field(description="Received by all streamers, kbit/s.")
    output_kbit: Kilobits = Field(description="Sent by all streamers, kbit/s.")
    wrong_passwords: Number = Field(default=0, description="Wrong passwords since the start.")


class WhoAmICentral(WhoAmI):
    """Body of the probes."""

    started_at: UnixSeconds = Field(default=0, description="Start of Central, Unix s.")
    database: Literal["available", "unavailable"] | None = Field(
        default=None, description="PostgreSQL; readiness only."
    )
