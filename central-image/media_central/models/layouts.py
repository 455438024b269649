"""Changes of placement by hand, and what a change would move."""

from typing import Annotated, Literal

from media_api.base import ApiModel
from media_api.units import Count, HostName, StreamName
from pydantic import Field

from media_central.models.resources import Layout


class Encoding(ApiModel):
    """What transcoders take, by estimate, or what there is for them; absent: nobody says."""

    cpu: float | None = Field(default=None, description="Cores.")
    gpu: float | None = Field(default=None, description="Encoders of GPUs, 1 for all of one.")
    gpu_sessions: Count | None = Field(default=None, description="Encoder sessions.")
    gpu_memory: Count | None = Field(default=None, description="Memory of GPUs, bytes.")


class StreamLayout(Layout):
    """Where one stream runs, or would run."""

    name: StreamName = Field(description="The stream.")
    encoding: Encoding | None = Field(
        default=None, description="What its transcoder takes; none for one without."
    )


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
    encoding_before: Encoding | None = Field(default=None, description="Of transcoders now.")
    encoding_after: Encoding | None = Field(default=None, description="Of transcoders then.")
    encoding_limit: Encoding | None = Field(default=None, description="What it has for them.")
