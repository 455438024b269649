"""`/config`: Central's settings in the shape that clients of Central know.

What the file calls `LAYOUTER_ENABLED` is a text here, and so is `log_requests`: clients decode them
so. Settings that only this Central has follow by the names of the file; durations are milliseconds.
"""

from typing import Annotated

from media_api.base import ApiModel
from media_api.units import DiskPath, Port, Secret, Text, Url
from pydantic import Field

from media_central.models.values import Number, UnixSeconds


class HttpListener(ApiModel):
    """A port that Central serves HTTP on."""

    address: Text | None = Field(default=None, description="Address. Default: all.")
    port: Port = Field(description="Port.")


class HttpsListener(HttpListener):
    """A port that Central serves HTTPS on."""

    certificate: DiskPath | None = Field(default=None, description="PEM certificate (chain).")
    certificate_key: DiskPath | None = Field(default=None, description="PEM key.")


class Listeners(ApiModel):
    """Ports of Central: one of each kind at most."""

    http: Annotated[list[HttpListener], Field(max_length=1)] | None = Field(
        default=None, description="HTTP."
    )
    https: Annotated[list[HttpsListener], Field(max_length=1)] | None = Field(
        default=None, description="HTTPS."
    )


class DatabaseSettings(ApiModel):
    """PostgreSQL."""

    url: Text = Field(default="", description="postgres://LOGIN:PASSWORD@HOST:PORT/DATABASE")
    max_connections: Number | None = Field(default=None, description="Size of the pool.")
    connect_max_retries: Number | None = Field(default=None, description="Attempts at the start.")
    connect_retry_timeout: Text | None = Field(default=None, description="Pause between, 2s.")


class ClusterSettings(ApiModel):
    """How Central works with streamers."""

    node_config_provision_enabled: bool | None = Field(
        default=None, description="Write config_external into them."
    )
    streamer_connector_retries: Number | None = Field(
        default=None, description="Attempts before the pause grows."
    )


class Administrator(ApiModel):
    """The administrator of the API and the UI."""

    login: Text = Field(description="Login.")
    password: Secret = Field(description="Password; *** in answers.")


class RuntimeStats(ApiModel):
    """Central itself."""

    id: Text = Field(description="Id of this run.")
    server_version: Text = Field(description="Version.")
    started_at: UnixSeconds = Field(description="Start, Unix s.")
    uptime: Number = Field(description="Seconds since then.")


class CentralConfig(ApiModel):
    """The whole of it. Further keys are settings of the file that others do not have."""

    api_key: Secret = Field(default="", description="Key of the cluster; *** in answers.")
    api_url: Url | None = Field(default=None, description="URL that streamers reach Central at.")
    edit_auth: Administrator | None = Field(default=None, description="Administrator.")
    listeners: Listeners | None = Field(default=None, description="Ports.")
    database: DatabaseSettings | None = Field(default=None, description="PostgreSQL.")
    cluster: ClusterSettings | None = Field(default=None, description="Work with streamers.")
    loglevel: Text | None = Field(default=None, description="Detail of the log.")
    log_requests: Text | None = Field(default=None, description="true: log every request.")
    layouter_enabled: Text | None = Field(default=None, description="true: place streams.")
    layouter_sleeping_interval: Number | None = Field(
        default=None, description="Pause between rounds of the layouter, ms."
    )
    config_external_reconciliation_interval: Number | None = Field(
        default=None, description="How often streamers should ask, ms."
    )
    streamer_healthcheck_fails_threshold: Number | None = Field(
        default=None, description="Failed checks an hour that make a streamer unhealthy."
    )
    server_id: Text | None = Field(default=None, description="Id of this installation, read-only.")
    stats: RuntimeStats | None = Field(default=None, description="Central itself, read-only.")
    restart_required: bool | None = Field(
        default=None, description="The answer to a change: true if it holds after a restart only."
    )
