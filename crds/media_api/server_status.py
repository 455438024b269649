"""What a server says about itself: version, health, load, errors of its configuration."""

from typing import Annotated, Any, Literal

from pydantic import Field

from media_api.base import ApiModel
from media_api.units import Count, LongText, Percent, Seconds, Text

StreamerStatus = Literal[
    "no_config",
    "broken_config",
    "config_external_error",
    "license_failure",
    "no_license",
    "starting",
    "running",
]
ConfigPath = Annotated[list[str | int], Field(max_length=64)]


class ConfigError(ApiModel):
    """Why a configuration was refused, and where."""

    error: Text = Field(description="Kind of the error, such as bad_url.")
    line: Count | None = Field(default=None, description="Line of the file, from 1.")
    col: Count | None = Field(default=None, description="Column of the line, from 1.")
    first_error_line: Count | None = Field(default=None, description="Line of the first error.")
    first_error_col: Count | None = Field(default=None, description="Column of the first error.")
    path: ConfigPath | None = Field(
        default=None, description="Keys and indexes, such as streams, 0, inputs, 0, url."
    )
    detail: str | float | dict[str, Any] | None = Field(
        default=None, description="What is wrong, and the way out."
    )
    config: dict[str, Any] | None = Field(default=None, description="What could be parsed.")


class ConfigExternalStatus(ApiModel):
    """State of the configuration backend."""

    status: Literal["loaded", "error"] = Field(description="Result of the last request.")
    while_: Literal["refresh", "request", "srt_port_resolve"] | None = Field(
        default=None, alias="while", description="What was asked."
    )
    reason: (
        Literal["validation_error", "network_error", "malformed_json", "invalid_request", "unknown"]
        | None
    ) = Field(default=None, description="Kind of the error.")
    code: Count | None = Field(default=None, description="HTTP status.")
    error: LongText | None = Field(default=None, description="The error in words.")
    path: ConfigPath | None = Field(default=None, description="Keys of the refused value.")
    detail: LongText | None = Field(default=None, description="Further words.")


class PartitionStats(ApiModel):
    """A mounted partition."""

    path: Text = Field(description="Mount point.")
    device: Text | None = Field(default=None, description="Block device.")
    total_mb: Count | None = Field(default=None, description="Size in MiB.")
    usage: Percent | None = Field(default=None, description="Used, percent.")
    io_util: Percent | None = Field(default=None, description="Time spent in I/O, percent.")
    write_bytes_per_second: Count | None = Field(
        default=None, description="Written to its disk by all programs, over the last seconds."
    )
    dvr_streams: Count | None = Field(
        default=None, description="Streams with something of their archive there."
    )
    dvr_bytes: Count | None = Field(default=None, description="Bytes of archives there.")
    dvr_depth: Seconds | None = Field(
        default=None, description="Seconds from the oldest to the newest recording there."
    )
    error: LongText | None = Field(default=None, description="Why nothing is recorded there now.")


class TranscoderDeviceStats(ApiModel):
    """A GPU or another device that can encode."""

    type: Text | None = Field(default=None, description="cpu, nvenc, qsv, …")
    id: Count | Text | None = Field(default=None, description="Number of the device, or auto.")
    name: Text | None = Field(default=None, description="Model.")
    can_logo: bool | None = Field(default=None, description="Can lay pictures over.")
    can_interlace: bool | None = Field(default=None, description="Can encode interlaced.")
    can_internal: bool | None = Field(default=None, description="Can run within the server.")
    mem_total: Count | None = Field(default=None, alias="memTotal", description="Memory, bytes.")
    mem_free: Count | None = Field(default=None, alias="memFree", description="Free, bytes.")
    mem_used: Count | None = Field(default=None, alias="memUsed", description="Used, bytes.")
    gpu_temp: Count | None = Field(default=None, description="Temperature, °C.")
    gpu_enc: Percent | None = Field(default=None, description="Load of the encoder, percent.")
    gpu_dec: Percent | None = Field(default=None, description="Load of the decoder, percent.")
    gpu_sm: Percent | None = Field(default=None, description="Load of the cores, percent.")
    gpu_power: Count | None = Field(default=None, description="Power drawn, W.")


