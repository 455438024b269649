"""The process of the public side: what it keeps while its listeners change."""

import asyncio
from pathlib import Path

from media_streamer.egress.worker import EgressWorker
from media_streamer.wire.control import Listen, ListenerSpec

from tests.support.ports import free_port


async def test_closed_listeners_are_forgotten_once_their_connections_are(tmp_path: Path) -> None:
    worker = EgressWorker(tmp_path, "0")

    async def listen(port: int) -> None:
        assert await worker._on_listen(Listen([ListenerSpec("http", "127.0.0.1", port)])) == []

    try:
        first = free_port()
        await listen(first)
        _, writer = await asyncio.open_connection("127.0.0.1", first)
        async with asyncio.timeout(30):
            while not worker._servers[0][1].connections:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        for _ in range(20):
            await listen(free_port())
        assert len(worker._servers) <= 2, "the open one, and the one with a connection"
        writer.close()
        await writer.wait_closed()
        async with asyncio.timeout(30):
            while len(worker._servers) > 1:
                await asyncio.sleep(0.01)
                await listen(free_port())
    finally:
        await worker._stop()
