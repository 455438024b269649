"""Connections are capped, accepting pauses, and nobody writes a line for each."""

import asyncio
import contextlib
import logging
import os
import resource
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from media_process import door
from media_process.descriptors import LEAST_CONNECTIONS, connection_limit
from media_process.door import Doorkeeper


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(data)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as sock:
        yield sock


async def echoes(port: int, source: str = "127.0.0.1", seconds: float = 1.0) -> bool:
    """Whether a connection from `source` is answered; it stays open while it is waited for."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(source, 0)
            )
            try:
                writer.write(b"x")
                return await reader.read(1) == b"x"
            finally:
                writer.close()
    return False


def test_limits() -> None:
    assert connection_limit(20_000, 256) == 64
    assert connection_limit(20_000, 20) == LEAST_CONNECTIONS
    assert connection_limit(20_000, 1_048_576) == 20_000


def test_the_limit_is_raised_and_a_low_one_is_said() -> None:
    """In a process of its own: the limit of a process can be lowered once only."""
    program = (
        "import resource, sys, logging; from media_process.descriptors import raise_limit;"
        "logging.basicConfig(); hard = int(sys.argv[1]);"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard)); print(raise_limit())"
    )
    for hard, said in ((300, "86 connections a process"), (5000, "")):
        command = [sys.executable, "-c", program, str(hard)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert run.stdout == f"{hard}\n"
        assert (said in run.stderr) if said else not run.stderr


async def test_accepting_pauses_at_the_limit_and_goes_on(
    listening: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    keeper, port = Doorkeeper(20), listening.getsockname()[1]
    with caplog.at_level(logging.WARNING), contextlib.ExitStack() as held:
        async with keeper.serve(Echo, listening.dup()):
            for _ in range(300):
                held.enter_context(socket.create_connection(("127.0.0.1", port)))
            assert not await echoes(port, seconds=0.5)
            assert keeper.open == 20
            held.close()
            assert await echoes(port, seconds=10)
    assert len(caplog.records) == 1
    assert "all 20 are open" in caplog.text


async def test_one_address_has_its_share(
    listening: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    keeper, port = Doorkeeper(200), listening.getsockname()[1]
    with caplog.at_level(logging.WARNING), contextlib.ExitStack() as held:
        async with keeper.serve(Echo, listening.dup()):
            for _ in range(300):
                sock = held.enter_context(socket.socket())
                sock.bind(("127.0.0.2", 0))
                sock.connect(("127.0.0.1", port))
            assert await echoes(port, seconds=10)
            assert not await echoes(port, "127.0.0.2")
            assert keeper.open <= keeper.per_address + 1 == 51
            assert keeper.turned_away >= 250
            keeper.exempt = lambda address: address == "127.0.0.2"
            assert await echoes(port, "127.0.0.2", seconds=10)
    assert len(caplog.records) == 1


async def test_no_descriptors_left_is_one_line(
    listening: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    keeper, port = Doorkeeper(10_000), listening.getsockname()[1]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with caplog.at_level(logging.WARNING), contextlib.ExitStack() as held:
        async with keeper.serve(Echo, listening.dup()):
            for _ in range(50):
                held.enter_context(socket.create_connection(("127.0.0.1", port)))
            used = len(os.listdir("/proc/self/fd"))
            resource.setrlimit(resource.RLIMIT_NOFILE, (used, before[1]))
            try:
                await asyncio.sleep(0.3)  # what waits cannot be taken, again and again
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)
            assert await echoes(port, seconds=10)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Too many open files" in caplog.text


async def test_who_leaves_is_not_counted(listening: socket.socket) -> None:
    keeper, port = Doorkeeper(20), listening.getsockname()[1]
    async with keeper.serve(Echo, listening.dup()):
        for _ in range(50):
            assert await echoes(port, seconds=10)
        async with asyncio.timeout(10):
            while keeper.open:  # noqa: ASYNC110 - the kernel closes them, nobody tells
                await asyncio.sleep(0.01)
    assert not keeper._by_address


async def test_what_came_with_a_connection_is_read_in_the_next_turn(
    listening: socket.socket,
) -> None:
    """Each turn of the loop of a busy worker is long."""
    loop = asyncio.get_running_loop()
    turn, taken, read = 0, [], []
    usual = loop._run_once  # type: ignore[attr-defined]

    def counted() -> None:
        nonlocal turn
        turn += 1
        usual()

    class Reads(Echo):
        def __init__(self) -> None:
            taken.append(turn)

        def data_received(self, data: bytes) -> None:
            read.append(turn)
            super().data_received(data)

    loop._run_once = counted  # type: ignore[attr-defined]
    try:
        server = Doorkeeper(10).serve(Reads, listening)
        with socket.create_connection(listening.getsockname(), 10) as way:
            way.sendall(b"x")  # it waits to be taken, with what it says
            assert await asyncio.to_thread(way.recv, 1) == b"x"
        server.close()
    finally:
        del loop._run_once  # type: ignore[attr-defined]
    assert (len(taken), [read[0] - taken[0]]) == (1, [1])


async def test_who_says_nothing_yet_is_read_later(listening: socket.socket) -> None:
    server = Doorkeeper(10).serve(Echo, listening)
    with socket.create_connection(listening.getsockname(), 10) as way:
        await asyncio.sleep(0.05)
        way.sendall(b"x")
        assert await asyncio.to_thread(way.recv, 1) == b"x"
    server.close()


async def test_a_protocol_that_cannot_be_made_costs_its_connection_only(
    listening: socket.socket,
) -> None:
    keeper, failures = Doorkeeper(10), []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))

    def factory() -> asyncio.Protocol:
        if not failures:
            raise ZeroDivisionError
        return Echo()

    server = keeper.serve(factory, listening)
    assert not await echoes(listening.getsockname()[1])
    assert await echoes(listening.getsockname()[1])
    assert [type(error) for error in failures] == [ZeroDivisionError]
    server.close()


async def test_a_crowd_that_comes_at_once_lets_others_in_between(
    listening: socket.socket,
) -> None:
    """So many connections are taken in one turn of the loop, the others in those that follow."""
    loop = asyncio.get_running_loop()
    turn, taken = 0, Counter[int]()
    usual = loop._run_once  # type: ignore[attr-defined]

    def counted() -> None:
        nonlocal turn
        turn += 1
        usual()

    class Counts(Echo):
        def __init__(self) -> None:
            taken[turn] += 1

    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(socket.create_connection(listening.getsockname(), 10))
        loop._run_once = counted  # type: ignore[attr-defined]
        stack.callback(delattr, loop, "_run_once")
        server = Doorkeeper(1000).serve(Counts, listening)
        for _ in range(100):
            await asyncio.sleep(0)
        server.close()
    assert taken.total() == 100
    assert max(taken.values()) == door.ACCEPTS_AT_ONCE < 32
