"""The transcoder as a stream sees it: a stage whose work is done by a process of its own.

Role: plan what is made of the source's tracks, send the process what it needs, put what comes back
and what passes as it is in one order of time.

Invariants: nothing here waits. While the process is away, what passes as it is goes on, and the
encoded tracks go on from the next key frame on the same clock. What cannot be made (`PlanError`,
an encoder that cannot be opened) ends the output with the reason; a crash does not. What the
process does not take in time is dropped up to a key frame, and counted.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from media_api.stream import StreamConfig
from media_api.transcoder import TranscoderSpec

from media_streamer.media.frame import Frame, FrameSink, Track
from media_streamer.media.stages import StageRefused, StageSpec, Upstream
from media_streamer.media.switch import KEY_FRAME_SECONDS
from media_streamer.transcoder.link import Process, Transcoders
from media_streamer.transcoder.output import Run
from media_streamer.transcoder.plan import Plan, PlanError, make_plan
from media_streamer.wire.transcoding import (
    Begin,
    Encoded,
    Ended,
    Figures,
    FromTranscoder,
    Made,
    Refused,
    Source,
    WantKeyFrame,
)

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5
FULL_BYTES = 16 * 1024 * 1024
"""More than that is not left waiting for a process that does not read."""
SILENT_SECONDS = 15.0
"""It says something each second."""
END_SECONDS = 12.0
"""How long a run's last frames are waited for."""
FRESH_SECONDS = 5.0
"""Without a frame for so long it is not running."""
MAX_RUNS = 4
UNUSED_SECONDS = 60.0
"""A process without a source ends after so long."""
TURN_SECONDS = 10.0
"""How long a key frame is waited for with which another ladder begins."""
OVERLOADED_SECONDS = 10.0
"""How long an overload is shown."""


