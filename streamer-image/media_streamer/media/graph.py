"""The way of one stream's frames: switch -> stages -> output.

Role: put the parts together, take frames from the threads of inputs into the event loop, and give
them batch by batch to what follows. All methods belong to the event loop.

Invariants: order is kept; a stream without stages has none in its way; a stage that fails never
touches another stream.
"""

from collections.abc import Callable, Sequence
from typing import Any

from media_api.stream import StreamConfig

from media_streamer.media.frame import FrameSink
from media_streamer.media.inbox import Inbox
from media_streamer.media.output import StreamOutput
from media_streamer.media.stages import StageFailed, StageSpec, Step, Upstream
from media_streamer.media.switch import Source, Switch


class Graph:
    """Everything between the sources and the sinks of a running stream."""

    def __init__(
        self,
        config: StreamConfig,
        output: StreamOutput,
        on_change: Callable[[Source], None] | None = None,
        specs: Sequence[StageSpec] = (),
    ) -> None:
        """`on_change` is told of each newly shown source, in that source's thread.

        `specs`: kinds of stages, in the order in which frames go through them. Raises StageFailed.
        """
        self.output = output
        self._inbox = Inbox(config.name)
        self.switch = Switch(self._inbox, on_change)
        self._specs = specs
        self._steps: list[Step] = []
        self._sinks: list[FrameSink] = [output]
        """The stages, and behind them the output."""
        self._settings: list[tuple[StageSpec, object]] = []
        self.failed: str | None = None
        """Why an essential stage ended the output."""
        output.upstream = self
        self._build(config)

    @property
    def has_stages(self) -> bool:
        """Whether frames have to be moved on even while nobody watches."""
        return bool(self._steps)

    def stats(self) -> dict[str, Any]:
        """Of the stages."""
        return {name: value for step in self._steps for name, value in step.stats().items()}

    @property
    def held_bytes(self) -> int:
        """Frames on their way, and those that are kept for viewers to come."""
        return self._inbox.held_bytes + self.output.held_bytes

    def reconfigure(self, config: StreamConfig) -> None:
        """Use other stages if the configuration wants others; raises StageFailed."""
        wanted = self._wanted(config)
        if wanted == self._settings:
            return
        self.drain()
        if self._go_on(wanted):
            self._settings = wanted
            return
        self._end_stages()
        self.output.gap()
        self._build(config)
        if self.switch.tracks:
            self._sinks[0].set_tracks(self.switch.tracks)

    def request_key_frame(self) -> None:
        """Somebody who watches needs a key frame soon."""
        asked = self._steps[-1] if self._steps else self.switch
        try:
            asked.request_key_frame()
        except StageFailed as error:
            self.failed = str(error)

    def tell(self, back: Callable[[], None] | None) -> None:
        """Call `back` in the thread of the source when frames have come; None: nobody is told."""
        self._inbox.tell(back)

    def drain(self) -> None:
        """Let everything that came since the last call flow into the output."""
        if self.failed:
            return
        try:
            self._inbox.drain(self._sinks[0])
            for step, sink in zip(self._steps, self._sinks[1:], strict=True):
                step.drain(sink)
        except StageFailed as error:
            self.failed = str(error)

    def flush(self) -> None:
        """`drain`, then deliver to the sinks."""
        self.drain()
        self.output.flush()

    def close(self) -> None:
        """End the stages and the output; what came before is delivered."""
        self.flush()
        self._end_stages()
        self.output.close()

    def _wanted(self, config: StreamConfig) -> list[tuple[StageSpec, object]]:
        wanted = [(spec, spec.wanted(config)) for spec in self._specs]
        return [(spec, settings) for spec, settings in wanted if settings is not None]

    def _go_on(self, wanted: list[tuple[StageSpec, object]]) -> bool:
        """Whether the same stages go on with other settings, without a gap."""
        if self.failed or [spec for spec, _ in wanted] != [spec for spec, _ in self._settings]:
            return False
        return all(
            new == old or step.reconfigure(new)
            for step, (_, new), (_, old) in zip(self._steps, wanted, self._settings, strict=True)
        )

    def _build(self, config: StreamConfig) -> None:
        self._settings = self._wanted(config)
        upstream: Upstream = self.switch
        for spec, settings in self._settings:
            try:
                step = Step(config.name, spec, settings, upstream)
            except StageFailed:
                self._end_stages()
                raise
            self._steps.append(step)
            upstream = step
        self._sinks = [*self._steps, self.output]

    def _end_stages(self) -> None:
        for step in self._steps:
            step.close()
        self._steps = []
        self._sinks = [self.output]
        self._settings = []