class EventDeliveryStats(ApiModel):
    """Delivery of events, all sinks together."""

    resent_events: Count = Field(default=0, description="Events delivered again.")
    dropped_events: Count = Field(default=0, description="Events dropped: the buffer was full.")


class WhoAmI(ApiModel):
    """Who answers, also the body of the probes."""

    server_version: Text | None = Field(default=None, description="Version, such as 26.11.")
    build: Count | None = Field(default=None, description="Build number.")
    now: Count | None = Field(default=None, description="Time of the server, Unix ms.")
    started_at: Count | None = Field(default=None, description="Start of the server, Unix s.")


class ServerStats(WhoAmI):
    """Statistics of a server (`/config/stats`)."""

    id: Text | None = Field(default=None, description="Id of the server, UUID.")
    hostname: Text | None = Field(default=None, description="Host name.")
    config_version: Annotated[list[int], Field(max_length=8)] | None = Field(
        default=None, description="Grows with each change: start time, counter."
    )
    next_version: Text | None = Field(default=None, description="Version installed, not started.")
    streamer_status: StreamerStatus | None = Field(default=None, description="State.")
    config_error: ConfigError | None = Field(default=None, description="With broken_config.")
    config_external_status: ConfigExternalStatus | None = Field(
        default=None, description="State of the configuration backend."
    )
    text_alerts: dict[str, LongText] | None = Field(default=None, description="Words for people.")
    license_type: Text | None = Field(default=None, description="Always undefined: none needed.")
    is_chassis: bool = Field(default=False, description="Always false: no such device.")
    vsaas: bool = Field(default=False, description="Always false, as those below: not a part.")
    vsaas_branding: bool = Field(default=False, description="See vsaas.")
    vsaas_running: bool = Field(default=False, description="See vsaas.")
    rproxy: bool = Field(default=False, description="See vsaas.")
    rproxy_running: bool = Field(default=False, description="See vsaas.")
    transcoder: bool | None = Field(default=None, description="It can transcode.")
    uptime: Count | None = Field(default=None, description="Seconds since the start.")
    cpu_usage: Percent | None = Field(default=None, description="CPU load, percent of all cores.")
    cpu_cores: float | None = Field(
        default=None, description="Cores that it may use, as affinity and cgroup limit them."
    )
    memory_usage: Percent | None = Field(default=None, description="Memory used, percent.")
    scheduler_load: Percent | None = Field(
        default=None, description="Load of the busiest loop of the server, percent."
    )
    bandwidth_usage: Percent | None = Field(
        default=None, description="Output as percent of total_bandwidth."
    )
    total_bandwidth: Count | None = Field(default=None, description="Capacity in bit/s.")
    partitions: list[PartitionStats] | None = Field(default=None, description="Disks.")
    transcoder_devices: list[TranscoderDeviceStats] | None = Field(
        default=None, description="Devices that can encode."
    )
    total_clients: Count = Field(default=0, description="Open play sessions.")
    total_streams: Count = Field(default=0, description="Streams known.")
    online_streams: Count = Field(default=0, description="Streams that are alive.")
    opened_files: Count = Field(default=0, description="Files being played.")
    input_kbit: Count = Field(default=0, description="kbit/s received.")
    output_kbit: Count = Field(default=0, description="kbit/s sent.")
    failed_logins: Count = Field(
        default=0, description="Wrong passwords and keys, since the start."
    )
    refused_logins: Count = Field(
        default=0, description="Logins not looked at: too many were wrong before."
    )
    srt_dropped_datagrams: Count = Field(
        default=0,
        description="Datagrams that SRT ports did not take, since the start: handshakes that would "
        "do harm, or the port's buffer was full.",
    )
    events: EventDeliveryStats | None = Field(default=None, description="Delivery of events.")
