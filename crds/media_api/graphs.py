"""Figures of a streamer and of its streams over time (`/history`, kept by `pulsedb`).

Central answers the same paths for all streamers, from its database. Means have fractions.
"""

from typing import Annotated

from pydantic import Field

from media_api.base import ApiModel
from media_api.units import Count, Text

Mean = Annotated[float, Field(ge=0)]


class StreamFigures(ApiModel):
    """Figures of a stream in one step."""

    at: Count = Field(description="Begin of the step, Unix ms.")
    bitrate: Mean = Field(description="kbit/s, mean.")
    bitrate_max: Count = Field(description="kbit/s, the most.")
    clients: Mean = Field(description="Open play sessions, mean.")
    clients_max: Count = Field(description="Open play sessions, the most.")
    alive: Mean = Field(description="Part of the time that it was alive, 0 to 1.")
    bytes_in: Count = Field(description="Bytes received.")
    bytes_out: Count = Field(description="Bytes sent to viewers.")
    errors: Count = Field(description="Errors of its inputs.")


class ServerFigures(ApiModel):
    """Figures of the server in one step."""

    at: Count = Field(description="Begin of the step, Unix ms.")
    cpu: Mean = Field(description="CPU load in percent of all cores, mean.")
    cpu_max: Count = Field(description="The same, the most.")
    memory: Mean = Field(description="Memory in use, percent.")
    scheduler_load: Mean = Field(description="Load of its busiest loop, percent.")
    streams: Mean = Field(description="Streams known.")
    online_streams: Mean = Field(description="Streams that are alive.")
    clients: Mean = Field(description="Open play sessions, mean.")
    clients_max: Count = Field(description="Open play sessions, the most.")
    input_kbit: Mean = Field(description="kbit/s received.")
    output_kbit: Mean = Field(description="kbit/s sent.")


class _Graph(ApiModel):
    from_: Count = Field(alias="from", description="Begin of the first step, Unix ms.")
    to: Count = Field(description="End, Unix ms.")
    step: Count = Field(description="Length of a step, ms.")


class StreamHistory(_Graph):
    """Figures of a stream over time."""

    name: Text = Field(description="Stream.")
    points: list[StreamFigures] = Field(description="Steps that have figures, the oldest first.")


class ServerHistory(_Graph):
    """Figures of the server over time."""

    points: list[ServerFigures] = Field(description="Steps that have figures, the oldest first.")
