"""A media worker: `python -m media_streamer.media.worker --runtime DIR --id N`.

Role: the process that owns FFmpeg. It takes its streams from the supervisor over `control.sock`,
runs them, and serves their media to the egress workers over `media-N/worker.sock`.

Life: it ends on SIGTERM and SIGINT. If the control channel ends it goes on and waits for the next
supervisor, for a while: see `wire/owner.py`. Its heartbeat comes from the event loop, so the
supervisor notices a loop that hangs.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from media_api.stream import StreamConfig
from media_process import collector, logs, reading
from media_process.heap import Heap

from media_streamer import budgets, cage, folders, last_words, system_files
from media_streamer.files.kept_indexes import folder_in, keep_in
from media_streamer.media.deliveries import Deliveries
from media_streamer.media.flags import Flags
from media_streamer.media.graveyard import Graveyard
from media_streamer.media.inputs.base import Neighbours, Stored
from media_streamer.media.inputs.factory import load_inputs
from media_streamer.media.pictures import Pictures
from media_streamer.media.playback import Playbacks
from media_streamer.media.recordings import Recordings
from media_streamer.media.relay import Relay
from media_streamer.media.settings import OutputSettings
from media_streamer.media.stages import StageSpec
from media_streamer.media.stream import StreamRunner
from media_streamer.media.stream_stats import stream_stats
from media_streamer.media.watchdog import Watchdog
from media_streamer.rounds import next_round, until_round
from media_streamer.transcoder.link import Transcoders
from media_streamer.transcoder.stage import transcoder_spec
from media_streamer.version import server_version
from media_streamer.wire import homes
from media_streamer.wire.channel import listen
from media_streamer.wire.control import (
    ApplyStream,
    EgressSettings,
    Hello,
    MediaSettings,
    Recycle,
    RemoveStream,
    RestartStream,
    SelectInput,
    SettingsChanged,
    SourceInfo,
    StartStream,
    StreamEvent,
    StreamsStats,
)
from media_streamer.wire.life import living
from media_streamer.wire.owner import NotWanted, Owner
from media_streamer.wire.peer import Peer
from media_streamer.wire.stream_config import stream_of

log = logging.getLogger(__name__)

STATS_SECONDS = 1.0
"""Statistics."""
IDLE_SECONDS = 2.0
"""The same of a worker without streams."""

DEFAULT_CHUNK_MS = 200
READY_SEGMENTS = 3
"""Whole segments that the first viewer of a running stream finds: players begin three from the end,
and some give up where there are fewer."""

THREAD_STACK_BYTES = 1024 * 1024
"""FFmpeg's demuxers need a few hundred KiB; the default of 8 MiB a thread only wastes address
space with a thousand inputs."""


class MediaWorker:
    """The streams of this process; also what they need of it (`stream.Environment`)."""

    def __init__(
        self, runtime: Path, worker_id: str, allowed: folders.Folders | None = None
    ) -> None:
        """`allowed`: the folders that it was let use when it began."""
        self.runtime = runtime
        keep_in(runtime)
        self.id = worker_id
        self._allowed = allowed or folders.Folders()
        self._watched = system_files.identities()
        self.graveyard = Graveyard()
        self.flags = Flags()
        self._segments = Path(os.environ.get("STREAMER_SEGMENTS_DIR") or runtime / "segments")
        self._runners: dict[str, StreamRunner] = {}
        self._has_streams = asyncio.Event()
        self._deliveries = Deliveries()
        self.playbacks = Playbacks()
        self.pictures = Pictures()
        self._recordings = Recordings(self.emit)
        self._owner = Owner(
            runtime,
            hello=self._hello,
            attend=self._listen_to,
            use=self._use,
            told=self._tell_all,
        )
        self._transcoders = Transcoders(self._owner.notify)
        self.stages: tuple[StageSpec, ...] = (transcoder_spec(self._transcoders),)
        self._reported: dict[str, dict[str, Any]] = {}
        self._recycling = False
        self._heap = Heap()
        base = int(os.environ.get("STREAMER_MEDIA_MEMORY") or 0) * budgets.MIB
        self._watchdog = Watchdog(
            last_words.path_of(runtime, "media", worker_id),
            self._held,
            base or budgets.MEDIA_WORKER_MEMORY_BYTES,
        )

    async def run(self) -> None:
        """Serve until a signal comes, or there is no supervisor any more."""
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        path = homes.socket_of(self.runtime, "media", self.id)
        server = await listen(path, lambda: Relay(self).channel)
        await self._transcoders.start(homes.transcoders_socket(self.runtime, self.id))
        tasks = [
            asyncio.create_task(self._owner.run(), name="control"),
            asyncio.create_task(stopping.wait(), name="signal"),
            asyncio.create_task(self._report(), name="report"),
        ]
        try:
            self._watchdog.start()
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if isinstance(reason := task.exception(), NotWanted):
                    log.warning("worker %s ends: %s", self.id, reason)
                elif reason is not None:
                    log.error("worker %s ends: %r", self.id, reason)
        finally:
            self._watchdog.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            server.close()
            self._deliveries.close()
            runners, self._runners = self._runners, {}
            await asyncio.gather(*(runner.close("server_stopped") for runner in runners.values()))
            self.playbacks.close()
            self.pictures.close()
            self._transcoders.close()
            await self._recordings.close()

    def _held(self) -> dict[str, int]:
        """For the watchdog, in its thread: a copy, for the loop changes the original."""
        return {name: runner.held_bytes for name, runner in self._runners.copy().items()}

    def _hello(self) -> Hello:
        streams = {name: runner.output is not None for name, runner in self._runners.items()}
        directory = os.environ.get("STREAMER_SEGMENTS_DIR", "")
        return Hello(
            "media",
            self.id,
            server_version(),
            directory,
            streams,
            [str(folder) for folder in self._allowed.written],
            [str(folder) for folder in self._allowed.read],
        )

    def _tell_all(self) -> None:
        """There is a supervisor that knows nothing yet: all is reported again."""
        self._reported.clear()
        self._transcoders.tell_all()

    def _use(self, settings: EgressSettings | MediaSettings) -> None:
        """What the supervisor answers to `Hello`, and what changed later."""
        assert isinstance(settings, MediaSettings)  # it was said who we are
        self._segments = Path(settings.segments_dir)
        logs.set_level(settings.loglevel)

    @property
    def neighbours(self) -> Neighbours:
        return self

    def find(self, name: str) -> StreamRunner | None:
        """The stream called `name`."""
        return self._runners.get(name)

    def changed(self, stream: StreamRunner) -> None:
        """What a stream does when it delivers may be another."""
        self._deliveries.consider(stream)

    def arrived(self, stream: StreamRunner) -> None:
        """Frames of a publisher came in."""
        self._deliveries.arrived(stream)

    def emit(self, name: str, event: str, fields: dict[str, Any]) -> None:
        """Tell the supervisor what happened to a stream."""
        self._owner.notify(_stream_event(name, event, fields))

    def output_settings(self, config: StreamConfig) -> OutputSettings:
        """What the output of a stream needs of its configuration."""
        return OutputSettings(
            name=config.name,
            directory=self._segments,
            segment_duration_ms=config.segment_duration,
            segment_count=config.segment_count,
            chunk_duration_ms=config.chunk_duration or DEFAULT_CHUNK_MS,
            # Nobody watched an on-demand stream before its first viewer.
            history_segments=READY_SEGMENTS if config.static else 1,
            lasting=config.static,
            # Pictures are made when asked for; only an explicit `false` forbids them.
            thumbnails=config.thumbnails is None or config.thumbnails.enabled is not False,
        )

    # From the supervisor

    def _listen_to(self, peer: Peer) -> None:
        peer.take(SettingsChanged, lambda told: self._use(told.settings))
        peer.answer(ApplyStream, self._apply)
        peer.answer(StartStream, self._start)
        peer.answer(RemoveStream, self._remove)
        peer.answer(RestartStream, self._restart)
        peer.answer(SelectInput, self._select_input)

    async def _apply(self, wish: ApplyStream) -> None:
        config, stored = stream_of(wish), Stored(wish.vods, wish.archives)
        await load_inputs(config.inputs)
        runner = self._runners.get(config.name)
        if runner:
            runner.reconfigure(config, stored)
            self._recordings.apply(runner, wish.archive)
            self._deliveries.consider(runner)
            return
        runner = self._runners[config.name] = StreamRunner(config, stored, self)
        self._recordings.apply(runner, wish.archive)
        runner.run()
        self._deliveries.consider(runner)
        self._has_streams.set()

    async def _start(self, wish: StartStream) -> None:
        self._known(wish.name).start()

    async def _remove(self, wish: RemoveStream) -> None:
        runner = self._runners.pop(wish.name, None)
        self._reported.pop(wish.name, None)
        if runner:
            await runner.close("stream_removed")
            self._recordings.stop(wish.name)
            self._deliveries.forget(runner)

    async def _restart(self, wish: RestartStream) -> None:
        self._known(wish.name).restart()

    async def _select_input(self, wish: SelectInput) -> None:
        self._known(wish.name).select(wish.index)

    def _known(self, name: str) -> StreamRunner:
        runner = self._runners.get(name)
        if runner is None:
            raise LookupError(f"no stream {name}")
        return runner

    # To the supervisor

    async def _report(self) -> None:
        while True:
            self._watchdog.beat(idle=not self._runners)
            self._deliver()
            changed = {}
            for name, runner in list(self._runners.items()):
                stats = stream_stats(runner) | self._recordings.stats(name)
                if stats != self._reported.get(name):
                    changed[name] = self._reported[name] = stats
            if changed:
                self._owner.notify(StreamsStats(changed))
            self._look_for_hung_threads()
            self._look_for_replaced_files()
            self._heap.look()
            await self._next_report()

    async def _next_report(self) -> None:
        if self._runners:
            await next_round(STATS_SECONDS)
            return
        self._has_streams.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(until_round(IDLE_SECONDS)):
                await self._has_streams.wait()

    def _look_for_hung_threads(self) -> None:
        before = self.graveyard.hung
        hung = self.graveyard.sweep()
        if hung > before:
            log.warning("worker %s: %d input threads hang inside FFmpeg", self.id, hung)
        if self.graveyard.full:
            self._recycle(f"{hung} input threads hang")

    def _look_for_replaced_files(self) -> None:
        """What took the place of a file that was there at the start is not to be read from here."""
        if not cage.version():
            return
        now = system_files.identities()
        if now != self._watched:
            changed = ", ".join(name for name in now if now[name] != self._watched[name])
            self._recycle(f"{changed} is another file, which a confined process cannot read")

    def _recycle(self, reason: str) -> None:
        if not self._recycling:
            self._recycling = True
            log.error("worker %s asks to be recycled: %s", self.id, reason)
            self._owner.notify(Recycle(reason))

    def _deliver(self) -> None:
        """Let outputs that nobody waits for keep what came, and give up formats."""
        for runner in self._runners.values():
            if runner.is_busy:
                self._deliveries.consider(runner)
                continue
            try:
                runner.flush()
            except Exception:
                log.exception("%s: delivering failed", runner.name)


def _stream_event(name: str, event: str, fields: dict[str, Any]) -> StreamEvent:
    """`fields` are those of `InputSlot.event_fields`, and `reason`."""
    reason = fields.pop("reason", None)
    source_id = fields.pop("source_id", None)
    source = SourceInfo(id=source_id, **fields) if source_id is not None else None
    return StreamEvent(name, event, source, reason)  # type: ignore[arg-type]  # one of its words


def _confine(runtime: Path, worker_id: str, opened: folders.Opened) -> None:
    """Give up what is not needed; the configured folders are closed."""
    segments = os.environ.get("STREAMER_SEGMENTS_DIR")
    try:
        own = [folder_in(runtime), Path(segments) if segments else runtime]
        limits = cage.Limits(
            written=[*own, *opened.written.values()],
            read=opened.read.values(),
            places=[homes.home_of(runtime, "media", worker_id)],
            listed=[runtime],
        )
        log.info("confined: %s", cage.enter(limits))
    except OSError as error:
        log.error("not confined: %s", error)
    finally:
        opened.close()


def main() -> int:
    """Run a worker; the exit status is 0 after an orderly end."""
    parser = argparse.ArgumentParser(prog="media worker")
    parser.add_argument("--runtime", type=Path, required=True, help="directory of the sockets")
    parser.add_argument("--id", required=True, help="number of this worker")
    arguments = parser.parse_args()
    logs.set_up_worker(f"media {arguments.id}", os.environ)
    collector.settle()
    reading.bound()
    threading.stack_size(THREAD_STACK_BYTES)
    # Before `living`: a child of this that hangs must not hold its lock.
    opened = folders.opened(folders.told(arguments.runtime, "media"))
    for path, reason in opened.missing.items():
        text = "folder %s: this worker cannot read there (%s); start it again once that is cured"
        log.warning(text, path, reason)
    try:
        with living(arguments.runtime, "media", arguments.id):
            _confine(arguments.runtime, arguments.id, opened)
            asyncio.run(MediaWorker(arguments.runtime, arguments.id, opened.folders).run())
    except OSError as error:
        log.error("worker %s cannot run: %s", arguments.id, error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
