"""The events of this server: numbered, stamped and given to every sink that wants them.

Invariants: `emit` never waits and never fails; an event is one flat JSON object that no one changes
after it was made, because all sinks share it; numbers grow, also over a restart, so that a receiver
can find what it missed. A sink whose configuration stays is not touched by a reload: what it has
still to deliver is kept.
"""

import itertools
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from media_api.events import EventSinkConfig
from media_api.scripts import script_path
from media_rest.redact import redact_text

from media_streamer.config.log_files import SCHEMES, log_file, refused_sinks
from media_streamer.lua.host import ScriptHost
from media_streamer.supervisor.events.backlog import Backlog, backlog_directory
from media_streamer.supervisor.events.delivery import FileDelivery, HttpDelivery, ScriptDelivery
from media_streamer.supervisor.events.sink import Delivery, Event, EventSink

log = logging.getLogger(__name__)

LEVELS = ("debug", "info", "notice", "warning", "error", "alert", "critical")
EVENT_LEVELS = {
    "config_external_error": "error",
    "frames_timed_out": "warning",
    "dvr_failed": "error",
    "source_lost": "warning",
}
"""Everything else is `info`."""


class EventBus:
    """One per server. `close` waits a moment for what is still to be delivered.

    `log_directory`: where sinks that are files may lie. `state`: where events wait for receivers
    that are away; without it they wait in memory.
    """

    def __init__(
        self,
        hostname: Callable[[], str],
        log_directory: Path,
        scripts: ScriptHost | None = None,
        state: Path | None = None,
    ) -> None:
        self._scripts = scripts or ScriptHost()
        self._hostname = hostname
        self._log_directory = log_directory
        self._state = state
        self._backlogs: dict[str, Backlog] = {}
        self._sinks: dict[str, EventSink] = {}
        # Microseconds of the start: above every number of earlier runs, and exact in JSON (2^53).
        self._numbers = itertools.count(time.time_ns() // 1000)
        self._gone = {"resent_events": 0, "dropped_events": 0}
        """Counters of sinks that are no longer configured: a metric never falls."""
        self._http: aiohttp.ClientSession | None = None
        self._configured: list[EventSinkConfig] = []
        self._refused: dict[str, str] = {}

    def emit(self, event: str, **fields: Any) -> None:
        """Give an event to the sinks; fields without a value are left out."""
        if not self._sinks:
            return
        made: Event = {
            "event": event,
            "event_id": next(self._numbers),
            "utc_ms": time.time_ns() // 1_000_000,
            "server": self._hostname(),
            "loglevel": EVENT_LEVELS.get(event, "info"),
            **{key: value for key, value in fields.items() if value not in (None, "")},
        }
        for sink in self._sinks.values():
            if _is_loud_enough(made, sink.config) and sink.config.accepts(made):
                sink.put(made)

    def start(self, http: aiohttp.ClientSession) -> None:
        """Begin to deliver; sinks that were configured before get their tasks now."""
        self._http = http
        self.apply(self._configured)

    def apply(self, configs: list[EventSinkConfig]) -> None:
        """Bring the sinks in step with the configuration."""
        self._configured = configs
        if self._http is None:
            return
        self._refused = {
            configs[index].name: reason
            for index, reason in refused_sinks(configs, self._log_directory).items()
        }
        wanted = {
            config.name: config
            for config in configs
            if _has_delivery(config) and config.name not in self._refused
        }
        undelivered: dict[str, list[Event]] = {}
        for name, sink in list(self._sinks.items()):
            if wanted.get(name) != sink.config:
                del self._sinks[name]
                undelivered[name] = sink.end()
                for key, value in sink.counters().items():
                    self._gone[key] += value
                if name not in wanted and (backlog := self._backlogs.pop(name, None)) is not None:
                    backlog.discard()
        for name, config in wanted.items():
            if name not in self._sinks:
                delivery = self._delivery(config, self._http)
                self._sinks[name] = EventSink(config, delivery, self._backlog(config))
            for event in undelivered.pop(name, ()):
                self._sinks[name].put(event)

    def _backlog(self, config: EventSinkConfig) -> Backlog | None:
        """Where events wait on disk; one that changed goes on with what waits there."""
        if self._state is None or config.url.partition("://")[0] in SCHEMES:
            return None  # what cannot be written to a file is not kept in another one
        directory = backlog_directory(self._state / "events", config.name)
        return self._backlogs.setdefault(config.name, Backlog(directory))

    def stats(self) -> dict[str, int]:
        """`media_api.server_status.EventDeliveryStats`."""
        counters = [sink.counters() for sink in self._sinks.values()]
        return {key: gone + sum(one[key] for one in counters) for key, gone in self._gone.items()}

    def recent(self, name: str) -> list[Event]:
        """The last events that a sink was given."""
        sink = self._sinks.get(name)
        return list(sink.recent) if sink is not None else []

    def alerts(self) -> dict[str, str]:
        """Sinks that get nothing now, in words."""
        problems = self._refused | {name: sink.problem for name, sink in self._sinks.items()}
        return {
            f"event_sink_{name}": f"event sink {name}: {problem}"
            for name, problem in problems.items()
            if problem
        }

    def _delivery(self, config: EventSinkConfig, http: aiohttp.ClientSession) -> Delivery:
        if (scheme := config.url.partition("://")[0]) in SCHEMES:
            return FileDelivery(
                log_file(config.url, self._log_directory),
                self._log_directory,
                as_json=scheme == "jsonlog",
                max_size=config.max_size,
                kept=config.max_depth,
            )
        if (path := script_path(config.url)) is not None:
            log.info("event sink %s: events go to the script %s", config.name, path)
            return ScriptDelivery(self._scripts, path, config.extra or {})
        log.info("event sink %s: events go to %s", config.name, redact_text(config.url))
        return HttpDelivery(http, config.url)

    async def close(self) -> None:
        """Deliver what can be delivered at once, then end."""
        sinks, self._sinks = list(self._sinks.values()), {}
        for sink in sinks:
            await sink.close()


def _is_loud_enough(event: Event, config: EventSinkConfig) -> bool:
    level = config.level or "info"
    if level == "none":
        return False
    return LEVELS.index(event["loglevel"]) >= LEVELS.index(level)


def _has_delivery(config: EventSinkConfig) -> bool:
    """False for what is no script, which `media_api.unsupported` reports."""
    return not config.url.startswith("lua://") or script_path(config.url) is not None
