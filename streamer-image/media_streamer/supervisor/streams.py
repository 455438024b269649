"""Every stream from wish to worker: what shall run, where it runs, what is known of it.

Role: joins the catalog (what is wanted), the quarantine (what may run where), the directory (where
it runs) and the media workers (who runs it). `reconcile` is the only way from a wish to a worker.

Invariants: `reconcile` of a stream that is as it should be sends nothing; a stream leaves its old
worker before the new one is told; a dead worker's streams are given back when it connects again.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from media_api.server import ServerConfig
from media_api.unsupported import vod_directories
from media_rest.redact import redact_text

from media_streamer.budgets import MEDIA_BLAME_SECONDS
from media_streamer.last_words import LastWords
from media_streamer.supervisor.archives import Archives
from media_streamer.supervisor.cages import Cages, Needs
from media_streamer.supervisor.catalog import Catalog, Changes, Stream
from media_streamer.supervisor.commands import command
from media_streamer.supervisor.control import Connection
from media_streamer.supervisor.directory import Directory
from media_streamer.supervisor.egress_workers import EgressWorkers
from media_streamer.supervisor.media_workers import MediaWorkers
from media_streamer.supervisor.processes import ProcessPool
from media_streamer.supervisor.quarantine import OPENING_SECONDS, Quarantine
from media_streamer.supervisor.readable import shows_files, vod_folders
from media_streamer.supervisor.settings import QUARANTINE_ID, Settings
from media_streamer.wire.control import (
    ApplyStream,
    Place,
    RestartStream,
    SelectInput,
    StreamEvent,
    StreamsStats,
)
from media_streamer.wire.stream_config import apply_stream

log = logging.getLogger(__name__)

UNUSED_SECONDS = 60.0
"""A stream that strangers named goes when nobody fed, watched or asked for it this long."""


class StreamListener(Protocol):
    """Hears what happens to streams."""

    def catalogued(self, changes: Changes) -> None:
        """The catalog has changed; the workers hear of it next."""

    def adopted(self, names: set[str]) -> None:
        """These were opened in the time of a supervisor that was killed."""

    def changed(self, name: str) -> None:
        """A stream that goes on has another configuration."""

    def gone(self, name: str, reason: str) -> None:
        """A stream was removed or disabled."""

    def happened(self, told: StreamEvent) -> None:
        """A media worker says so."""

    def stopped(self, name: str, reason: str) -> None:
        """It runs no longer, for now."""


class StreamControl:
    """Lives on the supervisor's loop."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        egress: EgressWorkers,
        pool: ProcessPool,
        archives: Archives,
        listener: StreamListener,
    ) -> None:
        self._egress = egress
        self._pool = pool
        self._archives = archives
        self._listener = listener
        self.catalog = catalog
        self.directory = Directory()
        self.quarantine = Quarantine()
        self.media = MediaWorkers(self._payload, self._refused)
        self._running: dict[str, set[str]] = {}
        """By worker that was taken over and is not told its streams yet: what it runs."""
        self._opened: set[str] = set()
        """Of those, the streams whose inputs are open."""
        self._wanted: set[str] = set()
        """Streams of other servers that somebody asked for: the rest is known, and runs nowhere."""
        self.cages = Cages([str(number) for number in range(settings.media_workers)])

    # What the API needs (api.port.Streams)

    def get(self, name: str) -> Stream | None:
        return self.catalog.streams.get(name)

    def all(self) -> list[Stream]:
        return list(self.catalog.streams.values())

    def forget(self, name: str) -> None:
        """End a stream that was made from a template."""
        self.apply(self.catalog.drop_user([name]))

    async def restart(self, name: str) -> None:
        """Stop it; a static stream starts again by itself. Raises CommandError."""
        await self._command(RestartStream(name))

    async def select_input(self, name: str, index: int) -> None:
        """Show this input now. Raises CommandError."""
        await self._command(SelectInput(name, index))

    async def _command(self, request: RestartStream | SelectInput) -> None:
        stream = self.get(request.name)
        problem = stream.problem if stream is not None else ""
        await command(self.directory, self.media, request, problem)

    @property
    def config(self) -> ServerConfig:
        return self.catalog.config

    def placed(self, name: str) -> Place | None:
        """Where the stream runs, placed now if need be; None if it may not run."""
        if self.directory.get(name) is None:
            self._wanted.add(name)
            self.reconcile([name])
        return self.directory.get(name)

    # From wish to worker

    def apply(self, changes: Changes) -> None:
        """Bring the workers in step with changes of the catalog."""
        if not changes:
            return
        self._wanted -= changes.removed
        self._listener.catalogued(changes)
        self.quarantine.forget(changes.removed | changes.changed)
        self.reconcile(changes.removed | changes.changed | changes.added)
        for name in changes.changed:
            place = self.directory.get(name)
            if place is not None:
                self.media.apply(place.worker, name)
        for name in changes.removed:
            self._listener.gone(name, "stream removed")
        for name in changes.changed:
            stream = self.catalog.streams.get(name)
            if stream is not None and stream.config.disabled:
                self._listener.gone(name, "stream disabled")
            else:
                self._listener.changed(name)

    def reconcile(self, names: Iterable[str]) -> None:
        """Place, move or stop these streams as the catalog and the quarantine say."""
        for name in names:
            self._reconcile_one(name)
        if changes := self.directory.take_changes():
            self._egress.directory_changed(changes)

    def vods_changed(self) -> None:
        """Streams that show files learn of the new directories."""
        self._archives.tell_workers()
        self.archives_changed(
            name for name, stream in self.catalog.streams.items() if shows_files(stream.config)
        )

    def archives_changed(self, names: Iterable[str]) -> None:
        """These streams are recorded elsewhere from now on, or can be recorded now."""
        self.cages.replaced(self._archives.take_replaced())
        self.reconcile(names := list(names))
        for name in names:
            if (place := self.directory.get(name)) is not None:
                self.media.apply(place.worker, name)

    def _reconcile_one(self, name: str) -> None:
        stream = self.catalog.streams.get(name)
        status = self.quarantine.status(name)
        unwanted = stream is None or (stream.named_by == "remote" and name not in self._wanted)
        if stream is None or unwanted or stream.config.disabled or status in {"held", "waiting"}:
            old = self.directory.drop(name)
            if old is not None:
                self.media.remove(old.worker, name)
            if stream is not None:
                stream.opening_since = None
                stream.stats = {}
                if status == "held":
                    stream.problem = "input crashed the media worker"
            return
        if status == "trial":
            self._pool.start("media", QUARANTINE_ID)
        if stream.problem == "input crashed the media worker":
            stream.problem = ""
        before = self.directory.get(name)
        workers = [QUARANTINE_ID] if status == "trial" else self._workers_for(name, before)
        place = self.directory.place(name, workers)
        if place == before:
            return
        if before is not None:
            self.media.remove(before.worker, name)
        self.media.apply(place.worker, name)

    def _workers_for(self, name: str, before: Place | None) -> list[str]:
        """Media workers that may run it: those that may record it, or one that begins for that."""
        wanted = self._needs(name, held=before is not None)
        fitting = self.cages.fitting(wanted)
        if not fitting:
            self._begin_worker(f"stream {name} needs a folder that is new", wanted)
            fitting = self.cages.fitting(wanted)
        if before is None or before.worker in (QUARANTINE_ID, *fitting):
            return fitting
        # It goes on where it is until the other one is there.
        return [worker for worker in fitting if worker in self.media] or [before.worker]

    def _needs(self, name: str, *, held: bool = True) -> Needs:
        """What its media worker must be let use."""
        stream = self.catalog.streams.get(name)
        read = self._archives.read_folders(name)
        if stream is not None and shows_files(stream.config):
            read |= vod_folders(self.config)
        return Needs(self._archives.folders(name, held=held), read)

    def _begin_worker(self, reason: str, wanted: Needs) -> str:
        """Start a media worker that may use what no other one may."""
        again = self.cages.full
        worker = self.cages.begin(wanted, time.monotonic())
        log.info("media worker %s begins: %s", worker, reason)
        process = self._pool.start("media", worker)
        if again:
            self._pool.kill(process, "a folder is new to it", blameless=True)
        return worker

    def reader(self, name: str, folders: frozenset[Path]) -> str:
        """The media worker that may play what lies there; one that runs the stream, if any does."""
        wanted = Needs(read=folders)
        place = self.directory.get(name)
        if place is not None and self.cages.may(place.worker, wanted):
            return place.worker
        fitting = self.cages.fitting(wanted)
        there = next((worker for worker in fitting if worker in self.media), None)
        if there or fitting:
            return there or fitting[0]
        return self._begin_worker(f"{name} is played from a folder that is new", wanted)

    def _payload(self, name: str) -> ApplyStream | None:
        stream, place = self.catalog.streams.get(name), self.directory.get(name)
        if stream is None or place is None:
            return None
        is_open = name in self._opened
        self._opened.discard(name)
        pulls = any(item.scheme != "publish" for item in stream.config.inputs)
        if stream.config.static and pulls and not is_open:
            stream.opens()
        place_of_archive = self._archives.place(name)
        if not self.cages.may(place.worker, Needs(self._archives.folders(name))):
            place_of_archive = None  # a worker that may record there is on its way
        shown = self._archives.shown.places(name)
        return apply_stream(stream.config, vod_directories(self.config), place_of_archive, shown)

    def _refused(self, name: str, problem: str) -> None:
        stream = self.catalog.streams.get(name)
        if stream is not None:
            stream.problem = redact_text(problem)

    # What the media workers say

    def attend(self, connection: Connection) -> None:
        """Take what a media worker says of its streams."""

        def stats(told: StreamsStats) -> None:
            for name, values in told.streams.items():
                place, stream = self.directory.get(name), self.catalog.streams.get(name)
                if stream is not None and place is not None and place.worker == connection.id:
                    stream.stats = values

        def event(told: StreamEvent) -> None:
            stream = self.catalog.streams.get(told.name)
            if stream is not None and told.event == "source_opened":
                stream.opens()
            self._listener.happened(told)

        connection.peer.take(StreamsStats, stats)
        connection.peer.take(StreamEvent, event)

    def remember(self, worker: str, streams: Mapping[str, bool]) -> None:
        """A worker that was taken over runs these; True for those that are open."""
        self.directory.remember(streams, worker)
        self._wanted.update(streams)
        self._running[worker] = set(streams)
        opened = {name for name, is_open in streams.items() if is_open}
        self._opened |= opened
        self._listener.adopted(opened)

    def media_connected(self, connection: Connection) -> None:
        """Give a worker its streams, all of them, and take from it what it shall not run."""
        self.media.connected(connection)
        wanted = self.directory.streams_of(connection.id)
        for name in self._running.pop(connection.id, set()) - wanted:
            self.media.remove(connection.id, name)
        for name in wanted:
            self.media.apply(connection.id, name)
        self.archives_changed(self._misplaced())

    def _misplaced(self) -> list[str]:
        """Streams whose worker may not record them."""
        return [
            name
            for name, place in self.directory.whole().items()
            if place.worker != QUARANTINE_ID and not self.cages.may(place.worker, self._needs(name))
        ]

    def resting(self, now: float) -> list[str]:
        """Media workers that were begun for a folder and have no streams any more: they end."""
        return self.cages.resting({one.worker for one in self.directory.whole().values()}, now)

    def media_disconnected(self, connection: Connection) -> None:
        self.media.disconnected(connection)

    def media_died(
        self, worker: str, uptime: float, by_crash: bool, words: LastWords | None = None
    ) -> None:
        """Find suspects, renew the epochs of the rest.

        `by_crash` is False for a worker that was ended from outside: that is nobody's fault.
        `words`: what one that ended itself says.
        """
        now = time.monotonic()
        self.cages.died(worker)
        names = self.directory.streams_of(worker)
        if worker == QUARANTINE_ID:
            if by_crash:
                self.quarantine.trial_died(now)
        else:
            blamed = set(words.streams if words else ()) & set(names)
            if not blamed and by_crash:
                long = min(words.seconds if words else 0.0, MEDIA_BLAME_SECONDS)
                since = now - OPENING_SECONDS - long
                blamed = {name for name in names if self._has_opened(name, since)}
            self.quarantine.worker_died(worker, blamed, names, uptime, now)
        for name in names:
            stream = self.catalog.streams.get(name)
            if stream is not None:
                stream.stats = {
                    **stream.stats, "alive": False, "status": "waiting", "dvr_enabled": False
                }  # fmt: skip
                stream.opening_since = None
            self._listener.stopped(name, "media worker died")
        self.directory.renew(worker)
        self._log_suspects()
        self.tick_quarantine(now)
        self.reconcile(names)

    def tick_quarantine(self, now: float) -> None:
        """Each second: who passed the trial goes back, who waited is tried."""
        before = self.quarantine.suspects()
        if self.quarantine.tick(now) or before:
            after = self.quarantine.suspects()
            changed = {name for name in before | after if before.get(name) != after.get(name)}
            self.reconcile(changed)

    def drop_unused(self, now: float, watched: Callable[[str], bool]) -> None:
        """Forget streams that strangers named and nobody uses; those of other servers rest."""
        unused = [
            stream
            for stream in self.catalog.streams.values()
            if (stream.named_by == "user" or stream.name in self._wanted)
            and now - stream.used_at > UNUSED_SECONDS
            and not stream.stats.get("alive")
            and not watched(stream.name)
        ]
        if made := [stream.name for stream in unused if stream.named_by == "user"]:
            self.apply(self.catalog.drop_user(made))
        resting = [stream.name for stream in unused if stream.named_by == "remote"]
        self._wanted.difference_update(stream.name for stream in unused)
        self.reconcile(resting)

    def _has_opened(self, name: str, since: float) -> bool:
        """Whether its input was opened after that time."""
        stream = self.catalog.streams.get(name)
        return stream is not None and (stream.opening_since or 0.0) > since

    def _log_suspects(self) -> None:
        suspects = self.quarantine.suspects()
        if suspects:
            shown = ", ".join(sorted(suspects)[:20])
            log.warning("%d streams are suspects of a crash: %s", len(suspects), shown)
