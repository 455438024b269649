"""`python -m media_streamer.egress.worker --runtime DIR --id N`: one process of the public side.

Does what the supervisor says over the control channel. If that ends it serves on and waits for the
next supervisor, for a while: see `wire/owner.py`.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import cast

from aiohttp import web
from media_api.protocols import listeners
from media_process import collector, logs, reading
from media_process.door import DoorServer
from media_process.heap import Heap

from media_streamer import cage, folders, opening, protocols
from media_streamer.egress.cache_disks import OWNER, CacheDisks
from media_streamer.egress.context import Egress
from media_streamer.egress.films import Films
from media_streamer.egress.first_byte import Factory, FirstByte
from media_streamer.egress.http import mount
from media_streamer.egress.http.app import HttpApp
from media_streamer.egress.http.http2.connection import Chooser
from media_streamer.egress.http.http2.crowd import Crowd
from media_streamer.egress.http.neighbours import Neighbours
from media_streamer.egress.http.proxy import ApiProxy
from media_streamer.egress.hub import Hub
from media_streamer.egress.jobs import JobRunner
from media_streamer.egress.listeners import Listeners, Server
from media_streamer.egress.passing import Passages
from media_streamer.files.kept_indexes import folder_in, keep_in
from media_streamer.forwarded import TrustedProxies
from media_streamer.version import server_version
from media_streamer.wire import homes
from media_streamer.wire.control import (
    CloseSession,
    Directory,
    DirectoryChanged,
    EgressSettings,
    Hello,
    Jobs,
    JobsChanged,
    Leaving,
    Listen,
    ListenerSpec,
    MediaSettings,
    SettingsChanged,
)
from media_streamer.wire.life import living
from media_streamer.wire.owner import NotWanted, Owner
from media_streamer.wire.peer import Peer

log = logging.getLogger(__name__)

STOP_TIMEOUT_SECONDS = 3.0


class EgressWorker:
    """Everything that lives in the process."""

    def __init__(self, runtime: Path, worker_id: str) -> None:
        self._runtime = runtime
        keep_in(runtime)
        self._id = worker_id
        self._hub = Hub(runtime)
        self._owner = Owner(
            runtime,
            hello=self._hello,
            attend=self._attend,
            use=self._use,
            told=self._hub.sessions.tell_all,
        )
        self._hub.connect(self._owner)
        number = int(worker_id) if worker_id.isdecimal() else 0
        self._neighbours = Neighbours(runtime)
        disks = CacheDisks(number)
        films = Films(disks, self._neighbours)
        self._egress = Egress(self._hub, number, neighbours=self._neighbours, films=films)
        self._egress.passages = passages = Passages(disks, self._neighbours)
        self._egress.chores["what is passed on"] = passages.run
        self._egress.chores["disks of caches"] = disks.run
        self._egress.chores["freed memory"] = Heap().run
        self._egress.chores["what was asked for"] = self._egress.quick.run
        self._egress.chores["log of requests"] = self._egress.access_log.run
        self._egress.chores["counts of answers"] = partial(
            self._egress.answers.run, self._hub.notify
        )
        self._jobs = JobRunner(self._egress, self._hub.notify)
        self._proxy = ApiProxy(runtime / "api.sock", requests=self._egress.access_log)
        self._app = HttpApp(self._egress, self._proxy)
        self._servers: list[tuple[DoorServer | asyncio.AbstractServer, web.Server]] = []
        """Of HTTP: the open listeners, and closed ones that have connections still."""
        self._crowd = Crowd(self._egress.door)
        self._listeners = Listeners(self._serve, number)

    async def run(self) -> None:
        """Work until there is no supervisor any more. Raises NotWanted."""
        await self._open_to_neighbours()
        chores = self._egress.chores.items()
        tasks = [
            asyncio.create_task(self._hub.sessions.run(), name="sessions"),
            asyncio.create_task(self._jobs.run(), name="jobs"),
            *(asyncio.create_task(_run(one), name=name) for name, one in chores),
        ]
        try:
            await self._owner.run()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._stop()

    # To and from the supervisor

    def _hello(self) -> Hello:
        return Hello(
            "egress",
            self._id,
            server_version(),
            os.environ.get("STREAMER_SEGMENTS_DIR", ""),
            ports=self._listeners.places,
            jobs=self._jobs.ids,
        )

    def _attend(self, peer: Peer) -> None:
        peer.answer(Listen, self._on_listen)
        peer.take(Directory, lambda told: self._hub.set_directory(told.streams))
        peer.take(DirectoryChanged, lambda told: self._hub.update_directory(told.streams))
        peer.take(CloseSession, lambda told: self._hub.sessions.end(told.id, told.reason))
        peer.take(SettingsChanged, lambda told: self._use(told.settings))
        peer.take(Leaving, lambda _: self._leave())
        peer.take(Jobs, lambda told: self._jobs.set(told.jobs))
        peer.take(JobsChanged, lambda told: self._jobs.change(told.jobs))

    def _leave(self) -> None:
        self._egress.leaves = True
        self._egress.quick.stop()

    async def _open_to_neighbours(self) -> None:
        """Take requests that belong to sessions of this worker and came to another one."""
        path = self._neighbours.socket_of(self._egress.worker)
        path.unlink(missing_ok=True)
        server = self._app.server(api=False, neighbour=True)
        loop = asyncio.get_running_loop()
        listening = await loop.create_unix_server(server, path)
        self._servers.append((listening, server))

    async def _stop(self) -> None:
        await self._jobs.close()
        await self._listeners.close()
        await self._hub.close()
        for _, server in self._servers:
            server.pre_shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
                await asyncio.gather(*(server.shutdown(0.5) for _, server in self._servers))
        await self._neighbours.close()
        await self._proxy.close()

    async def _serve(
        self, spec: ListenerSpec, sock: socket.socket, context: ssl.SSLContext | None
    ) -> Server:
        row, listener = listeners()[spec.protocol]
        if listener.socket != "http":
            serve = protocols.load(row, "server").serve
            return cast(Server, await serve(self._egress, sock, context))
        server = self._app.server(api=spec.api)
        factory: Factory = server if context is None else lambda: Chooser(server, self._crowd)
        if spec.guest:
            factory = self._shared(factory, spec.guest)
        listening = self._egress.door.serve(factory, sock, context)
        self._servers.append((listening, server))
        return listening

    def _shared(self, usual: Factory, guest: str) -> Factory:
        """Of a port that HTTP has together with another one."""
        row, listener = listeners()[guest]
        assert listener.first_byte is not None  # the supervisor asks for no other
        connection: Factory = partial(protocols.load(row, "server").connection, self._egress)
        others = {listener.first_byte: connection}
        return lambda: FirstByte(usual, others)

    async def _on_listen(self, wish: Listen) -> list[str]:
        problems = await self._listeners.apply(wish.listeners)
        self._egress.ports = self._listeners.own_ports
        self._servers = [one for one in self._servers if one[0].is_serving() or one[1].connections]
        return problems

    def _use(self, settings: EgressSettings | MediaSettings) -> None:
        assert isinstance(settings, EgressSettings)  # it was said who we are
        logs.set_level(settings.loglevel)
        self._egress.token_parameter = settings.auth_token
        self._egress.access_log.enabled = settings.log_requests
        self._egress.webrtc_addresses = settings.webrtc_addresses
        self._egress.ice_servers = settings.ice_servers
        self._egress.proxies = TrustedProxies.of(settings.trusted_proxies, settings.forwarding_key)
        self._egress.door.exempt = self._egress.proxies.is_proxy
        self._egress.quick.forget()


async def _run(chore: Callable[[], Awaitable[None]]) -> None:
    await chore()


async def serve(runtime: Path, worker_id: str) -> None:
    """Run a worker until it is told to stop. Raises NotWanted if its supervisor stays away."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await EgressWorker(runtime, worker_id).run()


