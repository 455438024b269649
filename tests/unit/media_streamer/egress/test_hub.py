"""What is shared by viewers is bounded."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from media_streamer import budgets
from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.hub import MAX_SELECTIONS, Hub
from media_streamer.presentation.moments import Moment
from media_streamer.wire.control import AccessRequest, DeliveryConfig


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


async def test_an_address_plays_so_much_of_the_past(tmp_path: Path) -> None:
    """Each may have a MiB on its way, and takes time of a media worker."""

    class Held:
        who = "192.0.2.1"

    hub = Hub(tmp_path)
    hub._replays = {cast(Any, Held()) for _ in range(budgets.ADDRESS_PLAYBACKS)}
    request = AccessRequest("live", "tshttp", "play", "192.0.2.1")
    config = DeliveryConfig(archive="/nowhere")
    access = Access("s", "live", tmp_path / "media-0.sock", 1, request, config=config)
    with pytest.raises(AccessDenied) as refused:
        await hub.other_replay(access, "ts", Moment("archive", 0, 1000))
    assert (refused.value.status, refused.value.code) == (503, "address_playbacks_limit")
    # A server of the cluster has viewers of its own.
    relay = replace(access, relay=True, reader=str(access.media_socket))
    playing = asyncio.create_task(hub.other_replay(relay, "ts", Moment("archive", 0, 1000)))
    await asyncio.sleep(0)
    assert len(hub._replays) == budgets.ADDRESS_PLAYBACKS + 1
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    hub._replays.clear()
    await hub.close()