class TranscoderStage:
    """Of one stream; in the event loop."""

    def __init__(self, stream: str, spec: TranscoderSpec, transcoders: Transcoders) -> None:
        self._stream = stream
        self._spec = spec
        self._transcoders = transcoders
        self._downstream: FrameSink
        self._upstream: Upstream
        self._tracks: list[Track] = []
        self._plan: Plan | None = None
        self._next: Plan | None = None
        """What is made from the next key frame of the source on."""
        self._next_by = 0.0
        self._runs: deque[Run] = deque()
        """The first one flows out; the others wait for its end."""
        self._number = 0
        self._process: Process | None = None
        self._failure = ""
        self._needs_key = True
        self._is_closed = self._is_needed = False
        self._pushed_at = 0.0
        self._asked_at = -KEY_FRAME_SECONDS
        self._gave_at = self._heard_at = self._overloaded_at = -SILENT_SECONDS
        self._first_end_by = 0.0
        self._figures = Figures(0, 0, 0, 0, False, 0)
        self._counted: Process | None = None
        """Whose figures these are."""
        self._before = (0, 0, 0)
        """Decoded, encoded and dropped by processes that are gone."""
        self._dropped = 0
        self._restarts = 0
        self._device = ""
        self._error = ""
        self._timer: asyncio.TimerHandle | None = None

    # Stage

    def start(self, downstream: FrameSink, upstream: Upstream) -> None:
        self._downstream, self._upstream = downstream, upstream
        self._tick()

    def set_tracks(self, tracks: Sequence[Track]) -> None:
        self._check()
        if list(tracks) == self._tracks:
            return
        self._plan, self._next = self._planned(tracks), None
        self._tracks = list(tracks)
        self._pushed_at = time.monotonic()
        self._need()
        self._begin(after_gap=False)

    def push(self, frames: Sequence[Frame]) -> None:
        self._check()
        if self._next is not None:
            video = next((one.number for one in self._tracks if one.kind == "video"), None)
            at = next((n for n, one in enumerate(frames) if one.key and one.track == video), None)
            if at is not None:
                self._push(frames[:at])
                self._turn()
                frames = frames[at:]
        self._push(frames)

    def _push(self, frames: Sequence[Frame]) -> None:
        run = self._runs[-1] if self._runs else None
        if run is None:
            return
        self._pushed_at = time.monotonic()
        self._need()
        taken = run.plan.taken
        sent: list[Frame] = []
        for frame in frames:
            run.copy(frame)
            if frame.track in taken and self._is_sent(run, frame):
                sent.append(frame)
        if sent and self._process is not None:
            self._process.send(Source(sent))
        self._give()

    def gap(self) -> None:
        if self._runs:
            self._plan, self._next = self._next or self._plan, None
            self._begin(after_gap=True)

    def reconfigure(self, settings: TranscoderSpec) -> bool:
        """What was made goes on up to the next key frame: what stays has no gap. False after a
        refusal: what it refused may be another spec's."""
        if self._failure:
            return False
        self._spec = settings
        if self._tracks:
            self._next = self._planned(self._tracks)
            self._next_by = time.monotonic() + TURN_SECONDS
            self._upstream.request_key_frame()
            if self._process is None or all(one.kind != "video" for one in self._tracks):
                self._turn()
        return True

    def request_key_frame(self) -> None:
        now = time.monotonic()
        if now - self._asked_at < KEY_FRAME_SECONDS:
            return
        self._asked_at = now
        if self._process is not None:
            self._process.send(WantKeyFrame())
        if self._plan is not None and self._plan.copies:
            self._upstream.request_key_frame()

    def close(self) -> None:
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._release()
        self._runs.clear()

    def stats(self) -> Mapping[str, Any]:
        """Fields of `media_api.status.StreamStats`."""
        now = time.monotonic()
        figures, (decoded, encoded, dropped) = self._figures, self._before
        transcoder: dict[str, Any] = {
            "frames_decoded": decoded + figures.frames_decoded,
            "frames_encoded": encoded + figures.frames_encoded,
            "errors_dropped_frames": dropped + figures.dropped_frames + self._dropped,
            "restarts": self._restarts,
        }
        if self._device:
            transcoder["device"] = self._device
        if self._error:
            transcoder["error"] = self._error
        return {
            "coder_error": bool(self._error),
            "running_transcoder": self._process is not None and now - self._gave_at < FRESH_SECONDS,
            "transcoder_overloaded": now - self._overloaded_at < OVERLOADED_SECONDS,
            "transcoder": transcoder,
        }

    # link.User

    def connected(self, process: Process) -> None:
        if process is not self._counted:
            self._count_on()
            self._counted = process
        self._process = process
        self._heard_at = time.monotonic()
        if self._runs:
            # Whatever was under way in the one before is lost; the latest run goes on.
            while len(self._runs) > 1:
                self._end_first()
            self._send_begin(self._runs[-1])

    def heard(self, message: FromTranscoder) -> None:
        self._heard_at = time.monotonic()
        if isinstance(message, Encoded):
            if (run := self._find(message.number)) is not None:
                run.encoded(message.frames)
                self._gave_at = self._heard_at
                self._error = ""
                self._give()
        elif isinstance(message, Figures):
            self._take_figures(message)
        elif isinstance(message, Made):
            if (run := self._find(message.number)) is not None:
                self._device = message.device
                run.made(message.tracks, self._heard_at)
                self._give()
        elif isinstance(message, Ended):
            if (run := self._find(message.number)) is not None and run is not self._runs[-1]:
                run.ended = True
                self._give()
        elif isinstance(message, Refused) and self._find(message.number) is not None:
            self._failure = self._error = message.reason

    def lost(self, reason: str) -> None:
        self._process = None
        self._restarts += 1
        self._error = f"the transcoder is gone, another one is started: {reason}"
        self._count_on()
        for run in self._runs:
            run.interrupted()
        while len(self._runs) > 1:
            self._end_first()
        self._give()

    # What is under way

    def _count_on(self) -> None:
        """Another process counts from zero."""
        self._before = (
            self._before[0] + self._figures.frames_decoded,
            self._before[1] + self._figures.frames_encoded,
            self._before[2] + self._figures.dropped_frames,
        )
        self._figures = Figures(0, 0, 0, 0, False, 0)

    def _planned(self, tracks: Sequence[Track]) -> Plan:
        """Raises StageRefused."""
        try:
            return make_plan(self._spec, tracks)
        except PlanError as error:
            raise StageRefused(str(error)) from error

    def _turn(self) -> None:
        """Make what is to be made next."""
        self._plan, self._next = self._next, None
        self._need()
        self._begin(after_gap=False)

    def _need(self) -> None:
        """A process is needed while there is something to do."""
        if not self._is_needed and self._plan is not None and self._plan.made:
            self._is_needed = True
            self._transcoders.want(self._stream, self)

    def _has_only_copies(self) -> bool:
        """Nothing is made, nor will be: what was made before has come out of the encoders."""
        is_last = self._next is None and len(self._runs) == 1
        return is_last and not self._runs[0].plan.made

    def _release(self) -> None:
        if self._is_needed:
            self._is_needed, self._process = False, None
            self._error = self._failure
            self._transcoders.release(self._stream, self)

    def _check(self) -> None:
        if self._failure:
            raise StageRefused(self._failure)

    def _begin(self, *, after_gap: bool) -> None:
        assert self._plan is not None
        self._number += 1
        before = self._runs[-1] if self._runs else None
        run = Run(self._number, self._plan, after_gap=after_gap, before=before)
        self._runs.append(run)
        if len(self._runs) == 2:
            self._first_end_by = time.monotonic() + END_SECONDS
        if self._process is not None:
            self._send_begin(run)
        while len(self._runs) > (MAX_RUNS if self._process is not None else 1):
            self._end_first()

    def _send_begin(self, run: Run) -> None:
        assert self._process is not None
        if run.number != self._number:
            self._number += 1
            run.number = self._number
        taken = run.plan.taken
        tracks = [track for track in self._tracks if track.number in taken]
        self._process.send(Begin(run.number, run.plan.work, tracks))
        self._needs_key = True
        self._upstream.request_key_frame()

    def _is_sent(self, run: Run, frame: Frame) -> bool:
        """Whether the process gets a frame; video begins with a key frame."""
        if self._process is None:
            return False
        decoding = run.plan.work.decoding
        is_video = decoding is not None and frame.track == decoding.track
        if self._process.channel.pending_bytes > FULL_BYTES:
            self._needs_key = True
            self._dropped += is_video
            self._overloaded_at = time.monotonic()
            return False
        if not is_video:
            return True
        if self._needs_key and not frame.key:
            return False
        self._needs_key = False
        return True

    def _find(self, number: int) -> Run | None:
        return next((run for run in self._runs if run.number == number), None)

    def _give(self) -> None:
        now = time.monotonic()
        while self._runs:
            first = self._runs[0]
            first.give(self._downstream, now)
            if len(self._runs) == 1 or not (first.ended or now > self._first_end_by):
                return
            self._end_first()

    def _end_first(self) -> None:
        run = self._runs.popleft()
        run.ended = True
        run.give(self._downstream, time.monotonic())
        self._first_end_by = time.monotonic() + END_SECONDS

    def _take_figures(self, figures: Figures) -> None:
        self._figures = figures
        if figures.overloaded:
            now = time.monotonic()
            if now - self._overloaded_at > OVERLOADED_SECONDS:
                log.warning(
                    "stream %s: the encoders do not keep up (%d ms behind): pictures are left out",
                    self._stream,
                    figures.lag_ms,
                )
            self._overloaded_at = now

    def _tick(self) -> None:
        if self._is_closed:
            return
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)
        now = time.monotonic()
        if self._process is not None and now - self._heard_at > SILENT_SECONDS:
            self._heard_at = now
            self._process.channel.abort(f"it says nothing for {SILENT_SECONDS:g} s")
        elif now - self._pushed_at > UNUSED_SECONDS:
            self._release()
        if self._next is not None and now > self._next_by:
            self._turn()
        self._give()
        if self._has_only_copies():
            self._release()


def transcoder_spec(transcoders: Transcoders) -> StageSpec:
    """The kind of stage, for the streams of a media worker."""

    def make(stream: str, settings: TranscoderSpec) -> TranscoderStage:
        return TranscoderStage(stream, settings, transcoders)

    return StageSpec("transcoder", _wanted, make, essential=True)


def _wanted(config: StreamConfig) -> TranscoderSpec | None:
    """What is to be made; None where all tracks would pass as they are."""
    spec = config.transcoder
    if spec is None:
        return None
    has_sound = spec.audio is not None and spec.audio.bitrate != "copy"
    return spec if spec.tracks is not None or spec.video or has_sound else None
