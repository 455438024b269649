"""Real footage: published by ffmpeg, watched in the UI."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import expect

from tests.support.clips import footage

from .appliance import Appliance
from .conftest import Ui
from .picture import play


@pytest_asyncio.fixture(loop_scope="session")
async def published(appliance: Appliance) -> AsyncIterator[str]:
    """A stream that ffmpeg publishes by RTMP, over and over."""
    await appliance.api("PUT", "/streams/bunny", {"inputs": [{"url": "publish://"}]})
    url = f"rtmp://127.0.0.1:{appliance.rtmp_port}/static/bunny"
    ffmpeg = await asyncio.create_subprocess_exec(
        "ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(footage()),
        "-c", "copy", "-f", "flv", url,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    yield "bunny"
    if ffmpeg.returncode is None:
        ffmpeg.kill()
    await ffmpeg.wait()


async def test_published_footage_is_watched(
    inside: Ui, appliance: Appliance, published: str
) -> None:
    await inside.go(f"streams/{published}")
    await appliance.running(published)
    seen = await play(inside.page)
    assert len(set(seen.means)) > len(seen.means) // 2, "the picture does not move"
    assert min(seen.means) > 0, "not black"
    await expect(inside.page.locator("main .facts")).to_contain_text("1280×720, 25 fps")


async def test_waiting_stream_says_so_and_tells_where_to_publish(
    inside: Ui, appliance: Appliance
) -> None:
    await appliance.api("PUT", "/streams/studio", {"inputs": [{"url": "publish://"}]})
    await inside.go("streams/studio")
    server = f"rtmp://127.0.0.1:{appliance.rtmp_port}/static"
    screen = inside.page.locator(".screen")
    await expect(screen).to_contain_text("Waiting for a publisher.")
    for title, value in (("Server", server), ("Stream key", "studio")):
        await expect(screen.get_by_text(value, exact=True)).to_be_visible()
        await screen.get_by_role("button", name=f"Copy {title}").click()
        assert await inside.page.evaluate("navigator.clipboard.readText()") == value
    await screen.get_by_role("link", name="All addresses").click()
    await expect(inside.page.get_by_text(f"{server}/studio", exact=True)).to_be_visible()
