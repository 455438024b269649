"""Events: what streamers tell, what Central itself did, and who changed what."""

from typing import Any

from media_api.base import ApiModel, JsonObject
from media_api.units import LongText, Text
from pydantic import Field

from media_central.models.layouts import StreamLayout
from media_central.models.values import Number, UnixMilliseconds


class Event(ApiModel):
    """One event. Which fields are there depends on its kind."""

    event: Text = Field(description="Kind, such as source_lost or stream_saved.")
    event_id: Number | None = Field(default=None, description="Grows with each event of a server.")
    utc_ms: UnixMilliseconds | None = Field(default=None, description="When, Unix ms.")
    server: Text | None = Field(default=None, description="The streamer, or Central.")
    media: Text | None = Field(default=None, description="The stream.")
    loglevel: Text | None = Field(default=None, description="How grave.")
    message: LongText | None = Field(default=None, description="In words.")
    operation_id: Text | None = Field(default=None, description="Operation of the API.")
    originator: Text | None = Field(default=None, description="Who called.")
    ip: Text | None = Field(default=None, description="From where.")
    path: Text | None = Field(default=None, description="Path of the request.")
    status: int | Text | None = Field(default=None, description="HTTP status of the answer.")
    user_agent: Text | None = Field(default=None, description="Program of the caller.")
    trace_id: Text | None = Field(default=None, description="X-Trace-Id of the request.")
    entity_type: Text | None = Field(default=None, description="stream, streamer, …")
    entity_id: Text | None = Field(default=None, description="Its name.")
    entity_body: Any = Field(default=None, description="What it was and is: {before, after}.")
    relayouts: list[StreamLayout] | None = Field(default=None, description="Streams that moved.")
    reason: Any = Field(default=None, description="Why.")


class EventBatch(ApiModel):
    """Events as streamers send them: an array, or an object with one."""

    events: list[JsonObject] = Field(description="Events in their order.")


class AuditEntry(ApiModel):
    """A change: who made it, of what, and what it was before and after."""

    utc_ms: UnixMilliseconds = Field(description="When, Unix ms.")
    originator: Text = Field(description="Who: login, token or server.")
    role: Text = Field(description="In which role.")
    ip: Text = Field(description="From where.")
    method: Text = Field(description="HTTP method.")
    path: Text = Field(description="Path of the request.")
    operation_id: Text = Field(description="Operation of the API.")
    entity_type: Text = Field(description="Kind of what was changed.")
    entity_id: Text = Field(description="Its name.")
    before: Any = Field(default=None, description="What it was, without secrets.")
    after: Any = Field(default=None, description="What it is, without secrets.")