def _folders(runtime: Path, worker_id: str) -> folders.Folders:
    """What this worker may use: one alone writes what is kept."""
    told = folders.told(runtime, "egress")
    return told if worker_id == str(OWNER) else folders.Folders(read=told.read)


def _confine(runtime: Path, worker_id: str, opened: folders.Opened) -> None:
    """Give up what is not needed; the configured folders are closed."""
    segments = os.environ.get("STREAMER_SEGMENTS_DIR")
    try:
        limits = cage.Limits(
            written=[folder_in(runtime), *opened.written.values()],
            read=[Path(segments) if segments else runtime, *opened.read.values()],
            places=[homes.home_of(runtime, "egress", worker_id)],
            listed=[runtime],
        )
        log.info("confined: %s", cage.enter(limits, listens=True))
    except OSError as error:
        log.error("not confined: %s", error)
    finally:
        opened.close()
    opening.ask_in(runtime)
    if cage.version():
        opening.ask_for_names()


def prepare() -> None:
    """Import what every worker needs beside this module; see `fork_server.py`."""
    mount.load_all()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", type=Path, required=True)
    parser.add_argument("--id", required=True)
    arguments = parser.parse_args()
    logs.set_up_worker(f"egress {arguments.id}", os.environ)
    collector.settle()
    reading.bound()
    # Before `living`: a child of this that hangs must not hold its lock.
    opened = folders.opened(_folders(arguments.runtime, arguments.id))
    try:
        with living(arguments.runtime, "egress", arguments.id):
            _confine(arguments.runtime, arguments.id, opened)
            asyncio.run(serve(arguments.runtime, arguments.id))
    except NotWanted as reason:
        log.warning("the worker ends: %s", reason)
    except OSError as error:
        log.error("the worker cannot run: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
