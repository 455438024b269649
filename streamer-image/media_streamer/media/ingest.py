"""The inputs of one stream: opens what is due, closes what failed, says what happened.

Role: the impure side of `choosing`: it turns the slots into candidates, and what is chosen into
inputs that run. Frames do not pass through here: they go from an input's thread into the switch.

An input that failed waits 1, 2, 4 … 30 s; meanwhile the next one is tried at once. The backup file
is shown while no input gives frames, and attempts go on.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

from media_api.input import InputConfig
from media_api.stream import StreamConfig

from media_streamer.media.choosing import Candidate, Choice, find_any, keep_best
from media_streamer.media.flags import Flags
from media_streamer.media.graveyard import Graveyard
from media_streamer.media.inputs.base import Input, InputError, Neighbours, Stored
from media_streamer.media.inputs.factory import create_input
from media_streamer.media.slots import SOURCE_TIMEOUT_SECONDS, InputSlot
from media_streamer.media.switch import Source, Switch

log = logging.getLogger(__name__)

RECHECK_SECONDS = 10.0
"""Pause between probes of better inputs."""


class Environment(Protocol):
    """What the inputs need of their worker."""

    graveyard: Graveyard
    flags: Flags

    @property
    def neighbours(self) -> Neighbours | None:
        """Where streams are that can be copied."""

    def emit(self, name: str, event: str, fields: dict[str, Any]) -> None: ...


class Ingest:
    """The inputs of a stream; all methods belong to the event loop."""

    def __init__(
        self,
        config: StreamConfig,
        stored: Stored,
        environment: Environment,
        on_ended: Callable[[Source], None],
        on_failed: Callable[[str], None],
        on_arrived: Callable[[], None],
    ) -> None:
        """`on_ended` is called in the thread of an input that ended, `on_failed` here with the
        fault of each input that failed, `on_arrived` when an input without a thread has handed
        frames on."""
        self.slots: list[InputSlot] = []
        self.backup: InputSlot | None = None
        self.switch: Switch | None = None
        """Where new sources go; None while the stream has no output."""
        self.last_frame_at: float | None = None
        """Unix time of the last frame that was shown, of an input that is shown no longer."""
        self.is_watched = True
        """Whether somebody has the stream: who is waited for is tried sooner."""
        self._name = config.name
        self._environment = environment
        self._on_ended = on_ended
        self._on_failed = on_failed
        self._on_arrived = on_arrived
        self._chosen: InputSlot | None = None
        """Input that an operator picked: the best until it fails."""
        self._next_probe = 0.0
        self._last_frames = time.monotonic()
        self.configure(config, stored)

    def configure(self, config: StreamConfig, stored: Stored) -> None:
        """Keep the slots whose source stays, whatever their place in the list is now."""
        now = time.monotonic()
        self._config = config
        self._stored = stored
        old = list(self.slots)
        self.slots = []
        for index, item in enumerate(config.inputs):
            kept = next((slot for slot in old if slot.same_connection(item)), None)
            if kept:
                old.remove(kept)
                kept.reconfigure(item, config, index)
            self.slots.append(kept or InputSlot(item, config, index, self._environment.flags))
        for slot in old:
            self.close(slot, None, now)
        if self._chosen in old:
            self._chosen = None
        self._set_backup(config, now)

    def _set_backup(self, config: StreamConfig, now: float) -> None:
        item = InputConfig.of(f"file://{config.backup.file}") if config.backup else None
        if self.backup and (item is None or not self.backup.same_connection(item)):
            self.close(self.backup, None, now)
            self.backup = None
        if item and self.backup is None:
            index = len(config.inputs)
            self.backup = InputSlot(item, config, index, self._environment.flags)
        if self.backup:
            self.backup.rank = float("inf")

    # What is there

    @property
    def all_slots(self) -> list[InputSlot]:
        """Inputs and backup."""
        return [*self.slots, self.backup] if self.backup else self.slots

    @property
    def shown(self) -> InputSlot | None:
        """The input whose frames pass now."""
        active = self.switch.active if self.switch else None
        return self.slot_of(active) if active is not None else None

    def slot_of(self, source: Source) -> InputSlot | None:
        """Whose source that is."""
        return next((slot for slot in self.all_slots if slot.source is source), None)

    @property
    def is_published(self) -> bool:
        """Whether a publisher is connected."""
        return any(slot.is_publish and slot.source for slot in self.slots)

    @property
    def failures(self) -> int:
        """Attempts without success in a row, of all inputs together."""
        return sum(slot.failures for slot in self.slots)

    # What is done

    def select(self, index: int) -> None:
        """Prefer the input at `index` until it fails; raises LookupError."""
        if not 0 <= index < len(self.slots):
            raise LookupError(f"{self._name} has no input {index}")
        self._chosen = self.slots[index]
        self._chosen.retry_at = self._next_probe = 0.0

    def retry_now(self) -> None:
        """Wait for nothing that has failed before."""
        for slot in self.slots:
            slot.retry_at = 0.0

    def close_all(self) -> None:
        """Close every input."""
        now = time.monotonic()
        for slot in self.all_slots:
            self.close(slot, None, now)

    def check(self, now: float) -> None:
        """Close inputs that failed; report those that are silent."""
        for slot in self.all_slots:
            slot.measure(now)
            if slot.source is not None:
                self._check(slot, slot.source, now)

    def choose(self, now: float) -> None:
        """Open and close as the rules of `choosing` say."""
        shown = self.shown
        slots = self.slots
        candidates = [self._candidate(slot, now) for slot in slots]
        if shown and shown is not self.backup:
            self._last_frames = now
            if self.backup:
                self.close(self.backup, None, now)
            may_probe = now >= self._next_probe
            choice = keep_best(candidates, slots.index(shown), may_probe=may_probe)
            if choice.open is not None:
                self._next_probe = now + self._recheck_seconds
            self._carry_out(choice, shown, now)
        else:
            self._next_probe = now + self._recheck_seconds
            self._carry_out(find_any(candidates), None, now)
            self._show_backup(now)

    def begin(self, slot: InputSlot, source: Source, reader: Input) -> None:
        """An attempt begins."""
        source.ask_key_frame = reader.request_key_frame
        reader.on_age = source.set_age
        slot.opened(source, reader)
        self._emit("source_opened", slot)
        reader.start()

    def new_source(self) -> Source:
        """A source on its way into the switch."""
        assert self.switch is not None
        return Source(self.switch, self._name, self._on_ended)

    def close(self, slot: InputSlot, error: str | None, now: float) -> None:
        """End an attempt; with an error the next one waits."""
        source, reader = slot.source, slot.input
        if source is None or reader is None:
            return
        if self.switch:
            self._remember(source, now)
            self.switch.release(source)
        slot.closed(error, now)
        reader.stop()
        self._environment.graveyard.bury(reader)
        self._emit("source_closed", slot, reason=error or "not needed")
        if slot.on_close:
            on_close, slot.on_close = slot.on_close, None
            on_close(error or "not needed")

    def _remember(self, source: Source, now: float) -> None:
        """When its last frame came, if it is the one that is shown."""
        if self.switch is not None and self.switch.active is source and source.frames:
            self.last_frame_at = time.time() - source.silence(now)

    def report_shown(self, slot: InputSlot) -> None:
        """Frames of `slot` are shown now."""
        log.info("%s: input %s is shown", self._name, slot.url)
        self._emit("source_started", slot)

    def _candidate(self, slot: InputSlot, now: float) -> Candidate:
        return Candidate(
            rank=-1.0 if slot is self._chosen else slot.rank,
            is_publish=slot.is_publish,
            is_open=slot.source is not None,
            is_demoted=bool(slot.config.timeout and slot.source and slot.source.frames),
            may_open=slot.may_open(now, watched=self.is_watched),
        )

    def _carry_out(self, choice: Choice, shown: InputSlot | None, now: float) -> None:
        for index, slot in enumerate(self.slots):
            if slot.source is not None and slot is not shown:
                slot.source.may_take_over = index in choice.take_over
        for index in choice.close:
            self.close(self.slots[index], None, now)
        if choice.open is not None:
            self._open(self.slots[choice.open], now)

    def _check(self, slot: InputSlot, source: Source, now: float) -> None:
        if source.finished and source.error is None:
            log.info("%s: the publisher left", self._name)
            self.close(slot, None, now)
            return
        fault = slot.fault(now)
        if fault is not None:
            self._fail(slot, fault, now)
            return
        silence = source.silence(now)
        if slot.frames_timeout:
            silent = source.frames > 0 and silence > slot.frames_timeout
            if silent != slot.silent:
                slot.silent = silent
                self._emit("frames_timed_out" if silent else "frames_restored", slot)
        timeout = slot.config.timeout
        if timeout and silence > timeout and self.switch and self.switch.active is source:
            # Show something else, but keep the connection: it may take over again.
            self._remember(source, now)
            self.switch.release(source)
            source.may_take_over = True

    def _fail(self, slot: InputSlot, fault: str, now: float) -> None:
        had_frames = slot.source is not None and slot.source.frames > 0
        if slot is self._chosen:
            self._chosen = None
        self.close(slot, fault, now)
        retry = (
            "" if slot.is_publish else f"; next attempt in {slot.wait(watched=self.is_watched):g} s"
        )
        log.warning("%s: input %s: %s%s", self._name, slot.url, fault, retry)
        if had_frames:
            self._emit("source_lost", slot, reason=fault)
        self._on_failed(fault)

    @property
    def _recheck_seconds(self) -> float:
        return float(self._config.recheck_secondary_inputs_interval or RECHECK_SECONDS)

    def _show_backup(self, now: float) -> None:
        backup, config = self.backup, self._config.backup
        if backup is None or config is None or not backup.may_open(now):
            return
        timeout = config.timeout or self._config.source_timeout or SOURCE_TIMEOUT_SECONDS
        if now - self._last_frames < timeout:
            return
        self._open(backup, now)

    def _open(self, slot: InputSlot, now: float) -> None:
        source = self.new_source()
        try:
            reader = create_input(
                self._name,
                slot.config,
                source,
                slot.limits,
                self._stored,
                self._environment.neighbours,
                self._on_arrived,
            )
        except InputError as error:
            slot.closed(str(error), now)
            # Waiting longer than after a failure to connect: only another configuration helps.
            slot.retry_at = now + slot.max_retry
            log.warning("%s: input %s: %s", self._name, slot.url, error)
            return
        source.may_take_over = True
        self.begin(slot, source, reader)

    def _emit(self, event: str, slot: InputSlot, **fields: Any) -> None:
        self._environment.emit(self._name, event, {**slot.event_fields(), **fields})
