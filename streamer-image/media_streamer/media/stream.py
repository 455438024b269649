"""A stream inside a media worker: which of its inputs is open, which one is shown.

Role: the owner of a stream's inputs. A task looks at them twice a second and whenever one of them
has news, closes what failed and opens what is due. Frames do not pass through here: they go from
the input's thread through the switch into the output.

Rules (failover is judged by frames and disconnects alone):
- the best input is the one with the lowest rank; one is open at a time, plus at most one better one
  that is being probed, plus publishers, who connect when they like and are kept;
- an input that failed waits 1, 2, 4 … 30 s; meanwhile the next one is tried at once;
- a better input takes over at its key frame; one of equal rank is not probed;
- the backup file is shown while no input gives frames, and attempts go on.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

from media_api.input import InputConfig
from media_api.stream import StreamConfig

from media_streamer.media.graveyard import Graveyard
from media_streamer.media.inputs.base import Input, InputError
from media_streamer.media.inputs.factory import create_input
from media_streamer.media.inputs.publish import Container, PublishInput
from media_streamer.media.output import OutputSettings, StreamOutput
from media_streamer.media.slots import SOURCE_TIMEOUT_SECONDS, InputSlot
from media_streamer.media.switch import Source, Switch
from media_streamer.protocols.file.pull import Vods

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5
RECHECK_SECONDS = 10.0
"""Pause between probes of better inputs."""

CLIENTS_TIMEOUT_SECONDS = 60.0
RETRY_LIMIT = 10

Emit = Callable[[str, str, dict[str, Any]], None]
"""(stream name, event, fields)."""


class PublishRefused(Exception):  # noqa: N818 - an answer to the publisher
    """A publisher may not feed the stream; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Environment(Protocol):
    """What a stream needs of its worker."""

    graveyard: Graveyard

    def output_settings(self, config: StreamConfig) -> OutputSettings: ...

    def emit(self, name: str, event: str, fields: dict[str, Any]) -> None: ...


