"""The archives of this server: whose folders they are, what is deleted, what they hold.

Role: claims the root folders (one server a folder), keeps the limits of all streams, and answers
what is recorded. The media workers write, the egress workers read; they need nothing of this.

Invariants: nothing is recorded below a root that another server holds; nothing here makes the event
loop wait for a disk: each root has threads of its own, and one that does not answer is said to.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from media_api.episodes import DvrEpisode

from media_streamer.archive.declared import Declared, NoArchive, declared
from media_streamer.archive.erasing import before_erasing, erase
from media_streamer.archive.exports import ExportJob
from media_streamer.archive.keeper import Growth, Kept, Summary, keep_limits
from media_streamer.archive.library import Library
from media_streamer.archive.locks import asked_range, read_locks, write_locks
from media_streamer.archive.mirror import Mirror
from media_streamer.archive.places import Place
from media_streamer.archive.ranges import Range, merge, without
from media_streamer.archive.replica import FOLDER as REPLICA_FOLDER
from media_streamer.archive.schedule import records_at
from media_streamer.supervisor.archive_errors import (
    ArchiveError,
    NotRecorded,
    in_words,
)
from media_streamer.supervisor.archive_root import Root, alerts_of, rows_of, unrecorded
from media_streamer.supervisor.catalog import Catalog, Changes, Stream
from media_streamer.supervisor.copies import Copies
from media_streamer.supervisor.episodes import EpisodeBackends, EpisodeDesk
from media_streamer.supervisor.exports import Exports
from media_streamer.supervisor.readable import WorkerFolders
from media_streamer.supervisor.replicas import Replicas
from media_streamer.supervisor.shown_archives import ShownArchives
from media_streamer.supervisor.tasks import Tasks
from media_streamer.wire.control import ArchivePlace

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]
Result = TypeVar("Result")

FIRST_KEEP_SECONDS = 2.0


class Archives:
    """One per server, on its event loop; `tick` each second."""

    def __init__(
        self,
        catalog: Catalog,
        tasks: Tasks,
        hostname: Callable[[], str],
        workers: WorkerFolders,
        backends: EpisodeBackends | None = None,
    ) -> None:
        """`workers`: who tells media workers where they may record and read; `backends`: who knows
        what of the archives is kept."""
        self._workers = workers
        self._catalog = catalog
        self._tasks = tasks
        self._hostname = hostname
        self._declared: dict[str, Declared] = {}
        self._refused: dict[str, str] = {}
        """Streams with `dvr` that cannot be recorded, and why."""
        self._roots: dict[Path, Root] = {}
        self._library = Library()
        self.exports = Exports(tasks)
        self._copies = Copies(hostname)
        self._episodes = EpisodeDesk(backends, self._archive, self._in_root)
        self._replicas = Replicas(self._episodes.kept_here)
        self._scheduled: set[str] = set()
        """Streams with a schedule whose time it is."""
        self._changed: set[str] = set()
        """Streams whose worker has to hear of it."""
        self._growth = Growth()
        self.shown = ShownArchives(self._declared.get)

    # What is configured

    def streams_changed(self, changes: Changes) -> None:
        """Look at these streams again."""
        for name in changes.removed:
            self._declared.pop(name, None)
            self._refused.pop(name, None)
            self._growth.forget(name)
            self._episodes.removed(name)
        for name in changes.added | changes.changed:
            self._declare(name)
        self.shown.streams_changed(changes, self._catalog)
        self._changed |= self.shown.shown_by(changes.added | changes.changed | changes.removed)
        self._workers.streams_changed(changes)
        self.tell_workers()

    def configured(self) -> None:
        """The storages may be others."""
        for name, stream in self._catalog.streams.items():
            before = self._declared.get(name)
            if stream.config.dvr is not None:
                self._declare(name)
            if self._declared.get(name) != before:
                self._changed |= {name, *self.shown.shown_by([name])}
        self.tell_workers()

    def place(self, name: str) -> ArchivePlace | None:
        """Where the stream is to be recorded now; None: nowhere, or not yet."""
        found = self._declared.get(name)
        if found is None or not found.records or not records_at(found.schedule, time.time()):
            return None
        held = [disk for disk in found.writable if self._is_held(disk)]
        if not held:
            return None
        return ArchivePlace(tuple(map(str, held[: found.active or None])), found.span_ms)

    def folders(self, name: str, *, held: bool = True) -> frozenset[Path]:
        """Where its media worker must be allowed to write: its disks, once they are ours (`held`),
        or all that may be."""
        found = self._declared.get(name)
        if found is None or not found.records:
            return frozenset()
        return frozenset(disk for disk in found.writable if not held or self._is_held(disk))

    def _may_lie(self, place: Place) -> bool:
        """Whether it is a folder here; one for what others send only where its disk is ours."""
        is_replica = place.disk.name == REPLICA_FOLDER
        return not place.bucket and (not is_replica or self._is_held(place.disk.parent))

    def _is_held(self, disk: Path) -> bool:
        root = self._roots.get(disk)
        return root is not None and root.owner >= 0

    def folder(self, name: str) -> Path | None:
        """Where the archive of a stream lies; None if it has none."""
        found = self._declared.get(name)
        return found.folder if found is not None else None

    def read_folders(self, name: str) -> frozenset[Path]:
        """What its media worker reads: where parts of its archive lie, or may come to lie, those
        that it shows, and the files of its inputs."""
        found = self._declared.get(name)
        places = found.places if found is not None else ()
        own = {place.disk for place in places}
        return self._workers.inputs_of(name) | self.shown.folders(name) | own

    def tell_workers(self) -> None:
        """Workers that begin from now on may use the folders of archives, files and caches."""
        self._workers.tell(self._declared.values())

    def _declare(self, name: str) -> None:
        self._declared.pop(name, None)
        self._refused.pop(name, None)
        stream = self._catalog.streams.get(name)
        if stream is None:
            return
        try:
            found = declared(stream.config, self._catalog.config)
        except NoArchive as error:
            self._refused[name] = str(error)
            log.error("stream %s: not recorded: %s", name, error)
            return
        if found is not None:
            self._declared[name] = found

    # The periodic work

    def tick(self, now: float) -> set[str]:
        """Claim folders, look at limits; returns the streams whose worker has to be told."""
        declared = self._declared.values()
        wanted = {place.disk for one in declared for place in one.places if self._may_lie(place)}
        mounts = {disk for one in declared for disk in one.mounts}
        for path in self._roots.keys() - wanted:
            self.exports.closed(path)
            self._episodes.closed(path)
            self._roots.pop(path).let_go()
        for path in wanted - self._roots.keys():
            self._roots[path] = Root(path)
        for path, root in self._roots.items():
            root.must_be_mounted = path in mounts
        for root in self._roots.values():
            if root.due <= now and not root.is_busy:
                root.is_busy, root.busy_since = True, now
                work = self._claim(root) if root.owner < 0 else self._keep(root)
                self._tasks.spawn(work, f"archive {root.path}")
            elif root.hangs(now):
                root.problem = root.problem or "the disk does not answer"
        self._look_at_what_fails(now)
        self._follow_schedules()
        for filled in (self._copies, self._replicas):
            filled.configured(self._declared, self._is_held)
        if asked := self._copies.asks():
            self._tasks.spawn(self._keep_copies(asked), "episodes of copies")
        changed, self._changed = self._changed, set()
        return changed

    def _look_at_what_fails(self, now: float) -> None:
        """Disks that a stream cannot be recorded on: another one may be there now."""
        for name, one in self._declared.items():
            stream = self._catalog.streams.get(name)
            if stream is not None and stream.stats.get("dvr_write", {}).get("error"):
                for root in filter(None, map(self._roots.get, one.writable)):
                    root.look_soon()
                    if root.begins_to_ask(now):
                        self._tasks.spawn(self._look(root), f"archive {root.path}")

    def take_replaced(self) -> list[Path]:
        """Folders that are others than those that workers were let use, since the last call."""
        return [root.path for root in self._roots.values() if root.take_replaced()]

    def _follow_schedules(self) -> None:
        """Streams whose time has come, or is over, are told to their workers."""
        now = time.time()
        on = {
            name
            for name, one in self._declared.items()
            if one.schedule and records_at(one.schedule, now)
        }
        self._changed |= (on ^ self._scheduled) & self._declared.keys()
        self._scheduled = on

    def close(self) -> None:
        """Let go of all folders."""
        self.exports.close()
        self._copies.close()
        self._replicas.close()
        for root in self._roots.values():
            root.let_go()
        self._roots.clear()

    async def _claim(self, root: Root) -> None:
        loop = asyncio.get_running_loop()
        words = f"{self._hostname()} (process {os.getpid()})"
        try:
            owner = await loop.run_in_executor(root.threads, root.claim, words)
        except OSError as error:
            root.refused(in_words(error), sorted(self._recorded_in(root)))
            return
        finally:
            root.is_busy = False
        if self._roots.get(root.path) is not root:
            os.close(owner)
            return
        log.info("archive %s: this server records there", root.path)
        root.owner, root.problem = owner, ""
        if any(one.root == root.path for one in self._declared.values()):
            self.exports.opened(root.path)
        root.due = time.monotonic() + FIRST_KEEP_SECONDS
        self._changed |= self._recorded_in(root)

    def _recorded_in(self, root: Root) -> set[str]:
        return {name for name, one in self._declared.items() if root.path in one.writable}

    async def _is_lost(self, root: Root) -> bool:
        """Whether something else lies there now; who records there stops until it is ours."""
        if not await asyncio.get_running_loop().run_in_executor(root.threads, root.is_other):
            return False
        log.warning("archive %s: another disk is there now, or it was emptied", root.path)
        self.exports.closed(root.path)
        self._episodes.closed(root.path)
        root.lose()
        self._changed |= self._recorded_in(root)
        return True

    async def _look(self, root: Root) -> None:
        """Only whose it is: the limits of a large archive take long, and are looked at seldom."""
        try:
            await self._is_lost(root)
        except OSError:
            pass  # `_keep` says it
        finally:
            root.is_busy = False

    async def _keep(self, root: Root) -> None:
        loop = asyncio.get_running_loop()
        own = {
            name: one
            for name, one in self._declared.items()
            if any(place.disk == root.path for place in one.places)
        }
        elsewhere = [
            file
            for other in self._roots.values()
            if other is not root and other.kept is not None and len(self._roots) > 1
            for file in other.kept.files
            if file.stream in own
        ]
        began, now_ms = time.monotonic(), int(time.time() * 1000)

        async def look(kept: Mapping[str, list[Range]], unasked: frozenset[str]) -> Kept:
            work = partial(
                keep_limits, root.path, own, now_ms, elsewhere, kept, unasked, root.measured
            )
            return await loop.run_in_executor(root.threads, work)

        try:
            if await self._is_lost(root):
                return
            root.kept = await self._episodes.keep(own, look)
            self._copies.lies(root.path, root.kept.files)
            root.problem = ""
        except (OSError, ValueError, ArchiveError) as error:
            if str(error) != root.problem:
                log.error("archive %s: its limits are not kept: %s", root.path, error)
            root.problem = str(error)
        finally:
            root.is_busy = False
            root.looked(began, time.monotonic())

    async def _keep_copies(self, asked: Mapping[str, Declared]) -> None:
        try:
            self._copies.keep(await self._episodes.kept(asked))
        except ArchiveError as error:
            log.error("archives: limits of copies are not kept: %s", error)

    # What is said

    def disks(self) -> list[JsonObject]:
        """Rows of `media_api.server_status.PartitionStats`, as far as the disks have answered."""
        return rows_of(self._roots, self._replaced())

    def _replaced(self) -> dict[str, str]:
        """Disks that others stand in for, and why, as the media workers say."""
        found: dict[str, str] = {}
        for name in self._declared:
            stream = self._catalog.streams.get(name)
            write = stream.stats.get("dvr_write", {}) if stream is not None else {}
            found |= write.get("failing_disks", {})
        return found

    def alerts(self) -> dict[str, str]:
        """For people: what is not recorded, and why."""
        failing = dict(self._refused)
        for name in self._declared:
            stream = self._catalog.streams.get(name)
            error = stream.stats.get("dvr_write", {}).get("error") if stream is not None else ""
            if error:
                failing[name] = str(error)
        found = alerts_of(self._roots, self._replaced())
        if self._episodes.problem:
            found["episodes"] = self._episodes.problem
        found |= self._copies.alerts() | self._replicas.alerts() | unrecorded(failing)
        return found

    def statistics(self, stream: Stream) -> JsonObject:
        """What `media_api.status.StreamStats` says of a stream's archive beside the worker's."""
        found = self._declared.get(stream.name)
        root = self._roots.get(found.root) if found is not None else None
        if found is None or root is None:
            problem = self._refused.get(stream.name)
            return {"dvr_enabled": False, "dvr_write": {"error": problem}} if problem else {}
        stats: JsonObject = {"dvr_enabled": bool(stream.stats.get("dvr_enabled"))}
        stats |= self._copies.statistics(stream.name) | self._replicas.statistics(stream.name)
        if (summary := self._summary(stream.name, found)) is not None:
            stats["dvr_info"] = summary.as_json()
        roots = [self._roots[disk] for disk in found.writable if disk in self._roots]
        written = stream.stats.get("dvr_write", {}).get("bytes", 0)
        if self._growth.is_outgrown(stream.name, summary, written):
            for one in roots:
                one.look_soon()
        problem = next((one.problem for one in roots if one.problem), "")
        if found.records and problem and not any(one.owner >= 0 for one in roots):
            stats["dvr_write"] = {"error": problem}
        return stats

    def _summary(self, name: str, declared: Declared) -> Summary | None:
        """What all disks hold of a stream, and how far back its copies reach."""
        found = self._copies.summary(name)
        for place in declared.places:
            root = self._roots.get(place.disk)
            kept = root.kept.summaries.get(name) if root is not None and root.kept else None
            if kept is not None:
                found = found.joined(kept) if found is not None else kept
        return found

    async def ranges(self, name: str) -> list[Range]:
        """What is recorded, without gaps. Raises ArchiveError."""
        found = self._archive(name)
        places = found.places
        return await self._roots[found.root].once(places, partial(self._library.ranges, places))

    async def locks(self, name: str) -> list[Range]:
        """Locked ranges. Raises ArchiveError."""
        return await self._ask(name, lambda one: read_locks(one.folder))

    async def lock(self, name: str, from_seconds: int, duration_seconds: int) -> None:
        """Keep a range from deletion. Raises ArchiveError; ValueError for an empty range."""
        added = asked_range(from_seconds, duration_seconds)

        def write(one: Declared) -> None:
            write_locks(one.folder, merge([*read_locks(one.folder), added], 0))

        await self._ask(name, write)

    async def unlock(self, name: str, from_seconds: int, duration_seconds: int) -> None:
        """Keep a range no longer. Raises ArchiveError; ValueError for an empty range."""
        taken = asked_range(from_seconds, duration_seconds)

        def write(one: Declared) -> None:
            write_locks(one.folder, without(read_locks(one.folder), taken))

        await self._ask(name, write)

    async def erase(self, name: str, from_seconds: int, duration_seconds: int) -> None:
        """Delete all segments that have something of a range.

        Raises ArchiveLocked if something of it is locked, ArchiveError; ValueError for an empty
        range.
        """
        wanted = asked_range(from_seconds, duration_seconds)
        await self._ask(name, partial(before_erasing, wanted=wanted))
        found, count = self._declared[name], 0
        for place in found.places:
            if place.bucket:
                hide = partial(Mirror(place.disk).erase, name, wanted, found.span_ms)
                count += await self._roots[found.root].do(hide)
                self._copies.erased(name)
            elif (root := self._roots.get(place.disk)) is not None:
                now_ms = int(time.time() * 1000)
                work = partial(erase, place.folder, wanted, found.span_ms, now_ms)
                count += await root.do(work)
                root.forget(name)
        log.info("stream %s: %d segments of its archive deleted from %d for %d s, as asked",
                 name, count, from_seconds, duration_seconds)  # fmt: skip

    def export(self, name: str, from_seconds: int, duration_seconds: int) -> ExportJob:
        """Order a film of a time. Raises ArchiveError, ValueError for an empty range."""
        wanted = asked_range(from_seconds, duration_seconds)
        found = self._known(name)
        try:
            return self.exports.add(found.root, found.places, name, wanted.from_ms, wanted.to_ms)
        except ValueError as error:
            raise ArchiveError(str(error), is_temporary=True) from None

    def export_jobs(self) -> list[ExportJob]:
        """All exports that are remembered."""
        return self.exports.jobs()

    async def remove_export(self, name: str) -> bool:
        """Cancel an export or delete its film; False if there is none. Raises ArchiveError."""
        try:
            return await self.exports.remove(name)
        except (OSError, TimeoutError) as error:
            words = str(error) or "the disk does not answer"
            raise ArchiveError(f"not deleted: {words}", is_temporary=True) from error

    async def all_episodes(self) -> list[DvrEpisode]:
        """Those that are kept here, oldest first. Raises ArchiveError."""
        return await self._episodes.all(self._books())

    async def save_episode(self, episode: DvrEpisode) -> None:
        """Make or replace one. Raises ArchiveError; ValueError if there are too many."""
        await self._episodes.save(self._books(), episode)

    async def remove_episode(self, episode_id: int) -> bool:
        """False if there is none. Raises ArchiveError."""
        return await self._episodes.remove(self._books(), episode_id)

    def _books(self) -> set[Path]:
        """Roots of ours that may have episodes."""
        return {one.root for one in self._declared.values() if self._is_held(one.root)}

    def _known(self, name: str) -> Declared:
        found = self._declared.get(name)
        if name in self._refused:
            raise ArchiveError(self._refused[name])
        if found is None:
            raise NotRecorded("the stream has no archive (dvr)")
        return found

    def _archive(self, name: str) -> Declared:
        found = self._known(name)
        if found.root not in self._roots:
            raise ArchiveError(f"the archive {found.root} is not ready", is_temporary=True)
        return found

    async def _in_root(self, path: Path, work: Callable[[], Result]) -> Result:
        root = self._roots.get(path)
        if root is None or root.owner < 0:
            raise ArchiveError(f"the archive {path} is not ready", is_temporary=True)
        return await root.do(work)

    async def _ask(self, name: str, question: Callable[[Declared], Result]) -> Result:
        found = self._archive(name)
        return await self._roots[found.root].do(partial(question, found))
