"""The player page: latency, stalls, publishers that leave, ways that are denied."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from playwright.async_api import expect

from .appliance import Appliance, until
from .conftest import Ui
from .picture import delays, watch

Publisher = Callable[[str], Awaitable[asyncio.subprocess.Process]]
CAUGHT_UP_MS = 8000
"""Live is 1 to 3 s behind; without catching up it stays as far behind as the pause was long."""


@pytest_asyncio.fixture(loop_scope="session")
async def publish(appliance: Appliance) -> AsyncIterator[Publisher]:
    """`await publish(NAME)`: ffmpeg publishes a moving picture there until it is killed."""
    started: list[asyncio.subprocess.Process] = []

    async def start(name: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            "ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=15",
            "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15",
            "-pix_fmt", "yuv420p", "-f", "flv",
            f"rtmp://127.0.0.1:{appliance.rtmp_port}/static/{name}",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("query", ["", "&realtime=true", "&proto=webrtc"])
async def test_publisher_that_leaves_is_told_with_a_picture(
    ui: Ui, appliance: Appliance, publish: Publisher, query: str
) -> None:
    ui.expected = [r"status of (404|503)", r"WebSocket connection", "ERR_"]
    name = f"leaves{len(query)}"
    await appliance.api("PUT", f"/streams/{name}", {"inputs": [{"url": "publish://"}]})
    process = await publish(name)
    await appliance.running(name)
    await ui.page.goto(f"{appliance.streamer_url}{name}/embed.html?mute=true{query}")
    await watch(ui.page, "#video")
    process.kill()
    await process.wait()
    note = ui.page.locator(".player-away")
    await expect(note).to_contain_text("the publisher has left", timeout=60_000)
    await expect(ui.page.locator(".player-still")).to_be_visible()
    assert await ui.page.locator(".player-still").evaluate("(canvas) => canvas.width") == 320
    await publish(name)
    await expect(note).to_have_count(0, timeout=60_000)
    await expect(ui.page.locator(".player-still")).to_be_hidden()
    await watch(ui.page, "#video")


HOW_IT_CLOSES = """
window.endings = [];
const {close} = RTCPeerConnection.prototype;
RTCPeerConnection.prototype.close = function () {
  endings.push(this.connectionState);
  close.call(this);
};
"""


async def test_a_viewer_by_webrtc_comes_back_when_the_stream_is_enabled(
    ui: Ui, appliance: Appliance
) -> None:
    """The server's goodbye ends the session: ICE finds out a quarter of a minute later."""
    ui.expected = [r"status of (404|503)"]
    await appliance.api("PUT", "/streams/offandon", {"inputs": [{"url": "fake://fake"}]})
    await appliance.running("offandon")
    await ui.page.add_init_script(HOW_IT_CLOSES)
    await ui.page.goto(f"{appliance.streamer_url}offandon/embed.html?mute=true&proto=webrtc")
    moves = "() => document.getElementById('video').currentTime > 0.5"
    await ui.page.wait_for_function(moves)
    await appliance.api("PUT", "/streams/offandon", {"disabled": True})
    await ui.page.wait_for_function("() => endings.length > 0")
    assert await ui.page.evaluate("endings[0]") == "connected"
    note = ui.page.locator(".player-away")
    await expect(note).to_be_visible()
    await appliance.api("PUT", "/streams/offandon", {"disabled": False})
    await expect(note).to_have_count(0)
    await watch(ui.page, "#video")


async def test_a_page_without_a_picture_says_what_it_waits_for(
    ui: Ui, appliance: Appliance
) -> None:
    ui.expected = [r"status of (404|503)", r"WebSocket"]
    await appliance.api("PUT", "/streams/unpublished", {"inputs": [{"url": "publish://"}]})
    await ui.page.goto(f"{appliance.streamer_url}unpublished/embed.html?mute=true")
    note = ui.page.locator("#note")
    await expect(note).to_have_text(re.compile("Waiting for the first picture|not running|no such"))
    await ui.page.set_viewport_size({"width": 390, "height": 844})
    await expect(note).to_be_in_viewport(ratio=1)
    await ui.assert_no_overflow()


