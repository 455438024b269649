"""Figures over time."""

from media_api.base import ApiModel
from media_api.units import Text
from pydantic import Field

from media_central.models.values import Number, UnixMilliseconds


class Point(ApiModel):
    """Figures of one step."""

    at: UnixMilliseconds = Field(description="Begin of the step, Unix ms.")
    clients: float | None = Field(default=None, description="Sessions, mean.")
    clients_max: Number | None = Field(default=None, description="Sessions, most at once.")


class StreamPoint(Point):
    """Figures of a stream."""

    bitrate: float | None = Field(default=None, description="kbit/s, mean.")
    bitrate_max: Number | None = Field(default=None, description="kbit/s, highest minute.")
    bytes_in: Number | None = Field(default=None, description="Bytes received.")
    bytes_out: Number | None = Field(default=None, description="Bytes sent.")
    alive: float | None = Field(default=None, description="Share of the time with frames, 0 to 1.")


class StreamerPoint(Point):
    """Figures of a streamer."""

    online: float | None = Field(default=None, description="Share of the time that it answered.")
    cpu: float | None = Field(default=None, description="CPU load, percent.")
    memory: float | None = Field(default=None, description="Memory used, percent.")
    streams: float | None = Field(default=None, description="Streams that are alive.")
    input_kbit: float | None = Field(default=None, description="kbit/s received.")
    output_kbit: float | None = Field(default=None, description="kbit/s sent.")


class ClusterPoint(Point):
    """Figures of all streamers."""

    online: float | None = Field(default=None, description="Streamers that answered.")
    streams: float | None = Field(default=None, description="Streams that are alive.")
    input_kbit: float | None = Field(default=None, description="kbit/s received.")
    output_kbit: float | None = Field(default=None, description="kbit/s sent.")


class Graph(ApiModel):
    """A span in steps; steps without figures are left out."""

    name: Text | None = Field(default=None, description="Whose figures.")
    from_: UnixMilliseconds = Field(alias="from", description="Begin, Unix ms.")
    to: UnixMilliseconds = Field(description="End, Unix ms.")
    step: Number = Field(description="Length of a step, ms.")


class StreamGraph(Graph):
    """Figures of a stream over time."""

    points: list[StreamPoint] = Field(description="Figures, oldest first.")


class StreamerGraph(Graph):
    """Figures of a streamer over time."""

    points: list[StreamerPoint] = Field(description="Figures, oldest first.")


class ClusterGraph(Graph):
    """Figures of all streamers over time."""

    points: list[ClusterPoint] = Field(description="Figures, oldest first.")


class SessionTotals(ApiModel):
    """Sessions of a day."""

    at: UnixMilliseconds = Field(description="The day, Unix ms.")
    name: Text = Field(description="Stream.")
    type: Text = Field(description="play, publish, …")
    proto: Text = Field(description="Protocol.")
    country: Text = Field(description="Country, empty if unknown.")
    sessions: Number = Field(description="Sessions that ended.")
    seconds: Number = Field(description="Their length, seconds.")
    bytes: Number = Field(description="Their bytes.")
