"""The life of a stream inside a media worker: when it runs, what it is made of, who takes it.

Role: the owner of a stream's inputs (`ingest`), of the way of its frames (`graph`) and of its sinks
(`audience`). A task looks at them twice a second and whenever one of them has news. All methods
belong to the event loop.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from media_api.stream import StreamConfig

from media_streamer.media import ingest
from media_streamer.media.audience import Attachment, Audience
from media_streamer.media.formats import LIVE_SECONDS
from media_streamer.media.graph import Graph
from media_streamer.media.ingest import Ingest
from media_streamer.media.inputs.base import Stored
from media_streamer.media.inputs.frames import FrameInput
from media_streamer.media.inputs.publish import PublishInput
from media_streamer.media.on_demand import OnDemand
from media_streamer.media.outage import outage_of
from media_streamer.media.output import Selection, StreamOutput
from media_streamer.media.publishers import PublishRefused, find_place
from media_streamer.media.settings import OutputSettings
from media_streamer.media.slots import (
    MAX_RETRY_SECONDS,
    MIN_RETRY_SECONDS,
    STABLE_SECONDS,
    InputSlot,
)
from media_streamer.media.stages import StageFailed, StageSpec
from media_streamer.media.subscribers import Sink
from media_streamer.media.switch import Source
from media_streamer.rounds import until_round
from media_streamer.wire.media import Outage, PublishForm

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5


class Environment(ingest.Environment, Protocol):
    """What a stream needs of its worker."""

    @property
    def stages(self) -> Sequence[StageSpec]:
        """Kinds of stages that there are."""

    def output_settings(self, config: StreamConfig) -> OutputSettings: ...

    def changed(self, stream: "StreamRunner") -> None:
        """`interval`, `is_busy` or `is_polled` may be another."""

    def arrived(self, stream: "StreamRunner") -> None:
        """Frames came in by the event loop."""


class StreamRunner:
    """Runs one stream."""

    def __init__(self, config: StreamConfig, stored: Stored, environment: Environment) -> None:
        now = time.monotonic()
        self.name = config.name
        self.config = config
        self.opened_at = time.time()
        self.graph: Graph | None = None
        self.input_switches = 0
        self.started_at: float | None = None
        """Unix time of the first frame since the stream was wanted."""
        self.stage_error: str | None = None
        """Why the output was ended by one of its stages, until it runs again."""
        self.seconds_on_primary = self.seconds_on_secondary = self.seconds_without_frames = 0.0
        self.demand = OnDemand(config, now)
        self.ingest = Ingest(config, stored, environment, self._ended, self._failed, self._arrived)
        self._audience = Audience(self._left, config.name)
        self._environment = environment
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._last_step = self._output_since = now
        self._news: Callable[[], None] | None = None
        """Told in the threads of inputs when frames have come."""
        self._stage_failures = 0
        self._stage_retry_at = 0.0

    # Life

    def run(self) -> None:
        """Begin to look after the stream."""
        self._task = asyncio.create_task(self._look_after(), name=f"stream {self.name}")

    async def close(self, reason: str) -> None:
        """End the stream and everything it owns; all sinks are told `reason`."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._shut(reason, final=True)

    def start(self) -> None:
        """An on-demand stream is wanted now."""
        self.demand.start(time.monotonic())
        self.ingest.retry_now()
        self._wake.set()

    def restart(self) -> None:
        """Close all inputs and begin again."""
        self.ingest.close_all()
        self.ingest.retry_now()
        self.demand.given_up = self.stage_error = None
        self._stage_retry_at = 0.0
        self._wake.set()

    def select(self, index: int) -> None:
        """Prefer the input at `index` until it fails; raises LookupError."""
        self.ingest.select(index)
        self._wake.set()

    def reconfigure(self, config: StreamConfig, stored: Stored) -> None:
        """Apply another configuration; inputs that stay the same are not interrupted."""
        self.config = self.demand.config = config
        self.ingest.configure(config, stored)
        if self.graph:
            self.graph.output.reconfigure(self._environment.output_settings(config))
            try:
                self.graph.reconfigure(config)
            except StageFailed as error:
                self._end_output(str(error))
        self._set_pace()
        self._wake.set()

    @property
    def output(self) -> StreamOutput | None:
        """What makes the formats; None while the stream does not run."""
        return self.graph.output if self.graph else None

    @property
    def copy_refused(self) -> str:
        """Why no other stream may copy this one, in a word; empty if it may."""
        if self.config.disabled:
            return "disabled"
        # Frames must not go round in a circle of copies.
        is_copy = any(item.scheme == "copy" for item in self.config.inputs)
        return "is_a_copy" if is_copy else ""

    @property
    def shown(self) -> InputSlot | None:
        """The input whose frames pass now."""
        return self.ingest.shown

    # Who takes it

    @property
    def subscribers(self) -> int:
        """Sinks that are attached."""
        return len(self._audience)

    @property
    def held_bytes(self) -> int:
        """What its inputs and its output keep in memory, as far as it is known."""
        held = self.graph.held_bytes if self.graph else 0
        return held + sum(one.input.held_bytes for one in self.ingest.all_slots if one.input)

    @property
    def is_busy(self) -> bool:
        """Whether frames have to be moved on often: somebody takes them, or a stage works."""
        return bool(self._audience) or self._has_stages

    @property
    def is_polled(self) -> bool:
        """Whether frames come out of threads, without a word to the event loop."""
        shown = self.ingest.shown
        return self._has_stages or shown is None or not isinstance(shown.input, FrameInput)

    @property
    def interval(self) -> float:
        """Seconds for which those who take the stream let it gather."""
        return LIVE_SECONDS if self._has_stages else self._audience.interval

    @property
    def _has_stages(self) -> bool:
        return self.graph is not None and self.graph.has_stages

    def attach(
        self,
        format: str,
        sink: Sink,
        on_ended: Callable[[str], None],
        *,
        tracks: Selection = (),
        pinned: bool = False,
        keeps_running: bool = True,
        interval: float | None = None,
    ) -> Attachment:
        """Give `sink` a format of the stream, the state so far at once; see `audience`.

        An on-demand stream starts if the sink keeps it running. `tracks`: names of those wanted,
        empty for all; `interval`: seconds for which what happens may be gathered, None: as is right
        for the format. Raises UnknownFormat, and whatever building the format raises.
        """
        if keeps_running:
            if self.demand.idle:
                self.start()
            self._ensure_graph()
        if self.graph:
            self.graph.drain()
        attachment = self._audience.attach(
            format,
            sink,
            on_ended,
            tracks=tracks,
            pinned=pinned,
            keeps_running=keeps_running,
            interval=interval,
        )
        self._set_pace()
        return attachment

    def pace(self, attachment: Attachment, interval: float) -> None:
        """What a sink gets may be gathered for so many seconds from now on."""
        attachment.interval = interval
        self._set_pace()

    def flush(self) -> None:
        """Deliver what is pending to the sinks."""
        if self.graph:
            self.graph.flush()
            if self.graph.failed:
                self._end_output(self.graph.failed)

    def tell_of_frames(self, back: Callable[[], None] | None) -> None:
        """Call `back` in the event loop when threads have put frames in; None: nobody is told."""
        self._news = None if back is None else partial(self._call_loop, back)
        if self.graph:
            self.graph.tell(self._news)

    def _left(self) -> None:
        self.demand.used(time.monotonic())
        self._set_pace()

    def _set_pace(self) -> None:
        for slot in self.ingest.slots:
            if slot.input is not None:
                slot.input.pace(self.interval)
        self._environment.changed(self)

    def _arrived(self) -> None:
        self._environment.arrived(self)

    # Publishers

    def publish(
        self,
        form: PublishForm,
        remote: str,
        user_agent: str,
        on_close: Callable[[str], None],
        on_pace: Callable[[float], None],
    ) -> PublishInput | FrameInput:
        """Take a publisher; `on_close` is told the reason when it is not wanted any more, `on_pace`
        for how many seconds its frames may be gathered.

        Raises PublishRefused.
        """
        place = find_place(self.ingest.slots, disabled=self.config.disabled)
        self.start()
        if not self._ensure_graph():
            raise PublishRefused("stage_failed")
        place.remote, place.user_agent, place.on_close = remote, user_agent, on_close
        source = self.ingest.new_source()
        reader: PublishInput | FrameInput
        if form == "frames":
            reader = FrameInput(self.name, source, place.limits, on_taken=self._arrived)
        else:
            reader = PublishInput(
                self.name,
                source,
                place.limits,
                programs=frozenset(place.config.programs or ()),
                pids=frozenset(place.config.pids or ()),
            )
        reader.on_pace = on_pace
        self.ingest.begin(place, source, reader)
        self._wake.set()
        return reader

    # The loop

    async def _look_after(self) -> None:
        while True:
            self._wake.clear()
            try:
                self._step(time.monotonic())
            except Exception:
                log.exception("%s: looking after the stream failed", self.name)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(until_round(TICK_SECONDS)):
                    await self._wake.wait()

    def _step(self, now: float) -> None:
        self.ingest.check(now)
        in_use = self._audience.in_use or self.ingest.is_published
        self.ingest.is_watched = in_use
        unused = self.demand.stop_if_unused(in_use, now)
        if unused is not None:
            log.info("%s: nobody watched for %g s, stopping", self.name, unused)
        if not self.demand.wanted:
            if self.graph:
                self._shut("disabled" if self.config.disabled else "not_watched")
            self._audience.tell(Outage())
            return
        self._count_time(now)
        if self._ensure_graph():
            self.ingest.choose(now)
        self._audience.tell(self._outage(now))

    def _outage(self, now: float) -> Outage:
        if self.graph is None:
            return Outage("its output cannot be made", lasting=True)
        return Outage() if self.ingest.shown else outage_of(self.ingest.slots, now)

    def _count_time(self, now: float) -> None:
        elapsed = now - self._last_step
        self._last_step = now
        shown = self.ingest.shown
        if shown is None or shown is self.ingest.backup:
            self.seconds_without_frames += elapsed
        elif shown.rank <= min(slot.rank for slot in self.ingest.slots):
            self.seconds_on_primary += elapsed
        else:
            self.seconds_on_secondary += elapsed

    def _failed(self, fault: str) -> None:
        """An input failed."""
        failures = self.ingest.failures
        if self.demand.failed(failures, fault):
            log.warning("%s: gave up after %d attempts: %s", self.name, failures, fault)

    # The output

    def _ensure_graph(self) -> bool:
        """Make the way to the output; False while a stage that is needed cannot be had."""
        now = time.monotonic()
        if self.graph is None and now >= self._stage_retry_at:
            settings = self._environment.output_settings(self.config)
            try:
                self.graph = Graph(
                    self.config, StreamOutput(settings), self._changed, self._environment.stages
                )
            except StageFailed as error:
                self._end_output(str(error))
                return False
            self.graph.tell(self._news)
            self._output_since = now
            self.ingest.switch = self.graph.switch
            self._audience.start(self.graph.output)
            self._environment.emit(self.name, "stream_opened", {})
        return self.graph is not None

    def _end_output(self, error: str) -> None:
        """A stage failed that the stream cannot do without: try again later."""
        now = time.monotonic()
        stable = self.graph is not None and now - self._output_since > STABLE_SECONDS
        self._stage_failures = 1 if stable else self._stage_failures + 1
        pause = min(MAX_RETRY_SECONDS, MIN_RETRY_SECONDS * 2 ** min(self._stage_failures - 1, 16))
        self._stage_retry_at = now + pause
        self.stage_error = error
        log.error("%s: the output ends: %s; next attempt in %g s", self.name, error, pause)
        self._shut("stage_failed")

    def _shut(self, reason: str, *, final: bool = False) -> None:
        """Close inputs and output."""
        self.ingest.close_all()
        for slot in self.ingest.all_slots:
            slot.failures = 0
        graph, self.graph, self.ingest.switch = self.graph, None, None
        if graph:
            graph.close()
        self._audience.stop(reason, final=final)
        if graph:
            self._environment.emit(self.name, "stream_closed", {"reason": reason})
        self.started_at = None

    # News from input threads

    def _ended(self, source: Source) -> None:
        self._call_loop(self._wake.set)

    def _changed(self, source: Source) -> None:
        self._call_loop(self._report_shown, source)

    def _call_loop(self, function: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the worker is ending, its loop is closed
            self._loop.call_soon_threadsafe(function, *arguments)

    def _report_shown(self, source: Source) -> None:
        slot = self.ingest.slot_of(source)
        if slot is None:
            return
        self.stage_error = None
        self.input_switches = self.graph.switch.switches if self.graph else 0
        self.started_at = self.started_at or time.time()
        self.ingest.report_shown(slot)
        self._set_pace()
        self._wake.set()
