"""The transcoder of one stream: `python -m media_streamer.transcoder.worker --socket S --stream N`.

Role: a process that owns one engine. It connects to the media worker that runs the stream and makes
what that says; a crash of an encoder is the end of this process and of nothing else.

Life: it ends when the media worker closes the channel, when it takes too much memory, and when its
threads hang in FFmpeg or in a driver. The supervisor starts it again as long as it is wanted. It
has a lower priority than those that serve viewers, and the kernel takes it first when memory ends.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from media_process import logs

from media_streamer import budgets, cage
from media_streamer.media.frame import Frame, Track
from media_streamer.media.watchdog import OwnMemory
from media_streamer.transcoder.engine import THIN_TICKS, Engine
from media_streamer.wire.channel import Channel, ChannelClosed, connect
from media_streamer.wire.frame import TICKS_PER_MS
from media_streamer.wire.transcoding import (
    TRANSCODER_SIDE,
    Begin,
    Encoded,
    Ended,
    Figures,
    FromMedia,
    FromTranscoder,
    Made,
    Ready,
    Refused,
    Source,
)

log = logging.getLogger(__name__)

FIGURES_SECONDS = 1.0
CONNECT_SECONDS = 5.0
NICE = 5
OOM_SCORE = "500"
"""proc(5), oom_score_adj: half way to being the first."""
OWN_THREADS = Path("/proc/self/task")
"""CUDA does not begin where it may not name its threads there (proc(5), comm)."""
HARMLESS = frozenset((".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".ttf", ".otf", ".ttc"))
"""Suffixes of pictures and fonts."""
EXIT_CODE = 70
"""EX_SOFTWARE (sysexits.h)."""


class _Run:
    """One `Begin`: the receiver of its engine, from the engine's threads."""

    def __init__(self, worker: "TranscoderWorker", begin: Begin) -> None:
        self.number = begin.number
        self.engine = Engine(begin.work, begin.tracks, self)
        self.begun = False
        self._worker = worker

    def made(self, tracks: Sequence[Track], device: str) -> None:
        self._worker.say(Made(self.number, list(tracks), device))

    def encoded(self, frames: Sequence[Frame]) -> None:
        self._worker.say(Encoded(self.number, list(frames)))

    def refused(self, reason: str) -> None:
        self._worker.say(Refused(self.number, reason))

    def ended(self) -> None:
        self._worker.say(Ended(self.number))
        self._worker.call(self._worker.next_run)


