"""A stream for somebody who asks for it: known, made or fetched, and running if it can."""

import asyncio
import contextlib
import logging
from pathlib import Path

from media_api.server import ServerConfig

from media_streamer.supervisor.backend import Backend
from media_streamer.supervisor.catalog import Catalog, CatalogFull, Stream
from media_streamer.supervisor.locations import file_stream, location_of
from media_streamer.supervisor.name_quota import NameQuota
from media_streamer.supervisor.settings import Settings
from media_streamer.supervisor.streams import StreamControl
from media_streamer.wire.channel import ChannelClosed
from media_streamer.wire.control import StartStream
from media_streamer.wire.peer import CallFailed

log = logging.getLogger(__name__)

START_TIMEOUT_SECONDS = 5.0
WORKER_WAIT_SECONDS = 5.0
"""A viewer who comes while the media worker starts again waits this long."""


class StreamFinder:
    """What access decisions need of streams (`access.Streams`)."""

    def __init__(
        self, settings: Settings, streams: StreamControl, backend: Backend, quota: NameQuota
    ) -> None:
        self._settings = settings
        self._streams = streams
        self._backend = backend
        self._quota = quota

    @property
    def catalog(self) -> Catalog:
        return self._streams.catalog

    @property
    def config(self) -> ServerConfig:
        return self.catalog.config

    async def find(self, name: str, kind: str) -> Stream | None:
        """A known stream, a file of a location, what a template would make of the name, or one that
        the backend knows.

        What a template would make is no stream before it is kept.
        """
        if (stream := self.catalog.streams.get(name)) is not None:
            return stream
        if kind == "play" and (vod := location_of(self.config, name)) is not None:
            return file_stream(vod, name)
        template = self.catalog.find_template(name)
        # A viewer cannot make a stream that waits for a publisher: there is nothing to see.
        if template is not None and (
            kind == "publish" or any(item.scheme != "publish" for item in template.inputs)
        ):
            try:
                return self.catalog.draft_user(name)
            except ValueError as error:
                log.warning("stream %s: not made from its template: %s", name, error)
                return None
        if await self._backend.find(name):
            return self.catalog.streams.get(name)
        return None

    def keep(self, stream: Stream, ip: str) -> Stream | None:
        """Make what was found a stream, if it is none yet; None if it may not be made.

        `ip` is the address that asks; each may make a number of names only.
        """
        name = stream.name
        if stream.location is not None:
            return stream
        if (known := self.catalog.streams.get(name)) is not None:
            return known
        found = self.catalog.find_template(name)
        return self._make(name, found.name, ip) if found is not None else None

    def _make(self, name: str, template: str, ip: str) -> Stream | None:
        if not self._quota.allows(ip, template):
            log.warning(
                "stream %s: not made from template %s: %s has made too many already",
                name,
                template,
                ip,
            )
            return None
        try:
            self._streams.apply(self.catalog.add_user(name))
            self._quota.made(name, ip, template)
        except (CatalogFull, ValueError) as error:
            log.warning("stream %s: not made from its template: %s", name, error)
            return None
        return self.catalog.streams.get(name)

    async def where(self, stream: Stream) -> tuple[str, int] | None:
        """Socket of the media worker and epoch; an on-demand stream is started."""
        place = self._streams.placed(stream.name)
        if place is None:
            return None
        media = self._streams.media
        try:
            await media.wait_for(place.worker, WORKER_WAIT_SECONDS)
            # A stream that was just made is not known to its worker yet, who would refuse it.
            await media.applied(place.worker, stream.name)
        except TimeoutError:
            log.warning("stream %s: media worker %s does not answer", stream.name, place.worker)
            return None
        if not stream.config.static:
            await self._start(stream, place.worker)
        return str(self._settings.media_socket(place.worker)), place.epoch

    async def reader(self, stream: Stream, folders: frozenset[Path]) -> str:
        """Socket of a media worker that may play what lies below these folders."""
        worker = self._streams.reader(stream.name, folders)
        with contextlib.suppress(TimeoutError):
            await self._streams.media.wait_for(worker, WORKER_WAIT_SECONDS)
        return str(self._settings.media_socket(worker))

    async def _start(self, stream: Stream, worker: str) -> None:
        if stream.stats.get("status") != "running":
            stream.opens()
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                await self._streams.media.call(worker, StartStream(stream.name))
        except (CallFailed, ChannelClosed, TimeoutError) as error:
            log.warning("stream %s: not started: %s", stream.name, str(error) or "no answer")
