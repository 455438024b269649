"""What stands between the switch and the output of a stream: stages that take and give frames.

The transcoder is a stage: a `StageSpec`, a row of what the media worker gives its streams, says for
which configurations there is one, and makes it. Stages live in the event loop and never block it:
heavy work goes to threads or to a process of their own, and what comes back is given downstream
from any thread. A stream without stages pays nothing.

A stage that raises ends: one that the stream can do without is bypassed (frames pass as they come),
any other one ends the stream's output, and the owner tries again later.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from media_api.stream import StreamConfig

from media_streamer.media.frame import TICKS_PER_MS, Frame, FrameSink, Track
from media_streamer.media.inbox import Inbox

log = logging.getLogger(__name__)


class Upstream(Protocol):
    """What a part of a stream may ask of the part before it."""

    def request_key_frame(self) -> None:
        """A key frame is needed soon; ignored where nobody can make one."""


class Stage(Protocol):
    """Takes tracks and frames, gives tracks and frames; see `Converter` for a base.

    The methods are called in the event loop, `start` first and `close` last. What a stage gives
    must have a growing DTS in each track; `utc_ms` may be left 0.
    """

    def start(self, downstream: FrameSink, upstream: Upstream) -> None:
        """`downstream` takes from any thread."""

    def set_tracks(self, tracks: Sequence[Track]) -> None: ...

    def push(self, frames: Sequence[Frame]) -> None: ...

    def gap(self) -> None: ...

    def request_key_frame(self) -> None:
        """Somebody behind the stage needs a key frame."""

    def reconfigure(self, settings: Any) -> bool:
        """Go on with other settings; False: another stage takes its place, and there is a gap."""

    def stats(self) -> Mapping[str, Any]:
        """What the stream's statistics say of it, fields of `media_api.status.StreamStats`."""

    def close(self) -> None:
        """Give nothing more, free everything."""


class Converter:
    """Base of stages: passes everything on; override what is to be changed."""

    _downstream: FrameSink
    _upstream: Upstream

    def start(self, downstream: FrameSink, upstream: Upstream) -> None:
        self._downstream, self._upstream = downstream, upstream

    def set_tracks(self, tracks: Sequence[Track]) -> None:
        self._downstream.set_tracks(tracks)

    def push(self, frames: Sequence[Frame]) -> None:
        self._downstream.push(frames)

    def gap(self) -> None:
        self._downstream.gap()

    def request_key_frame(self) -> None:
        self._upstream.request_key_frame()

    def reconfigure(self, settings: Any) -> bool:
        return False

    def stats(self) -> Mapping[str, Any]:
        return {}

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class StageSpec:
    """A kind of stage."""

    name: str
    """For log lines."""
    wanted: Callable[[StreamConfig], Any]
    """The settings with which a stream needs the stage, None if it needs none. Where they are no
    more equal, the stage goes on with the new ones or is made anew."""
    make: Callable[[str, Any], Stage]
    """Makes one for a stream's name and these settings."""
    essential: bool = False
    """Without it the output has no sense: its failure ends the output. Else it is bypassed."""


class StageRefused(Exception):  # noqa: N818 - an answer
    """What a stage was asked for cannot be done; the text says why.

    A stage may raise it anywhere: it is nobody's mistake here, and is logged in one line.
    """


class StageFailed(Exception):  # noqa: N818 - what happened to a stream
    """An essential stage raised; the text says which, and why."""


class Step:
    """A running stage: guarded, with an inbox for what it gives."""

    def __init__(self, stream: str, spec: StageSpec, settings: Any, upstream: Upstream) -> None:
        """Raises StageFailed if `spec` is essential and cannot be made."""
        self._stream = stream
        self._spec = spec
        self._stage: Stage | None = None
        self._upstream = upstream
        self._inbox = Inbox(stream)
        self._tracks: Sequence[Track] = ()
        self._newest: Frame | None = None
        try:
            stage = spec.make(stream, settings)
        except Exception as error:
            self._fail(error)
        else:
            self._stage = stage
            self._guard(lambda stage: stage.start(self._inbox, upstream))

    def set_tracks(self, tracks: Sequence[Track]) -> None:
        self._tracks = tracks
        if not self._guard(lambda stage: stage.set_tracks(tracks)):
            self._inbox.set_tracks(tracks)

    def push(self, frames: Sequence[Frame]) -> None:
        self._newest = frames[-1]
        if not self._guard(lambda stage: stage.push(frames)):
            self._inbox.push(frames)

    def gap(self) -> None:
        if not self._guard(lambda stage: stage.gap()):
            self._inbox.gap()

    def request_key_frame(self) -> None:
        if not self._guard(lambda stage: stage.request_key_frame()):
            self._upstream.request_key_frame()

    def reconfigure(self, settings: Any) -> bool:
        """Whether the stage goes on with other settings. Raises StageFailed."""
        goes_on: list[bool] = []
        self._guard(lambda stage: goes_on.append(stage.reconfigure(settings)))
        return any(goes_on)

    def stats(self) -> Mapping[str, Any]:
        """Of the stage, nothing once it is bypassed."""
        return self._stage.stats() if self._stage is not None else {}

    def drain(self, sink: FrameSink) -> None:
        """Hand on what the stage has given."""
        self._inbox.drain(_Stamped(sink, self._newest))

    def close(self) -> None:
        stage, self._stage = self._stage, None
        if stage is not None:
            self._end(stage)

    def _guard(self, call: Callable[[Stage], None]) -> bool:
        """Call the stage; False once it is bypassed. Raises StageFailed."""
        stage = self._stage
        if stage is None:
            return False
        try:
            call(stage)
        except Exception as error:
            self._stage = None
            self._end(stage)
            # Nothing more of what it has given, and may still give from a thread, goes on.
            self._inbox = Inbox(self._stream)
            self._fail(error)
            self._inbox.set_tracks(self._tracks)
            self._inbox.gap()
            return False
        return True

    def _fail(self, error: Exception) -> None:
        name = self._spec.name
        end = "its output ends" if self._spec.essential else "it goes on without this stage"
        if isinstance(error, StageRefused):
            log.error("stream %s: stage %s, %s: %s", self._stream, name, end, error)
        else:
            log.error("stream %s: stage %s failed, %s", self._stream, name, end, exc_info=error)
        if self._spec.essential:
            raise StageFailed(f"{name}: {str(error) or type(error).__name__}") from error

    def _end(self, stage: Stage) -> None:
        try:
            stage.close()
        except Exception:
            log.exception("stream %s: stage %s cannot be closed", self._stream, self._spec.name)


class _Stamped:
    """Gives the frames of stages that leave their wall clock out that of the stream."""

    def __init__(self, sink: FrameSink, newest: Frame | None) -> None:
        self._sink = sink
        self._newest = newest
        self.set_tracks = sink.set_tracks
        self.gap = sink.gap

    def push(self, frames: Sequence[Frame]) -> None:
        newest = self._newest
        for frame in frames:
            if not frame.utc_ms and newest is not None:
                frame.utc_ms = newest.utc_ms + (frame.dts - newest.dts) // TICKS_PER_MS
        self._sink.push(frames)