class TranscoderWorker:
    """The receiver of the channel."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self._loop = asyncio.get_running_loop()
        self._channel: Channel[FromTranscoder, FromMedia] | None = None
        self._closed = asyncio.Event()
        self._runs: deque[_Run] = deque()
        """The first one works, the others wait for its end."""
        self._decoded = self._encoded = self._dropped = self._errors = 0
        """Of runs that ended."""
        self._progress: tuple[int, ...] = ()
        self._hangs = 0
        self._memory = OwnMemory()

    async def run(self, socket: Path) -> int:
        """Until the media worker has enough; returns the exit status."""
        channel = await connect(socket, TRANSCODER_SIDE, self, timeout_seconds=CONNECT_SECONDS)
        self._channel = channel
        channel.send(Ready(self.stream))
        while not self._closed.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIGURES_SECONDS):
                    await self._closed.wait()
            if reason := self._must_end():
                log.error("stream %s: its transcoder ends itself: %s", self.stream, reason)
                return EXIT_CODE
            self._report()
        return 0

    # From the media worker

    def on_message(self, message: FromMedia) -> None:
        if isinstance(message, Source):
            if self._runs:
                self._runs[-1].engine.push(message.frames)
        elif isinstance(message, Begin):
            self._begin(message)
        elif self._runs:
            self._runs[-1].engine.request_key_frame()

    def on_closed(self, reason: str) -> None:
        self._closed.set()

    def _begin(self, begin: Begin) -> None:
        if self._runs:
            last = self._runs[-1]
            if last.begun:
                last.engine.finish()
            else:
                self._runs.pop()
                self.say(Ended(last.number))
        self._runs.append(_Run(self, begin))
        self._start_first()

    def next_run(self) -> None:
        """The first one has ended."""
        ended = self._runs.popleft().engine
        self._decoded += ended.frames_decoded
        self._encoded += ended.frames_encoded
        self._dropped += ended.frames_dropped
        self._errors += ended.decode_errors
        self._start_first()

    def _start_first(self) -> None:
        first = self._runs[0] if self._runs else None
        if first is not None and not first.begun:
            first.begun = True
            first.engine.start()

    # To the media worker

    def say(self, message: FromTranscoder) -> None:
        """From any thread."""
        self.call(self._send, message)

    def call(self, function: Callable[..., None], *arguments: object) -> None:
        """In the loop, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(function, *arguments)

    def _send(self, message: FromTranscoder) -> None:
        if self._channel is not None:
            with contextlib.suppress(ChannelClosed):
                self._channel.send(message)

    def _report(self) -> None:
        engines = [run.engine for run in self._runs]
        lag = max((engine.lag for engine in engines), default=0)
        self._send(
            Figures(
                frames_decoded=self._decoded + sum(one.frames_decoded for one in engines),
                frames_encoded=self._encoded + sum(one.frames_encoded for one in engines),
                dropped_frames=self._dropped + sum(one.frames_dropped for one in engines),
                decode_errors=self._errors + sum(one.decode_errors for one in engines),
                overloaded=lag > THIN_TICKS,
                lag_ms=lag // TICKS_PER_MS,
            )
        )

    def _must_end(self) -> str:
        """Why this process cannot go on; empty if it can."""
        memory = self._memory()
        if memory > budgets.TRANSCODER_MEMORY_BYTES:
            most = budgets.TRANSCODER_MEMORY_BYTES >> 20
            return f"{memory >> 20} MiB of memory, at most {most} are allowed"
        engine = self._runs[0].engine if self._runs else None
        if engine is None or not engine.lag:
            self._hangs = 0
            return ""
        progress = (id(engine), engine.frames_decoded, engine.frames_encoded, engine.frames_thinned)
        self._hangs = self._hangs + 1 if progress == self._progress else 0
        self._progress = progress
        if self._hangs * FIGURES_SECONDS < budgets.TRANSCODER_HANG_SECONDS:
            return ""
        return f"nothing was made of what came for {budgets.TRANSCODER_HANG_SECONDS} s"


def _whole(files: Sequence[Path]) -> list[Path]:
    """The files, and what folders of theirs hold nothing but pictures and fonts.

    A file that is replaced is another one, which only its folder lets in; a folder with anything
    else in it may hold what nobody here has to read.
    """
    found = list(files)
    for folder in {file.parent for file in files}:
        with contextlib.suppress(OSError):
            if all(one.suffix.lower() in HARMLESS for one in folder.iterdir()):
                found.append(folder)
    return found


def main() -> int:
    """Run a transcoder; the exit status is 0 when the media worker ended it."""
    parser = argparse.ArgumentParser(prog="transcoder")
    parser.add_argument("--socket", type=Path, required=True, help="of the media worker")
    parser.add_argument("--stream", required=True)
    parser.add_argument("--read", type=Path, action="append", default=[], help="logo or font")
    arguments = parser.parse_args()
    logs.set_up_worker(f"transcoder {arguments.stream}", os.environ)
    os.environ.setdefault("SVT_LOG", "1")  # errors only: it writes to the terminal by itself
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as NVML counts
    with contextlib.suppress(OSError):
        os.nice(NICE)
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    try:
        limits = cage.Limits(written=[OWN_THREADS], read=_whole(arguments.read))
        log.info("confined: %s", cage.enter(limits))
    except OSError as error:
        log.error("not confined: %s", error)

    async def run() -> int:
        return await TranscoderWorker(arguments.stream).run(arguments.socket)

    try:
        status = asyncio.run(run())
    except (OSError, TimeoutError) as error:
        log.error("stream %s: no media worker at %s: %s", arguments.stream, arguments.socket, error)
        status = 1
    # Encoders may be in the middle of a picture: nobody wants it any more.
    logging.shutdown()
    os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
