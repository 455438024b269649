"""The block `config` of a streamer's record: what Central writes into its configuration."""

from typing import Annotated, Any

from media_api.base import ApiModel
from media_api.events import EventSinkConfig
from media_api.server import HttpProxyConfig, ServerName
from media_api.units import Secret
from pydantic import Field, field_validator


class StreamerNodeConfig(ApiModel):
    """Settings of one streamer that are kept in Central and written there."""

    cluster_key: Secret | None = Field(
        default=None, description="Not written: Central must know it first, as cluster_key above."
    )
    event_sinks: Annotated[list[EventSinkConfig], Field(max_length=64)] | None = Field(
        default=None, description="Where its events go, besides Central."
    )
    http_proxies: Annotated[list[HttpProxyConfig], Field(max_length=64)] | None = Field(
        default=None, description="Paths that it hands on to other servers."
    )
    server_names: Annotated[list[ServerName], Field(max_length=64)] | None = Field(
        default=None, description="Host names that it answers to."
    )
    rproxy: Any = Field(default=None, description="Not served: there are no camera agents.")

    @field_validator("rproxy")
    @classmethod
    def _no_agents(cls, value: Any) -> Any:
        if value is not None:
            raise ValueError("not served: there are no camera agents")
        return value
