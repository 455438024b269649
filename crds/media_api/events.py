"""Event sinks: where the events of the server go, and which."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from media_api.base import ApiModel
from media_api.input import split_url
from media_api.units import ByteSize, Count, LongText, ObjectName, Seconds, Text

LogLevel = Literal["none", "debug", "info", "notice", "warning", "error", "alert", "critical"]
EVENT_SINK_SCHEMES = frozenset({"http", "https", "log", "jsonlog", "lua"})

EVENTS = frozenset(
    {
        "server_started", "config_external_error", "stream_opened", "stream_closed",
        "source_opened", "source_started", "source_closed", "source_lost", "frames_timed_out",
        "frames_restored", "dvr_failed", "dvr_restored", "play_opened", "play_started",
        "play_closed", "push_opened", "push_started", "push_closed", "push_blocked",
    }
)  # fmt: skip
"""All that are sent."""


def check_sink_url(url: str) -> str:
    """Returns the sink with a scheme: a bare path is a script, as in old files."""
    if url.startswith("/"):
        return f"lua://{url}"
    scheme, _ = split_url(url, "event sink")
    if scheme not in EVENT_SINK_SCHEMES:
        raise ValueError(f"{scheme}:// is no event sink: write http(s)://, log://, jsonlog://")
    return url


def _text_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


FieldValues = Annotated[list[LongText], Field(max_length=256), BeforeValidator(_text_list)]
EventFilter = Annotated[dict[str, FieldValues], Field(max_length=32)]
EventFilters = Annotated[list[EventFilter], Field(max_length=64)]


def event_matches(event: Mapping[str, Any], condition: Mapping[str, list[str]]) -> bool:
    """True if each key of `condition` has one of its values in `event`; `*` matches all there."""

    def key_matches(key: str, values: list[str]) -> bool:
        if key not in event:
            return False
        actual = str(event[key])
        return any(
            value == actual or (value.endswith("*") and actual.startswith(value[:-1]))
            for value in values
        )

    return all(key_matches(key, values) for key, values in condition.items())


def never_sent(conditions: Iterable[Mapping[str, list[str]]]) -> list[str]:
    """Events that filters name and that there are not."""
    named = [value for one in conditions for value in one.get("event", ())]
    return [
        value
        for value in dict.fromkeys(named)
        if not any(event_matches({"event": event}, {"event": [value]}) for event in EVENTS)
    ]


class EventRecord(ApiModel):
    """An event as it is delivered, with what all of them have."""

    event: Text = Field(description="Kind of the event.")
    event_id: Count = Field(description="Grows with each event, also over a restart.")
    utc_ms: Count = Field(description="Time, Unix ms.")
    server: Text | None = Field(default=None, description="Host name of the server.")
    loglevel: LogLevel | None = Field(default=None, description="How grave it is.")
    media: Text | None = Field(default=None, description="Stream.")
    id: Text | None = Field(default=None, description="Session.")
    reason: LongText | None = Field(default=None, description="Why.")


class EventSinkConfig(ApiModel):
    """One destination of events, delivered in order, at least once."""

    deprecated_aliases: ClassVar = {
        "sink": "url",
        "verbose": "level",
        "resend_notifications_limit": "resend_limit",
        "resend_notifications_timeout": "resend_timeout",
    }

    name: ObjectName = Field(description="Name of the sink.")
    url: Annotated[LongText, AfterValidator(check_sink_url)] = Field(
        description="http(s):// gets POSTs of a JSON array; log:// and jsonlog:// write a file;"
        " lua:// runs a script."
    )
    only: EventFilters | None = Field(
        default=None, description="Events sent: any of the filters, each all of its keys."
    )
    except_: EventFilters | None = Field(
        default=None, alias="except", description="Events not sent, also if in `only`."
    )
    level: LogLevel | None = Field(default=None, description="Lowest level sent. Default info.")
    throttle_delay: Seconds | None = Field(
        default=None, description="Seconds that events are collected (at most 100). Default 0."
    )
    resend_timeout: Seconds | None = Field(
        default=None, description="Seconds until a failed delivery is tried again. Default 10."
    )
    resend_limit: Count | None = Field(
        default=None,
        description="Events kept for delivery; older ones are dropped. Default: 256 MiB of them.",
    )
    max_size: ByteSize | None = Field(
        default=None, description="Size in bytes at which a log file is rotated. Default: never."
    )
    max_depth: Count | None = Field(default=None, description="Rotated log files kept.")
    extra: Annotated[dict[str, LongText], Field(max_length=64)] | None = Field(
        default=None, description="Arguments of a script."
    )

    def accepts(self, event: Mapping[str, Any]) -> bool:
        """True if `event` passes `only` and `except`."""
        if self.only and not any(event_matches(event, condition) for condition in self.only):
            return False
        return not any(event_matches(event, condition) for condition in self.except_ or ())
