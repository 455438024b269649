"""What a reload changes: which streams to start, stop and reconfigure, and which globals."""

from dataclasses import dataclass, field

from media_api.server import ServerConfig


@dataclass(frozen=True, slots=True)
class ConfigDiff:
    """Names of streams by what happened to them, and top-level keys that differ.

    A stream that only inherits a change is not in `streams_changed`: "templates" (or another key)
    is in `globals_changed` then.
    """

    streams_added: set[str] = field(default_factory=set)
    streams_removed: set[str] = field(default_factory=set)
    streams_changed: set[str] = field(default_factory=set)
    globals_changed: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(
            self.streams_added
            or self.streams_removed
            or self.streams_changed
            or self.globals_changed
        )


def diff(old: ServerConfig, new: ServerConfig) -> ConfigDiff:
    """What differs from `old` to `new`. The order of the streams alone is no difference."""
    before = {stream.name: stream for stream in old.streams}
    after = {stream.name: stream for stream in new.streams}
    return ConfigDiff(
        streams_added=set(after) - set(before),
        streams_removed=set(before) - set(after),
        streams_changed={
            name for name in before.keys() & after.keys() if before[name] != after[name]
        },
        globals_changed={
            key
            for key in ServerConfig.model_fields
            if key != "streams" and getattr(old, key) != getattr(new, key)
        },
    )
