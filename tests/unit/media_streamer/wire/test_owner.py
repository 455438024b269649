"""A worker's supervisor that dies, comes back, stays away, or wants another worker."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from media_streamer.supervisor.control import Connection, ControlServer
from media_streamer.wire.control import (
    SUPERVISOR_SIDE,
    AccessRequest,
    EgressSettings,
    Heartbeat,
    Hello,
    MediaSettings,
    Refusal,
    SessionLeft,
)
from media_streamer.wire.owner import NotWanted, Owner
from media_streamer.wire.peer import Peer

SETTINGS = MediaSettings("info", "/segments")
QUESTION = AccessRequest("a", "hls", "play", "127.0.0.1")


class Supervisor:
    """The other end; `start` and `stop` are its life."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.greeted: list[Hello] = []
        self.refuses = ""
        self.left: list[str] = []
        self.foreign: list[int] = []
        self.answers = True
        self._server: ControlServer | None = None

    async def start(self) -> None:
        self._server = ControlServer(self.path, self)
        await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.close()
            self._server = None

    def accept(self, hello: Hello, pid: int) -> str:
        return self.refuses

    def met_foreigner(self, pid: int) -> None:
        self.foreign.append(pid)

    async def greet(self, connection: Connection, hello: Hello) -> EgressSettings | MediaSettings:
        self.greeted.append(hello)
        return SETTINGS

    async def connected(self, connection: Connection) -> None: ...

    def disconnected(self, connection: Connection) -> None: ...

    def attend(self, connection: Connection) -> None:
        async def decide(_request: AccessRequest) -> Refusal:
            if not self.answers:
                await asyncio.Event().wait()
            return Refusal(403, "no", "No")

        connection.peer.answer(AccessRequest, decide)
        connection.peer.take(Heartbeat, lambda _: None)
        connection.peer.take(SessionLeft, lambda told: self.left.append(told.id))


class Worker:
    """Owns an owner."""

    def __init__(self, runtime: Path) -> None:
        self.used: list[object] = []
        self.told = 0
        self.owner = Owner(
            runtime, hello=self._hello, attend=self._attend, use=self.used.append, told=self._told
        )
        self.task = asyncio.create_task(self.owner.run())

    def _hello(self) -> Hello:
        return Hello("media", "0", "1", "", streams={"a": True})

    def _attend(self, peer: Peer) -> None: ...

    def _told(self) -> None:
        self.told += 1


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    one = Supervisor(tmp_path / "control.sock")
    yield one
    await one.stop()


@pytest.fixture
async def worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[float], Worker]]:
    made: list[Worker] = []

    def make(orphan_seconds: float) -> Worker:
        monkeypatch.setenv("STREAMER_ORPHAN_SECONDS", str(orphan_seconds))
        made.append(Worker(tmp_path))
        return made[-1]

    yield make
    for one in made:
        one.task.cancel()
        await asyncio.gather(one.task, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_the_next_supervisor_is_told_what_runs(
    supervisor: Supervisor, worker: Callable[[float], Worker]
) -> None:
    await supervisor.start()
    one = worker(60)
    await until(lambda: one.told == 1)
    await supervisor.stop()
    one.owner.notify(SessionLeft("lost", 0, ""))  # nobody hears it, and nothing breaks
    await supervisor.start()
    await until(lambda: one.told == 2)
    assert [hello.streams for hello in supervisor.greeted] == [{"a": True}] * 2
    assert one.used == [SETTINGS, SETTINGS]
    one.owner.notify(SessionLeft("heard", 0, ""))
    await until(lambda: supervisor.left == ["heard"])


async def test_a_question_waits_for_the_next_supervisor(
    supervisor: Supervisor, worker: Callable[[float], Worker]
) -> None:
    supervisor.answers = False
    await supervisor.start()
    one = worker(60)
    await until(lambda: one.told == 1)
    question = asyncio.create_task(one.owner.call(QUESTION, timeout_seconds=30))
    await asyncio.sleep(0)
    await supervisor.stop()
    supervisor.answers = True
    await supervisor.start()
    assert await question == Refusal(403, "no", "No")


async def test_a_question_has_its_time(worker: Callable[[float], Worker]) -> None:
    with pytest.raises(TimeoutError):
        await worker(60).owner.call(QUESTION, timeout_seconds=0.1)


async def test_without_a_supervisor_it_ends(
    supervisor: Supervisor, worker: Callable[[float], Worker]
) -> None:
    await supervisor.start()
    one = worker(0.3)
    await until(lambda: one.told == 1)
    await supervisor.stop()
    with pytest.raises(NotWanted, match="no supervisor"):
        await asyncio.wait_for(one.task, 30)


async def test_one_that_is_refused_ends(
    supervisor: Supervisor, worker: Callable[[float], Worker]
) -> None:
    supervisor.refuses = "it is of version 0"
    await supervisor.start()
    with pytest.raises(NotWanted, match="of version 0"):
        await asyncio.wait_for(worker(60).task, 30)


async def test_who_is_of_another_version_is_named(supervisor: Supervisor) -> None:
    await supervisor.start()
    ours = SUPERVISOR_SIDE.preamble
    for greeting, is_known in ((ours[:-1] + bytes((ours[-1] ^ 1,)), True), (b"x" * 64, False)):
        supervisor.foreign.clear()
        reader, writer = await asyncio.open_unix_connection(supervisor.path)
        writer.write(greeting)
        assert await reader.read() in {b"", ours}
        writer.close()
        await until(lambda: not is_known or supervisor.foreign)  # noqa: B023 - called at once
        assert supervisor.foreign == [os.getpid()] * is_known
