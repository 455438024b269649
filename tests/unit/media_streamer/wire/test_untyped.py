"""Channels and peers over a real Unix socket."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from media_streamer.wire.untyped import CallFailed, Channel, ChannelClosed, Peer, connect, listen


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Channel, Channel]]:
    accepted: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def on_channel(channel: Channel) -> None:
        accepted.set_result(channel)
        await done.wait()

    server = await listen(tmp_path / "s", on_channel)
    client = await connect(tmp_path / "s")
    yield client, await accepted
    done.set()
    await client.close()
    server.close()
    await server.wait_closed()


async def test_message_and_payload_arrive_whole(pair: tuple[Channel, Channel]) -> None:
    client, server = pair
    client.send({"op": "chunk", "id": 1}, b"x" * 300_000)
    client.send({"op": "end"})
    assert await server.receive() == ({"op": "chunk", "id": 1}, b"x" * 300_000)
    assert await server.receive() == ({"op": "end"}, b"")


async def test_receive_after_close_raises(pair: tuple[Channel, Channel]) -> None:
    client, server = pair
    await client.close()
    with pytest.raises(ChannelClosed):
        await server.receive()
    with pytest.raises(ChannelClosed):
        client.send({})


async def test_peer_that_does_not_read_is_cut_off(pair: tuple[Channel, Channel]) -> None:
    client, _ = pair
    client._max_pending_bytes = 1_000_000

    def flood() -> None:
        for _ in range(100):
            client.send({"op": "chunk"}, b"x" * 1_000_000)

    with pytest.raises(ChannelClosed, match="does not read"):
        flood()
    assert client.closed


async def test_garbage_lengths_close_the_channel(pair: tuple[Channel, Channel]) -> None:
    client, server = pair
    client._writer.write(b"\xff" * 8)
    with pytest.raises(ChannelClosed, match="refused"):
        await server.receive()


async def test_calls_are_answered_by_handlers(pair: tuple[Channel, Channel]) -> None:
    caller, callee = Peer(pair[0]), Peer(pair[1])

    async def double(message: dict[str, Any]) -> int:
        return int(message["value"]) * 2

    callee.on("double", double)
    tasks = [asyncio.create_task(peer.run()) for peer in (caller, callee)]
    assert await caller.call("double", value=21) == 42
    with pytest.raises(CallFailed, match="no handler"):
        await caller.call("unknown")
    with pytest.raises(CallFailed, match="ValueError"):
        await caller.call("double", value="x")
    await pair[0].close()
    await asyncio.wait_for(asyncio.gather(*tasks), 5)


async def test_call_fails_when_the_peer_goes(pair: tuple[Channel, Channel]) -> None:
    caller = Peer(pair[0])
    task = asyncio.create_task(caller.run())
    call = asyncio.create_task(caller.call("never"))
    await pair[1].receive()
    await pair[1].close()
    with pytest.raises(ChannelClosed):
        await call
    await task
