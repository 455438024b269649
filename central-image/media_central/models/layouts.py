"""Changes of placement by hand, and what a change would move."""

from typing import Annotated, Literal

from media_api.base import ApiModel
from media_api.units import HostName, StreamName
from pydantic import Field

from media_central.models.resources import Layout


class StreamLayout(Layout):
    """Where one stream runs, or would run."""

    name: StreamName = Field(description="The stream.")


class StreamLayouts(ApiModel):
    """Body of `POST /streams/layouts`."""

    layouts: Annotated[list[StreamLayout], Field(max_length=10_000)] = Field(
        description="The new `ingest` of each stream."
    )


class StreamerForecast(ApiModel):
    """How many streams a streamer has now and would have."""

    hostname: HostName = Field(description="The streamer.")
    role: Literal["ingest", "inference", "dvr_backup"] = Field(
        default="ingest", description="For what."
    )
    before: int = Field(description="Streams now.")
    after: int = Field(description="Streams then.")
    delta: int = Field(description="The difference.")
