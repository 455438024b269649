"""Every stream from wish to worker: what shall run, where it runs, what is known of it.

Role: joins the catalog (what is wanted), the quarantine (what may run where), the directory (where
it runs) and the media workers (who runs it). `reconcile` is the only way from a wish to a worker.

Invariants: `reconcile` of a stream that is as it should be sends nothing; a stream leaves its old
worker before the new one is told; a dead worker's streams are given back when it connects again.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable

from media_api.server import ServerConfig
from media_api.unsupported import vod_directories
from media_rest.redact import redact_text

from media_streamer.supervisor.catalog import Catalog, CatalogFull, Changes, Stream
from media_streamer.supervisor.commands import command
from media_streamer.supervisor.control import Connection
from media_streamer.supervisor.directory import Directory
from media_streamer.supervisor.media_workers import MediaWorkers
from media_streamer.supervisor.name_quota import NameQuota
from media_streamer.supervisor.quarantine import OPENING_SECONDS, Quarantine
from media_streamer.supervisor.settings import QUARANTINE_ID, Settings
from media_streamer.wire.channel import ChannelClosed
from media_streamer.wire.control import (
    ApplyStream,
    Place,
    RestartStream,
    SelectInput,
    StartStream,
    StreamEvent,
    StreamsStats,
)
from media_streamer.wire.peer import CallFailed

log = logging.getLogger(__name__)

START_TIMEOUT_SECONDS = 5.0
WORKER_WAIT_SECONDS = 5.0
"""A viewer who comes while the media worker starts again waits this long."""
UNUSED_SECONDS = 60.0
"""A stream that strangers named goes when nobody fed, watched or asked for it this long."""

FindOutside = Callable[[str], Awaitable[bool]]
"""Ask the configuration backend for a name; True if the catalog has it now."""
OnGone = Callable[[str, str], None]


class StreamControl:
    """Lives on the supervisor's loop. `start_quarantine` starts the quarantine worker."""

    def __init__(
        self,
        settings: Settings,
        publish_directory: Callable[[dict[str, Place | None]], None],
        on_gone: OnGone,
        start_quarantine: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._publish_directory = publish_directory
        self._on_gone = on_gone
        self._start_quarantine = start_quarantine
        self.catalog = Catalog()
        self.directory = Directory()
        self.quarantine = Quarantine()
        self._quota = NameQuota()
        self.media = MediaWorkers(self._payload, self._refused)
        self._regular = [str(number) for number in range(settings.media_workers)]
        self._worker_came = asyncio.Event()
        self.find_outside: FindOutside | None = None
        self.on_changes: Callable[[Changes], None] = lambda _: None
        self.on_changed: Callable[[str], None] = lambda _: None
        self.on_event: Callable[[StreamEvent], None] = lambda _: None
        """Told of what happens to streams and their inputs."""
        self._open: set[str] = set()
        """Streams whose worker said stream_opened, and not yet stream_closed."""

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

    # What access decisions need (access.Streams)

    @property
    def config(self) -> ServerConfig:
        return self.catalog.config

    async def find(self, name: str, kind: str, ip: str = "") -> Stream | None:
        """A known stream, one made from a template, or one that the backend knows.

        `ip` is the address that asks; each may make a number of names only.
        """
        stream = self.catalog.streams.get(name)
        if stream is not None:
            return stream
        template = self.catalog.find_template(name)
        # A viewer cannot make a stream that waits for a publisher: there is nothing to see.
        if template is not None and (
            kind == "publish" or any(item.scheme != "publish" for item in template.inputs)
        ):
            if not self._quota.allows(ip, template.name):
                log.warning(
                    "stream %s: not made from template %s: %s has made too many already",
                    name,
                    template.name,
                    ip,
                )
                return None
            try:
                self.apply(self.catalog.add_user(name))
                self._quota.made(name, ip, template.name)
            except (CatalogFull, ValueError) as error:
                log.warning("stream %s: not made from its template: %s", name, error)
                return None
            return self.catalog.streams.get(name)
        if self.find_outside is not None and await self.find_outside(name):
            return self.catalog.streams.get(name)
        return None

    async def where(self, stream: Stream) -> tuple[str, int] | None:
        """Socket of the media worker and epoch; an on-demand stream is started."""
        if self.directory.get(stream.name) is None:
            self.reconcile([stream.name])
        place = self.directory.get(stream.name)
        if place is None:
            return None
        if not await self._wait_for(place.worker):
            return None
        try:
            # A stream that was just made is not known to its worker yet, who would refuse it.
            await self.media.applied(place.worker, stream.name)
        except TimeoutError:
            log.warning("stream %s: media worker %s does not answer", stream.name, place.worker)
            return None
        if not stream.config.static:
            await self._start(stream, place.worker)
        return str(self._settings.media_socket(place.worker)), place.epoch

    async def _wait_for(self, worker: str) -> bool:
        deadline = time.monotonic() + WORKER_WAIT_SECONDS
        while worker not in self.media:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            self._worker_came.clear()
            try:
                await asyncio.wait_for(self._worker_came.wait(), remaining)
            except TimeoutError:
                return worker in self.media
        return True

    async def _start(self, stream: Stream, worker: str) -> None:
        if stream.stats.get("status") != "running":
            self._is_opening(stream)
        try:
            await asyncio.wait_for(
                self.media.call(worker, StartStream(stream.name)), START_TIMEOUT_SECONDS
            )
        except (CallFailed, ChannelClosed, TimeoutError) as error:
            log.warning("stream %s: not started: %s", stream.name, str(error) or "no answer")

    # From wish to worker

    def apply(self, changes: Changes) -> None:
        """Bring the workers in step with changes of the catalog."""
        if not changes:
            return
        self.on_changes(changes)
        self._quota.gone(changes.removed)
        self.quarantine.forget(changes.removed | changes.changed)
        self.reconcile(changes.removed | changes.changed | changes.added)
        for name in changes.changed:
            place = self.directory.get(name)
            if place is not None:
                self.media.apply(place.worker, name)
        for name in changes.removed:
            self._on_gone(name, "stream removed")
        for name in changes.changed:
            stream = self.catalog.streams.get(name)
            if stream is not None and stream.config.disabled:
                self._on_gone(name, "stream disabled")
            else:
                self.on_changed(name)

    def reconcile(self, names: Iterable[str]) -> None:
        """Place, move or stop these streams as the catalog and the quarantine say."""
        for name in names:
            self._reconcile_one(name)
        if changes := self.directory.take_changes():
            self._publish_directory(changes)

    def vods_changed(self) -> None:
        """Streams that show files learn of the new directories."""
        for name, stream in self.catalog.streams.items():
            files = [item.scheme == "file" for item in stream.config.inputs]
            place = self.directory.get(name)
            if place is not None and (any(files) or stream.config.backup is not None):
                self.media.apply(place.worker, name)

    def _reconcile_one(self, name: str) -> None:
        stream = self.catalog.streams.get(name)
        status = self.quarantine.status(name)
        if stream is None or stream.config.disabled or status in {"held", "waiting"}:
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
            self._start_quarantine()
        workers = [QUARANTINE_ID] if status == "trial" else self._regular
        if stream.problem == "input crashed the media worker":
            stream.problem = ""
        before = self.directory.get(name)
        place = self.directory.place(name, workers)
        if place == before:
            return
        if before is not None:
            self.media.remove(before.worker, name)
        self.media.apply(place.worker, name)

    def _payload(self, name: str) -> ApplyStream | None:
        stream, place = self.catalog.streams.get(name), self.directory.get(name)
        if stream is None or place is None:
            return None
        if stream.config.static and any(i.scheme != "publish" for i in stream.config.inputs):
            self._is_opening(stream)
        return ApplyStream.of(stream.config, vod_directories(self.config))

    def _refused(self, name: str, problem: str) -> None:
        stream = self.catalog.streams.get(name)
        if stream is not None:
            stream.problem = redact_text(problem)

    @staticmethod
    def _is_opening(stream: Stream) -> None:
        stream.opening_since = time.monotonic()

    def closed(self, name: str, reason: str) -> None:
        """Tell once that the stream ended, whoever says it first."""
        if name in self._open:
            self._open.discard(name)
            self.on_event(StreamEvent(name, "stream_closed", reason=reason))

    def publisher_comes(self, stream: Stream) -> None:
        """Its first bytes are demuxed now, which is when FFmpeg crashes."""
        self._is_opening(stream)

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
                self._is_opening(stream)
            if told.event == "stream_closed":
                self.closed(told.name, told.reason or "")
                return
            if told.event == "stream_opened":
                self._open.add(told.name)
            self.on_event(told)

        connection.peer.take(StreamsStats, stats)
        connection.peer.take(StreamEvent, event)

    def media_connected(self, connection: Connection) -> None:
        """Give a worker its streams, all of them: it was just started."""
        self.media.connected(connection)
        for name in self.directory.streams_of(connection.id):
            self.media.apply(connection.id, name)
        self._worker_came.set()

    def media_disconnected(self, connection: Connection) -> None:
        self.media.disconnected(connection)

    def media_died(self, worker: str, uptime: float, by_crash: bool) -> None:
        """Find suspects, renew the epochs of the rest.

        `by_crash` is False for a worker that was ended from outside: that is nobody's fault.
        """
        now = time.monotonic()
        names = self.directory.streams_of(worker)
        if worker == QUARANTINE_ID:
            if by_crash:
                self.quarantine.trial_died(now)
        else:
            opening = {name for name in names if by_crash and self._was_opening(name, now)}
            self.quarantine.worker_died(worker, opening, names, uptime, now)
        for name in names:
            stream = self.catalog.streams.get(name)
            if stream is not None:
                stream.stats = {**stream.stats, "alive": False, "status": "waiting"}
                stream.opening_since = None
            self.closed(name, "media worker died")
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
        """Forget streams that strangers named and nobody uses."""
        unused = [
            stream.name
            for stream in self.catalog.streams.values()
            if stream.named_by == "user"
            and now - stream.used_at > UNUSED_SECONDS
            and not stream.stats.get("alive")
            and not watched(stream.name)
        ]
        if unused:
            self.apply(self.catalog.drop_user(unused))

    def _was_opening(self, name: str, now: float) -> bool:
        stream = self.catalog.streams.get(name)
        if stream is None or stream.opening_since is None:
            return False
        return now - stream.opening_since < OPENING_SECONDS

    def _log_suspects(self) -> None:
        suspects = self.quarantine.suspects()
        if suspects:
            shown = ", ".join(sorted(suspects)[:20])
            log.warning("%d streams are suspects of a crash: %s", len(suspects), shown)