async def test_a_browser_that_is_refused_is_told_why(ui: Ui, appliance: Appliance) -> None:
    ui.expected = [r"status of (403|404)"]
    access = {"on_play": {"url": "securetoken://KEY"}}
    await appliance.api(
        "PUT", "/streams/members", {"inputs": [{"url": "fake://fake"}], "static": False, **access}
    )

    async def known() -> bool:
        asked = await ui.page.goto(f"{appliance.streamer_url}members/embed.html?token=wrong")
        return asked is not None and asked.status == 403

    await until(known, "the streamer knows the stream")
    note = ui.page.get_by_role("status")
    await expect(note).to_contain_text("Access to this stream is denied.")
    await expect(note).to_contain_text("The token must be")
    missing = await ui.page.goto(f"{appliance.streamer_url}nosuch/embed.html")
    assert missing is not None
    assert missing.status == 404
    await expect(note).to_have_text("There is no such stream.")
    plain = await ui.page.request.get(f"{appliance.streamer_url}nosuch/embed.html")
    assert plain.status == 404
    assert "<html" not in await plain.text()  # to who is no browser in one line


async def test_what_a_browser_cannot_decode_is_named(ui: Ui, appliance: Appliance) -> None:
    ui.expected = [r"status of 406", "ERR_FILE_NOT_FOUND", "WebSocket"]
    await appliance.api("PUT", "/streams/hevc", {"inputs": [{"url": "publish://"}]})
    process = await asyncio.create_subprocess_exec(
        "ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=5",
        "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=5",
        "-pix_fmt", "yuv420p", "-f", "mpegts", f"{appliance.streamer_url}hevc/mpegts",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await appliance.running("hevc")
        await ui.page.goto(f"{appliance.streamer_url}hevc/embed.html?mute=true")
        words = "This browser cannot decode HEVC (H.265)."
        await expect(ui.page.locator("#note")).to_have_text(words, timeout=60_000)
    finally:
        process.kill()
        await process.wait()


async def test_sound_that_is_lacked_takes_no_picture_away(ui: Ui, appliance: Appliance) -> None:
    """AC-3 beside H.264: the picture plays, and who asks is told why it is silent."""
    ui.expected = [r"status of 406", "WebSocket"]
    await appliance.api("PUT", "/streams/surround", {"inputs": [{"url": "publish://"}]})
    process = await asyncio.create_subprocess_exec(
        "ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=10",
        "-f", "lavfi", "-i", "sine", "-c:v", "libx264", "-preset", "ultrafast",
        "-tune", "zerolatency", "-g", "10", "-pix_fmt", "yuv420p", "-c:a", "ac3",
        "-f", "mpegts", f"{appliance.streamer_url}surround/mpegts",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await appliance.running("surround")
        await ui.page.goto(f"{appliance.streamer_url}surround/embed.html?mute=true&lang=ru")
        moves = "() => document.getElementById('video').currentTime > 0.5"
        await ui.page.wait_for_function(moves, timeout=60_000)
        sign = ui.page.get_by_role("button", name="Проблемы")
        await sign.press("Enter", timeout=60_000)
        await expect(ui.page.get_by_role("list")).to_contain_text("этот браузер не умеет AC-3")
        assert await sign.get_attribute("aria-expanded") == "true"
        await sign.press("Enter")
        await expect(ui.page.get_by_role("list")).to_be_hidden()
    finally:
        process.kill()
        await process.wait()


async def test_the_page_speaks_the_readers_language_and_takes_keys(
    ui: Ui, appliance: Appliance
) -> None:
    ui.expected = [r"status of (403|404)"]
    await appliance.running("demo")
    await ui.page.goto(f"{appliance.streamer_url}nosuch/embed.html?lang=ru")
    await expect(ui.page.get_by_role("status")).to_have_text("Такого потока нет.")
    assert await ui.page.evaluate("document.documentElement.lang") == "ru"
    await ui.page.goto(f"{appliance.streamer_url}demo/embed.html?mute=true&lang=ru")
    assert await ui.page.title() == "demo"
    video = ui.page.locator("#video")
    await expect(video).to_have_attribute("aria-label", "demo")
    moves = "() => document.getElementById('video').currentTime > 0.5"
    await ui.page.wait_for_function(moves, timeout=60_000)
    for key, state, value in (
        ("m", "muted", False), ("M", "muted", True), ("k", "paused", True), (" ", "paused", False),
        ("ArrowDown", "volume", 0.9), ("ArrowUp", "volume", 1),
    ):  # fmt: skip
        await ui.page.keyboard.press(key)
        found = f"() => Math.abs(document.getElementById('video').{state} - {float(value)}) < 0.01"
        await ui.page.wait_for_function(found, timeout=30_000)


async def test_sound_alone_is_said_to_be_that(ui: Ui, appliance: Appliance) -> None:
    await appliance.api("PUT", "/streams/radio", {"inputs": [{"url": "publish://"}]})
    process = await asyncio.create_subprocess_exec(
        "ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "sine", "-c:a", "aac",
        "-f", "mpegts", f"{appliance.streamer_url}radio/mpegts",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await appliance.running("radio")
        await ui.page.goto(f"{appliance.streamer_url}radio/embed.html?mute=true")
        await expect(ui.page.locator(".player-sound")).to_be_visible(timeout=60_000)
        moves = "() => document.getElementById('video').currentTime > 0.5"
        await ui.page.wait_for_function(moves, timeout=60_000)
    finally:
        process.kill()
        await process.wait()


async def test_player_catches_up_after_a_pause(ui: Ui, appliance: Appliance) -> None:
    await appliance.running("demo")
    await ui.page.goto(f"{appliance.streamer_url}demo/embed.html?mute=true")
    await watch(ui.page, "#video")
    await expect(ui.page.locator(".player-latency")).to_have_text(re.compile(r"^\d+\.\d s$"))
    await ui.page.evaluate("document.getElementById('video').pause()")
    await asyncio.sleep(2 * CAUGHT_UP_MS / 1000)  # so far behind it would be
    await ui.page.evaluate("document.getElementById('video').play()")
    await watch(ui.page, "#video")
    found = await delays(ui.page, "#video", count=10)
    assert 0 < min(found) < CAUGHT_UP_MS, found


async def test_another_way_is_taken_where_one_is_denied(ui: Ui, appliance: Appliance) -> None:
    ui.expected = [r"status of 403"]
    protocols = {"whitelist": True, "mseld": True, "player": True}
    wanted = {"inputs": [{"url": "fake://fake"}], "protocols": protocols}
    await appliance.api("PUT", "/streams/narrow", wanted)
    await appliance.running("narrow")
    await ui.page.goto(f"{appliance.streamer_url}narrow/embed.html?mute=true")
    await watch(ui.page, "#video")
    source = await ui.page.evaluate("document.getElementById('video').src")
    assert source.startswith("blob:")
    loaded = "performance.getEntriesByType('resource').map((entry) => entry.name).join()"
    assert "/tracks-" not in await ui.page.evaluate(loaded)  # no segment of HLS


@pytest_asyncio.fixture(loop_scope="session")
async def renditions(appliance: Appliance) -> AsyncIterator[str]:
    """A stream with two videos, 640 and 320 pixels wide."""
    await appliance.api("PUT", "/streams/two", {"inputs": [{"url": "publish://"}]})
    process = await asyncio.create_subprocess_exec(
        "ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=640x360:rate=15",
        "-map", "0:v", "-map", "0:v", "-s:v:1", "320x180", "-b:v:0", "600k", "-b:v:1", "150k",
        "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15",
        "-pix_fmt", "yuv420p", "-f", "mpegts", f"{appliance.streamer_url}two/mpegts",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    yield "two"
    if process.returncode is None:
        process.kill()
    await process.wait()


async def test_renditions_are_offered_and_chosen(
    ui: Ui, appliance: Appliance, renditions: str
) -> None:
    await appliance.running(renditions)
    await ui.page.goto(f"{appliance.streamer_url}{renditions}/embed.html?mute=true")
    quality = ui.page.get_by_label("Quality")
    await expect(quality).to_be_visible()
    for height in ("180", "360"):
        await quality.select_option(f"{height}p")
        shown = f"() => document.getElementById('video').videoHeight === {height}"
        await ui.page.wait_for_function(shown, timeout=60_000)
    await watch(ui.page, "#video")


async def test_controls_have_names_and_are_within_reach(ui: Ui, appliance: Appliance) -> None:
    await appliance.running("demo")
    await ui.page.goto(f"{appliance.streamer_url}demo/embed.html?mute=true")
    await watch(ui.page, "#video")
    await expect(ui.page.get_by_role("status")).to_be_attached()
    button = ui.page.get_by_role("button", name="Back to live", include_hidden=True)
    await expect(button).to_be_hidden()  # it is live
    quality = ui.page.get_by_label("Quality")
    await expect(quality).to_be_hidden()  # there is one
    await expect(quality).to_be_attached()
