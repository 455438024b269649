"""The connection to one streamer: provision it, read its statistics, judge its health.

Central polls, because a streamer must work without Central and knows nothing of who watches it. A
poll reads the server's statistics and the streams' (only the fields that Central answers). Errors
are states here, never exceptions: a link runs until it is cancelled.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from media_api.base import ApiModel, JsonObject
from media_api.server import Listeners
from media_api.server_status import ServerStats
from media_rest.redact import redact_text
from pydantic import ValidationError

from media_central.streamers.client import StreamerClient, StreamerError
from media_central.streamers.health import Health, problems_of_answer, problems_of_failure
from media_central.streamers.provision import (
    LISTS,
    SINK_NAME,
    Call,
    Names,
    Wanted,
    calls,
    record_of,
    same_backend,
)

log = logging.getLogger(__name__)

STREAM_FIELDS = "name,named_by,inputs,pushes,stats"
PROVISION_CHECK_SECONDS = 60.0
PROVISION_PAUSE_MAX_SECONDS = 300.0
LEAVE_TIMEOUT_SECONDS = 10.0
KEEPS_SECONDS = 60.0
"""So long a server stays that of the streamer it was told to be, while that one does not answer."""
FIRST_POLLS_SECONDS = 1.0
"""Until the first answer polls come quickly: a streamer that just starts is soon seen."""


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """`wanted`: record -> what its configuration must say; None: nothing is written."""

    poll_interval: float
    fails_threshold: int
    retries: int
    wanted: Callable[[JsonObject], Wanted] | None


@dataclass(slots=True)
class Observation:
    """What the last successful poll brought."""

    stats: JsonObject
    streams: dict[str, JsonObject]


def server_of(stats: JsonObject) -> tuple[object, ...] | None:
    """Which process answered with these statistics; None if they do not say."""
    said = tuple(stats.get(key) for key in ("id", "hostname", "started_at"))
    return said if all(said) else None


@dataclass(slots=True)
class StreamerLink:
    """State of one streamer; `observed` None: no statistics now, see `error`."""

    config: JsonObject
    client: StreamerClient
    options: LinkOptions
    notify: "Callable[[StreamerLink], None]"
    others: "Callable[[], Iterable[StreamerLink]]" = tuple
    """All links of this Central."""
    observed: Observation | None = None
    server: tuple[object, ...] | None = None
    """Which process answered last; None if it does not say."""
    error: str | None = None
    ports: dict[str, int] = field(default_factory=dict)
    """Its first listeners by name."""
    provision_error: str | None = None
    delivers_events: bool = False
    """Its events come by themselves: nothing need be guessed from polls."""
    pushed: Names = frozenset()
    health: Health = field(init=False)
    _heard: float = field(default_factory=time.monotonic)
    _ever_heard: bool = False
    _since: float = 0.0
    """Since when that process answers, without a failure since then."""
    _next_provision: float = 0.0
    _provision_failures: int = 0

    def __post_init__(self) -> None:
        self.health = Health(self.options.fails_threshold)

    @property
    def hostname(self) -> str:
        return str(self.config["hostname"])

    @property
    def online(self) -> bool:
        """The last poll was answered."""
        return self.observed is not None

    @property
    def ever_online(self) -> bool:
        return self._ever_heard

    def silent_for(self, now: float) -> float:
        """Seconds since the last answer, or since Central knows the streamer."""
        return now - self._heard

    def take_over(self, other: "StreamerLink") -> None:
        self.observed, self.error, self.health = other.observed, other.error, other.health
        self.ports, self.server, self._since = other.ports, other.server, other._since
        self._heard, self._ever_heard = other._heard, other._ever_heard
        self.delivers_events, self.pushed = other.delivers_events, other.pushed

    async def run(self) -> None:
        """Polls until cancelled."""
        while True:
            try:
                await self.poll()
            except Exception:
                # A streamer's strange answer must not end its link, and it shows a bug of ours.
                log.exception("streamer %s: the poll failed", self.hostname)
            pause = self.options.poll_interval
            await asyncio.sleep(pause if self.online else min(pause, FIRST_POLLS_SECONDS))

    async def poll(self) -> None:
        """One round; what it found is in the fields."""
        was_online = self.online
        try:
            stats = await self._stats()
            if not was_online or server_of(stats) != self.server:
                self._since = time.monotonic()
            if time.monotonic() >= self._next_provision:
                await self._provision(stats)
                stats = await self._stats()
            items = await self.client.collection("streams", select=STREAM_FIELDS)
            await asyncio.sleep(0)  # each step takes milliseconds for 1,000 streams
        except StreamerError as error:
            self._failed(error, was_online)
        else:
            self._answered(stats, items, was_online)
            await asyncio.sleep(0)
        self.notify(self)

    async def _stats(self) -> JsonObject:
        stats = await self.client.get("/config/stats")
        if not isinstance(stats, dict):
            raise StreamerError("the answer is not that of a streamer: check API URL")
        return stats

    def _answered(self, stats: JsonObject, items: list[JsonObject], was_online: bool) -> None:
        streams = {str(item.get("name")): item for item in items}
        stats = without_invalid(ServerStats, stats)
        self.observed = Observation(stats, streams)
        self.server = server_of(stats)
        self.error = None
        self._heard, self._ever_heard = time.monotonic(), True
        problems = problems_of_answer(stats, time.time() * 1000, self.provision_error)
        self.health.update(problems, self._heard, time.time() * 1000)
        if not was_online:
            log.info("streamer %s is online, %d streams", self.hostname, len(streams))
        external = stats.get("config_external_status")
        if isinstance(external, dict) and external.get("status") == "error":
            self._next_provision = min(
                self._next_provision, time.monotonic() + PROVISION_CHECK_SECONDS / 4
            )

    def _failed(self, error: StreamerError, was_online: bool) -> None:
        self.observed = None
        if str(error) != self.error:
            level = logging.WARNING if was_online or self.error is not None else logging.INFO
            log.log(level, "streamer %s: %s", self.hostname, error)
        self.error = str(error)
        self._next_provision = 0.0  # what answers next may be a fresh server
        now = time.monotonic()
        self.health.update(problems_of_failure(error), now, time.time() * 1000)

    async def _provision(self, stats: JsonObject) -> None:
        """Reads the configuration and writes what is not there as Central wants it.

        Raises StreamerError only where the streamer does not answer at all.
        """
        config = await self.client.get("/config")
        if not isinstance(config, dict):
            raise StreamerError("its configuration is not JSON: check API URL")
        self.ports = _first_ports(config)
        self._next_provision = time.monotonic() + PROVISION_CHECK_SECONDS
        if self.options.wanted is None:
            self.provision_error = None
            return
        wanted = self.options.wanted(self.config)
        other = record_of(config.get("config_external"), wanted.external)
        if other and self._is_other(other, stats):
            text = f"this server is the streamer {other} already: delete one of the two"
            if text != self.provision_error:
                log.warning("streamer %s: %s", self.hostname, text)
            self.provision_error = text
            soon = min(PROVISION_CHECK_SECONDS, 4 * self.options.poll_interval)
            self._next_provision = time.monotonic() + soon
            return
        refused = await self._call(calls(config, wanted, self.pushed))
        if refused is None:
            self.pushed = wanted.names
            self.provision_error = None
            self._provision_failures = 0
            self.delivers_events = ("event_sinks", SINK_NAME) in wanted.names
        else:
            self.pushed |= wanted.names
            self._refused(*refused)

    def _is_other(self, hostname: str, stats: JsonObject) -> bool:
        """Whether this server answers as that streamer, too: they would take it from each other for
        ever, and its streams would come and go.

        One that has not answered since this server does, as after a start of either, keeps it for
        KEEPS_SECONDS.
        """
        server = server_of(stats)
        one = next((link for link in self.others() if link.hostname == hostname), None)
        if server is None or one is None:
            return False
        has_answered = one._ever_heard and one._heard >= self._since
        heard = one._heard if has_answered else self._since
        is_silent = time.monotonic() - heard > KEEPS_SECONDS
        return not is_silent and (not has_answered or one.server == server)

    async def _call(self, wanted: list[Call]) -> tuple[Call, StreamerError] | None:
        """The first that the streamer refused; the others are tried all the same."""
        refused = None
        for call in wanted:
            try:
                if call.method == "PUT":
                    await self.client.put(call.path, call.body or {})
                else:
                    await self.client.delete(call.path)
            except StreamerError as error:
                if call.method == "DELETE" and error.status == 404:
                    continue
                refused = refused or (call, error)
            else:
                log.info("streamer %s: %s %s", self.hostname, call.method, call.path)
        return refused

    def provision_soon(self) -> None:
        """What it must say has changed."""
        self._next_provision = 0.0

    async def leave(self) -> None:
        """The streamer was deleted: it must not go on with what Central last told it.

        Only where its config_external is still that of this record: it may be connected anew.
        """
        if self.options.wanted is None:
            return
        wanted = self.options.wanted(self.config)
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_SECONDS):
                config = await self.client.get("/config")
                if isinstance(config, dict) and same_backend(
                    config.get("config_external"), wanted.external
                ):
                    await self.client.put("/config", {"config_external": None})
                    nothing = Wanted(wanted.external, {key: {} for key in LISTS})
                    config["config_external"] = wanted.external
                    await self._call(calls(config, nothing, wanted.names))
        except (StreamerError, TimeoutError) as error:
            log.warning(
                "streamer %s still has config_external, remove it there: %s", self.hostname, error
            )
        else:
            log.info("streamer %s is disconnected", self.hostname)

    def _refused(self, call: Call, error: StreamerError) -> None:
        self._provision_failures += 1
        excess = max(0, self._provision_failures - self.options.retries)
        pause = min(self.options.poll_interval * 2**excess, PROVISION_PAUSE_MAX_SECONDS)
        self._next_provision = time.monotonic() + pause
        what = "config_external" if call.path == "/config" else call.path.strip("/")
        text = f"{what} could not be written: {error}"
        if text != self.provision_error:
            log.warning("streamer %s: %s", self.hostname, redact_text(text))
        self.provision_error = text


def without_invalid(model: type[ApiModel], data: JsonObject) -> JsonObject:
    """`data` without the values that the model refuses: one odd figure must not cost the rest."""
    try:
        model.parse(data)
    except ValidationError as error:
        refused = {item["loc"][0] for item in error.errors() if item["loc"]}
        return {key: value for key, value in data.items() if key not in refused}
    return data


def _first_ports(config: JsonObject) -> dict[str, int]:
    try:
        return Listeners.parse(config.get("listeners") or {}).first_ports()
    except ValidationError:
        return {}  # of a release that says it otherwise
