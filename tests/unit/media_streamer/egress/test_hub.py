"""What is shared by viewers is bounded."""

import asyncio
from pathlib import Path

import pytest
from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.hub import MAX_SELECTIONS, Hub
from media_streamer.wire.control import AccessRequest


async def test_selections_that_clients_make_up_are_bounded(tmp_path: Path) -> None:
    hub = Hub(tmp_path)
    request = AccessRequest("live", "mseld", "play", "127.0.0.1")
    access = Access("s", "live", tmp_path / "media-0.sock", 1, request)
    waiting = [
        asyncio.create_task(hub.other_broadcast(access, "mse", tracks=(f"v{number}",)))
        for number in range(MAX_SELECTIONS)
    ]
    await asyncio.sleep(0)
    with pytest.raises(AccessDenied) as caught:
        await hub.other_broadcast(access, "mse", tracks=("v99",))
    assert caught.value.code == "too_many_selections"
    again = asyncio.create_task(hub.other_broadcast(access, "mse", tracks=("v0",)))
    whole = asyncio.create_task(hub.other_broadcast(access, "mse"))
    await asyncio.sleep(0)
    assert not again.done()
    assert not whole.done()
    for task in (*waiting, again, whole):
        task.cancel()
    await asyncio.gather(*waiting, again, whole, return_exceptions=True)
    await hub.close()
