"""Streams under their control over real sockets: workers of the test listen to what is told."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from media_api.server import ServerConfig
from media_streamer.supervisor.catalog import Catalog, Changes, Stream
from media_streamer.supervisor.control import Connection, ControlServer
from media_streamer.supervisor.finder import StreamFinder
from media_streamer.supervisor.name_quota import NameQuota
from media_streamer.supervisor.settings import QUARANTINE_ID, Settings
from media_streamer.supervisor.shown_archives import ShownArchives
from media_streamer.supervisor.streams import StreamControl
from media_streamer.wire.control import (
    WORKER_SIDE,
    ApplyStream,
    EgressSettings,
    Hello,
    MediaSettings,
    Place,
    RemoveStream,
    RestartStream,
    StartStream,
    StreamEvent,
)
from media_streamer.wire.peer import Peer
from media_streamer.wire.stream_config import stream_of


class MediaWorker:
    """Speaks the media worker's part; `delay` seconds for each answer."""

    def __init__(
        self, worker_id: str, folders: tuple[str, ...] = (), read: tuple[str, ...] = ()
    ) -> None:
        self.id = worker_id
        self.folders = folders
        self.read = read
        self.told: list[tuple[str, str]] = []
        self.configs: dict[str, Any] = {}
        self.delay = 0.0
        self.refuse: set[str] = set()
        self.peer: Peer
        self.task: asyncio.Task[None]

    async def connect(self, path: Path) -> None:
        self.peer = await Peer.connect(path, WORKER_SIDE, "the supervisor")
        for kind in (ApplyStream, RemoveStream, StartStream, RestartStream):
            self.peer.answer(kind, self._take)
        self.task = asyncio.create_task(self.peer.run())
        folders, read = list(self.folders), list(self.read)
        hello = Hello("media", self.id, "1", "", folders=folders, read_folders=read)
        await self.peer.call(hello)

    async def _take(self, wish: Any) -> None:
        await asyncio.sleep(self.delay)
        op, name = type(wish).__name__.removesuffix("Stream").lower(), wish.name
        self.told.append((op, name))
        if isinstance(wish, ApplyStream):
            self.configs[name] = stream_of(wish).effective()
        if name in self.refuse:
            raise ValueError("no such codec")


class World:
    """StreamControl with a control socket, without processes."""

    def __init__(self, tmp_path: Path) -> None:
        self.shown = ShownArchives({}.get)
        self.settings = Settings(tmp_path / "conf", tmp_path, tmp_path, tmp_path, 1, 2, "host1")
        self.published: list[dict[str, Place | None]] = []
        self.ended: list[tuple[str, str]] = []
        self.quarantine_started = 0
        self.recorded: dict[str, frozenset[Path]] = {}
        """Where streams shall be recorded."""
        self.replaced: list[Path] = []
        """Folders of which the disk is another one now."""
        self.told_workers = False
        self.begun: list[str] = []
        """Workers that were begun for that."""
        self.quota = NameQuota()
        self.control = StreamControl(self.settings, Catalog(), self, self, self, self)  # type: ignore[arg-type]
        self.finder = StreamFinder(self.settings, self.control, self, self.quota)  # type: ignore[arg-type]
        self.server = ControlServer(self.settings.control_socket, self)
        self.workers: dict[str, MediaWorker] = {}

    # What it works with: egress workers, processes, a backend without streams

    def place(self, name: str) -> None:
        """Nothing is recorded yet."""

    def folders(self, name: str, *, held: bool = True) -> frozenset[Path]:
        return self.recorded.get(name, frozenset())

    def read_folders(self, name: str) -> frozenset[Path]:
        return frozenset()

    def take_replaced(self) -> list[Path]:
        replaced, self.replaced = self.replaced, []
        return replaced

    def tell_workers(self) -> None:
        self.told_workers = True

    def directory_changed(self, changes: dict[str, Place | None]) -> None:
        self.published.append(changes)

    def start(self, kind: str, worker_id: str) -> None:
        assert kind == "media"
        if worker_id == QUARANTINE_ID:
            self.quarantine_started += 1
        else:
            self.begun.append(worker_id)

    async def find(self, _name: str) -> bool:
        return False

    # Who listens

    def catalogued(self, changes: Changes) -> None:
        self.quota.gone(changes.removed)

    def adopted(self, names: set[str]) -> None: ...

    def changed(self, name: str) -> None: ...

    def gone(self, name: str, reason: str) -> None:
        self.ended.append((name, reason))

    def happened(self, told: StreamEvent) -> None: ...

    def stopped(self, name: str, reason: str) -> None: ...

    def accept(self, hello: Hello, pid: int) -> str:
        return "" if pid == os.getpid() else "it was not started here"

    async def greet(self, connection: Connection, hello: Hello) -> EgressSettings | MediaSettings:
        self.control.cages.said(hello.id, hello.folders, hello.read_folders, 0.0)
        return MediaSettings("info", str(self.settings.segments))

    async def connected(self, connection: Connection) -> None:
        self.control.media_connected(connection)

    def disconnected(self, connection: Connection) -> None:
        self.control.media_disconnected(connection)

    def attend(self, connection: Connection) -> None:
        self.control.attend(connection)

    async def worker(
        self, worker_id: str, *folders: str, read: tuple[str, ...] = ()
    ) -> MediaWorker:
        worker = self.workers[worker_id] = MediaWorker(worker_id, folders, read)
        await worker.connect(self.settings.control_socket)
        await self.until(lambda: worker_id in self.control.media)
        return worker

    def configure(self, *streams: dict[str, Any], **others: Any) -> None:
        config = ServerConfig.model_validate({"streams": list(streams), **others})
        self.control.apply(self.control.catalog.set_config(config))

    async def make(self, name: str, kind: str, ip: str = "10.0.0.1") -> Stream | None:
        """The stream for somebody who is let in."""
        found = await self.finder.find(name, kind)
        return self.finder.keep(found, ip) if found is not None else None

    async def settled(self) -> None:
        await self.until(lambda: self.control.media.idle)

    @staticmethod
    async def until(condition: Callable[[], object], seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.005)


def fake(name: str, **options: Any) -> dict[str, Any]:
    return {"name": name, "inputs": [{"url": "fake://fake"}], **options}