class StreamRunner:
    """Runs one stream; all methods belong to the event loop."""

    def __init__(self, config: StreamConfig, vods: Vods, environment: Environment) -> None:
        self.name = config.name
        self.config = config
        self.opened_at = time.time()
        self.output: StreamOutput | None = None
        self.switch: Switch | None = None
        self.slots: list[InputSlot] = []
        self.backup: InputSlot | None = None
        self.input_switches = 0
        self.started_at: float | None = None
        """Unix time of the first frame since the stream was wanted."""
        self.seconds_on_primary = self.seconds_on_secondary = self.seconds_without_frames = 0.0
        self.given_up: str | None = None
        """Why an on-demand stream stopped trying, until it is started again."""
        self._vods = vods
        self._environment = environment
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._started = False
        self._subscribers: dict[int, Callable[[str], None]] = {}
        self._next_subscriber = 0
        self._unused_since = time.monotonic()
        self._last_frames = self._last_step = time.monotonic()
        self._next_probe = 0.0
        self._chosen: InputSlot | None = None
        """Input that an operator picked: the best until it fails."""
        self._set_inputs(config)

    # Life

    def run(self) -> None:
        """Begin to look after the stream."""
        self._task = asyncio.create_task(self._look_after(), name=f"stream {self.name}")

    async def close(self, reason: str) -> None:
        """End the stream and everything it owns; subscribers are told `reason`."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._shut(reason)

    def start(self) -> None:
        """An on-demand stream is wanted now."""
        self._started = True
        self.given_up = None
        self._unused_since = time.monotonic()
        for slot in self.slots:
            slot.retry_at = 0.0
        self._wake.set()

    def restart(self) -> None:
        """Close all inputs and begin again."""
        now = time.monotonic()
        for slot in self._all_slots():
            self._close_slot(slot, None, now)
            slot.retry_at = 0.0
        self.given_up = None
        self._wake.set()

    def select(self, index: int) -> None:
        """Prefer the input at `index` until it fails; raises LookupError."""
        if not 0 <= index < len(self.slots):
            raise LookupError(f"{self.name} has no input {index}")
        self._chosen = self.slots[index]
        self._chosen.retry_at = self._next_probe = 0.0
        self._wake.set()

    def reconfigure(self, config: StreamConfig, vods: Vods) -> None:
        """Apply another configuration; inputs that stay the same are not interrupted."""
        self.config = config
        self._vods = vods
        self._set_inputs(config)
        if self.output:
            self.output.reconfigure(self._environment.output_settings(config))
        self._wake.set()

    def _set_inputs(self, config: StreamConfig) -> None:
        """Keep the slots whose source stays, whatever their place in the list is now."""
        now = time.monotonic()
        old = list(self.slots)
        self.slots = []
        for index, item in enumerate(config.inputs):
            kept = next((slot for slot in old if slot.same_connection(item)), None)
            if kept:
                old.remove(kept)
                kept.reconfigure(item, config, index)
            self.slots.append(kept or InputSlot(item, config, index))
        for slot in old:
            self._close_slot(slot, None, now)
        if self._chosen in old:
            self._chosen = None
        self._set_backup(config, now)

    def _set_backup(self, config: StreamConfig, now: float) -> None:
        item = InputConfig.of(f"file://{config.backup.file}") if config.backup else None
        if self.backup and (item is None or not self.backup.same_connection(item)):
            self._close_slot(self.backup, None, now)
            self.backup = None
        if item and self.backup is None:
            self.backup = InputSlot(item, config, len(config.inputs))
        if self.backup:
            self.backup.rank = float("inf")

    # Who watches

    @property
    def wanted(self) -> bool:
        """True if the stream has to run now."""
        return not self.config.disabled and (self.config.static or self._started)

    @property
    def failing(self) -> bool:
        """True if the stream should run, or gave up trying."""
        return self.wanted or self.given_up is not None

    @property
    def subscribers(self) -> int:
        """Open subscriptions of egress workers."""
        return len(self._subscribers)

    def subscribed(self, on_close: Callable[[str], None]) -> int:
        """Count a subscriber, who is told when the stream goes; returns its number."""
        self._next_subscriber += 1
        self._subscribers[self._next_subscriber] = on_close
        if not self.config.static and not self._started:
            self.start()
        self._ensure_output()
        return self._next_subscriber

    def unsubscribed(self, number: int) -> None:
        """A subscriber left."""
        self._subscribers.pop(number, None)
        self._unused_since = time.monotonic()

    # Publishers

    def publish(
        self,
        container: Container,
        remote: str,
        user_agent: str,
        on_close: Callable[[str], None],
    ) -> PublishInput:
        """Take a publisher; `on_close` is told the reason when it is not wanted any more.

        Raises PublishRefused.
        """
        slots = [slot for slot in self.slots if slot.is_publish]
        if not slots:
            raise PublishRefused("not_publishable")
        if self.config.disabled:
            raise PublishRefused("disabled")
        free = next((slot for slot in slots if slot.source is None), None)
        if free is None:
            raise PublishRefused("already_published")
        if not free.permitted():
            raise PublishRefused("not_allowed_now")
        self.start()
        free.remote, free.user_agent, free.on_close = remote, user_agent, on_close
        source = self._new_source()
        reader = PublishInput(
            self.name,
            source,
            free.limits,
            container,
            programs=frozenset(free.config.programs or ()),
            pids=frozenset(free.config.pids or ()),
        )
        self._begin(free, source, reader)
        return reader

    # The loop

    async def _look_after(self) -> None:
        while True:
            self._wake.clear()
            try:
                self._step(time.monotonic())
            except Exception:
                log.exception("%s: looking after the inputs failed", self.name)
            try:
                async with asyncio.timeout(TICK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def _step(self, now: float) -> None:
        for slot in self._all_slots():
            self._check(slot, now)
        self._stop_if_unused(now)
        if not self.wanted:
            if self.output:
                self._shut("disabled" if self.config.disabled else "not_watched")
            return
        self._ensure_output()
        shown = self.shown
        self._count_time(shown, now)
        if shown and shown is not self.backup:
            self._last_frames = now
            self._keep_best(shown, now)
        else:
            self._find_any(now)
            self._show_backup(now)

    def _count_time(self, shown: InputSlot | None, now: float) -> None:
        elapsed = now - self._last_step
        self._last_step = now
        if shown is None or shown is self.backup:
            self.seconds_without_frames += elapsed
        elif shown.rank <= min(slot.rank for slot in self.slots):
            self.seconds_on_primary += elapsed
        else:
            self.seconds_on_secondary += elapsed

    def _check(self, slot: InputSlot, now: float) -> None:
        """Close an input that failed; report one that is silent."""
        if slot.source is None:
            return
        slot.measure(now)
        if slot.source.finished and slot.source.error is None:
            log.info("%s: the publisher left", self.name)
            self._close_slot(slot, None, now)
            return
        fault = slot.fault(now)
        if fault is not None:
            self._fail(slot, fault, now)
            return
        silence = slot.source.silence(now)
        if slot.frames_timeout:
            silent = slot.source.frames > 0 and silence > slot.frames_timeout
            if silent != slot.silent:
                slot.silent = silent
                self._emit("frames_timed_out" if silent else "frames_restored", slot)
        if (
            slot.config.timeout
            and silence > slot.config.timeout
            and self.switch
            and self.switch.active is slot.source
        ):
            # Show something else, but keep the connection: it may take over again.
            self.switch.release(slot.source)
            slot.source.may_take_over = True

    def _fail(self, slot: InputSlot, fault: str, now: float) -> None:
        source = slot.source
        had_frames = source is not None and source.frames > 0
        if slot is self._chosen:
            self._chosen = None
        self._close_slot(slot, fault, now)
        retry = "" if slot.is_publish else f"; next attempt in {slot.pause:g} s"
        log.warning("%s: input %s: %s%s", self.name, slot.url, fault, retry)
        if had_frames:
            self._emit("source_lost", slot, reason=fault)
        limit = RETRY_LIMIT if self.config.retry_limit is None else self.config.retry_limit
        failures = sum(item.failures for item in self.slots)
        if not self.config.static and self._started and limit and failures >= limit:
            self._started = False
            self.given_up = fault
            log.warning("%s: gave up after %d attempts: %s", self.name, failures, fault)

    def _stop_if_unused(self, now: float) -> None:
        if self.config.static or not self._started:
            return
        published = any(slot.is_publish and slot.source for slot in self.slots)
        if self._subscribers or published:
            self._unused_since = now
            return
        timeout = self.config.clients_timeout
        if timeout is False:
            return
        seconds = CLIENTS_TIMEOUT_SECONDS if timeout is None or timeout is True else timeout
        if now - self._unused_since > seconds:
            log.info("%s: nobody watched for %g s, stopping", self.name, seconds)
            self._started = False

    # Choosing

    def _rank(self, slot: InputSlot) -> float:
        return -1.0 if slot is self._chosen else slot.rank

    @property
    def shown(self) -> InputSlot | None:
        """The input whose frames pass now."""
        active = self.switch.active if self.switch else None
        if active is None:
            return None
        return next((slot for slot in self._all_slots() if slot.source is active), None)

    def _keep_best(self, shown: InputSlot, now: float) -> None:
        """An input is shown: drop what it made needless, probe what is better."""
        rank = self._rank(shown)
        if self.backup and self.backup.source:
            self._close_slot(self.backup, None, now)
        better: list[InputSlot] = []
        for slot in self.slots:
            if slot is shown:
                continue
            is_better = self._rank(slot) < rank
            if is_better:
                better.append(slot)
            if slot.source is None:
                continue
            slot.source.may_take_over = is_better
            if not is_better and not slot.is_publish:
                self._close_slot(slot, None, now)
        if any(slot.source and not slot.is_publish for slot in better) or now < self._next_probe:
            return
        due = [slot for slot in better if slot.may_open(now)]
        if due:
            self._next_probe = now + self._recheck_seconds
            self._open(min(due, key=self._rank), now)

    def _find_any(self, now: float) -> None:
        """No input is shown: let any open one take over, open the best that may be opened."""
        self._next_probe = now + self._recheck_seconds
        connecting = False
        for slot in self.slots:
            if slot.source:
                slot.source.may_take_over = True
                demoted = bool(slot.config.timeout and slot.source.frames)
                connecting = connecting or not (slot.is_publish or demoted)
        if connecting:
            return
        due = [slot for slot in self.slots if slot.may_open(now)]
        if due:
            self._open(min(due, key=self._rank), now)

    @property
    def _recheck_seconds(self) -> float:
        return float(self.config.recheck_secondary_inputs_interval or RECHECK_SECONDS)

    def _show_backup(self, now: float) -> None:
        backup, config = self.backup, self.config.backup
        if backup is None or config is None or not backup.may_open(now):
            return
        timeout = config.timeout or self.config.source_timeout or SOURCE_TIMEOUT_SECONDS
        if now - self._last_frames < timeout:
            return
        self._open(backup, now)
        if backup.source:
            backup.source.may_take_over = True

    # Opening and closing

    def _all_slots(self) -> list[InputSlot]:
        return [*self.slots, self.backup] if self.backup else self.slots

    def _ensure_output(self) -> None:
        if self.output is None:
            self.output = StreamOutput(self._environment.output_settings(self.config))
            self.switch = Switch(self.output, self._changed)
            self._environment.emit(self.name, "stream_opened", {})

    def _new_source(self) -> Source:
        self._ensure_output()
        assert self.switch is not None
        return Source(self.switch, self.name, self._ended)

    def _open(self, slot: InputSlot, now: float) -> None:
        source = self._new_source()
        try:
            reader = create_input(self.name, slot.config, source, slot.limits, self._vods)
        except InputError as error:
            slot.closed(str(error), now)
            # Waiting longer than after a failure to connect: only another configuration helps.
            slot.retry_at = now + slot.max_retry
            log.warning("%s: input %s: %s", self.name, slot.url, error)
            return
        source.may_take_over = True
        self._begin(slot, source, reader)

    def _begin(self, slot: InputSlot, source: Source, reader: Input) -> None:
        slot.opened(source, reader)
        self._emit("source_opened", slot)
        reader.start()
        self._wake.set()

    def _close_slot(self, slot: InputSlot, error: str | None, now: float) -> None:
        source, reader = slot.source, slot.input
        if source is None or reader is None:
            return
        if self.switch:
            self.switch.release(source)
        slot.closed(error, now)
        reader.stop()
        self._environment.graveyard.bury(reader)
        self._emit("source_closed", slot, reason=error or "not needed")
        if slot.on_close:
            on_close, slot.on_close = slot.on_close, None
            on_close(error or "not needed")

    def _shut(self, reason: str) -> None:
        """Close inputs and output."""
        now = time.monotonic()
        for slot in self._all_slots():
            self._close_slot(slot, None, now)
            slot.failures = 0
        if self.output:
            self.output.flush()
        for on_close in list(self._subscribers.values()):
            on_close(reason)
        self._subscribers.clear()
        if self.output:
            self.output.close()
            self._environment.emit(self.name, "stream_closed", {"reason": reason})
        self.output = self.switch = None
        self.started_at = None

    # News from input threads

    def _ended(self, source: Source) -> None:
        self._call_loop(self._wake.set)

    def _changed(self, source: Source) -> None:
        self._call_loop(self._report_active, source)

    def _call_loop(self, function: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the worker is ending, its loop is closed
            self._loop.call_soon_threadsafe(function, *arguments)

    def _report_active(self, source: Source) -> None:
        slot = next((slot for slot in self._all_slots() if slot.source is source), None)
        if slot is None:
            return
        self.input_switches = self.switch.switches if self.switch else 0
        self.started_at = self.started_at or time.time()
        log.info("%s: input %s is shown", self.name, slot.url)
        self._emit("source_started", slot)
        self._wake.set()

    def _emit(self, event: str, slot: InputSlot, **fields: Any) -> None:
        self._environment.emit(self.name, event, {**slot.event_fields(), **fields})
