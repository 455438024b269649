"""Two ends of a channel over a real Unix socket, and a way to write bytes of one's own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from media_streamer.wire.channel import AnyChannel, Channel, connect, listen
from media_streamer.wire.side import Side


class Ear:
    """A receiver that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._news = asyncio.Event()

    def on_message(self, message: Any) -> None:
        self.heard.append(message)
        self._news.set()

    def on_closed(self, reason: str) -> None:
        self.closed.set_result(reason)
        self._news.set()

    async def until(self, count: int) -> list[Any]:
        """What was heard, once it is so many messages."""
        async with asyncio.timeout(5):
            while len(self.heard) < count:
                self._news.clear()
                await self._news.wait()
        return self.heard


class End:
    """One end: its channel, and what it heard."""

    def __init__(self, channel: AnyChannel, ear: Ear) -> None:
        self.channel = channel
        self.ear = ear


Pair = Callable[..., Awaitable[tuple[End, End]]]
Raw = tuple[End, asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Callable[[Side[Any, Any]], Awaitable[list[End]]]]:
    servers = []

    async def start(side: Side[Any, Any]) -> list[End]:
        ends: list[End] = []

        def accept() -> AnyChannel:
            ear = Ear()
            channel: AnyChannel = Channel(side, ear)
            ends.append(End(channel, ear))
            return channel

        servers.append(await listen(tmp_path / "s", accept))
        return ends

    yield start
    for one in servers:
        one.close()


@pytest.fixture
async def pair(server, tmp_path: Path) -> AsyncIterator[Pair]:  # type: ignore[no-untyped-def]
    """`await pair(one side, the other)`: the two ends, the first one called the second."""
    made: list[End] = []

    async def connected(mine: Side[Any, Any], theirs: Side[Any, Any]) -> tuple[End, End]:
        ends = await server(theirs)
        ear = Ear()
        end = End(await connect(tmp_path / "s", mine, ear), ear)
        ends_there = asyncio.get_running_loop().time() + 5
        while not ends or ends[0].channel.closed:
            assert asyncio.get_running_loop().time() < ends_there
            await asyncio.sleep(0)
        made.extend((end, ends[0]))
        return end, ends[0]

    yield connected
    for end in made:
        await end.channel.close()


@pytest.fixture
async def stranger(server, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Raw]]]:  # type: ignore[no-untyped-def]
    """`await stranger(side)`: an end of that side, and a socket of whoever called it."""
    writers = []

    async def connected(side: Side[Any, Any]) -> Raw:
        ends = await server(side)
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writers.append(writer)
        await reader.readexactly(len(side.preamble))
        return ends[0], reader, writer

    yield connected
    for writer in writers:
        writer.close()
