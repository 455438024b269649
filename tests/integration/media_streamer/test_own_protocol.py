"""A protocol that a test adds, by one row and one folder, on a real server."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import tests.support.own_protocol as own
from tests.support.ports import free_port
from tests.support.streamer import Streamer, until

TS_PACKET, SYNC = 188, 0x47


@pytest.fixture
async def streamer(tmp_path: Path) -> AsyncIterator[Streamer]:
    one = Streamer(tmp_path)
    try:
        yield one
    finally:
        await one.close()


def is_ts(data: bytes) -> bool:
    return len(data) > TS_PACKET and data[0] == data[TS_PACKET] == SYNC


async def test_it_is_pulled_played_counted_and_switched(streamer: Streamer) -> None:
    port = free_port()
    streamer.write(f"lines 127.0.0.1:{port};\nstream s {{ input lines://here; }}\n")
    paths = [str(Path(own.__file__).parent), os.environ.get("PYTHONPATH", "")]
    await streamer.serve(PYTHONPATH=os.pathsep.join(filter(None, paths)))
    await streamer.running("s")

    # By ports of its own.
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"s\n")
    assert is_ts(await asyncio.wait_for(reader.readexactly(2 * TS_PACKET), 10))

    # Over HTTP.
    async with streamer.session.get(f"{streamer.base}/s/lines") as answer:
        assert answer.status == 200
        assert is_ts(await answer.content.readexactly(2 * TS_PACKET))

        async def protos() -> Any:
            _, found = await streamer.api("GET", "/sessions")
            return {item["proto"] for item in found["sessions"]} == {"lines", "weblines"}

        await until(protos, "both viewers are sessions")
    offered = {
        one["form"]: one["url"] for one in (await streamer.stream("s"))["stats"]["play_urls"]
    }
    assert offered["lines"] == f"lines://127.0.0.1:{port}/watch/s"
    assert offered["weblines"] == f"{streamer.base}/s/lines"

    # Switched off: who watches is sent away, nobody else comes in, it is offered no longer.
    body = {"protocols": {"lines": False, "weblines": False}}
    status, state = await streamer.api("PUT", "/streams/s", json=body)
    assert status == 200
    assert not {"lines", "weblines"} & {one["form"] for one in state["stats"]["play_urls"]}
    await asyncio.wait_for(reader.read(-1), 60)
    writer.close()
    async with streamer.session.get(f"{streamer.base}/s/lines") as answer:
        assert answer.status == 403
        assert "may not be played by weblines" in await answer.text()

    # What its row does not serve is said, on the stream too.
    body = {"pushes": [{"url": "weblines://there"}]}
    status, state = await streamer.api("PUT", "/streams/s", json=body)
    assert status == 200
    assert state["warnings"] == ["weblines:// pushes are not served: nobody asked for it"]
    assert "nobody asked for it: s" in streamer.log
