"""Pages with players of others, and ours, for Chromium: each plays one address by itself."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from urllib.parse import urlencode

from aiohttp import web
from playwright.async_api import Browser, Page, async_playwright

from tests.support.chromium import ARGUMENTS, CHROMIUM
from tests.support.ports import free_port

TESTS = Path(__file__).parents[1]
VENDOR = {"vendor": TESTS / "vendor", "ours": TESTS.parent / "web/media_web/static/vendor"}
FILES = {
    "dash": "vendor/dash.min.js",
    "videojs": "vendor/videojs.min.js",
    "shaka": "vendor/shaka.min.js",
    "hls": "ours/hls.min.js",
}
STARTS = {
    "dash": """
        var player = dashjs.MediaPlayer().create();
        player.updateSettings({streaming: {utcSynchronization: {
          defaultTimingSource: {scheme: "", value: ""}, backgroundAttempts: 0}}});
        player.on("error", (event) => failed(event.error?.message ?? event.error));
        player.initialize(video, address, true);
    """,
    "videojs": """
        const llhls = address.includes(".ll.");
        const player = videojs(video, {html5: {vhs: {overrideNative: true, llhls}}});
        player.on("error", () => failed(player.error().message));
        player.src({src: address, type: "application/x-mpegURL"});
        player.ready(() => player.play());
    """,
    "shaka": """
        const player = new shaka.Player();
        player.addEventListener("error", (event) => failed(event.detail.code));
        player.attach(video).then(() => player.load(address)).then(() => video.play(), failed);
    """,
    "hls": """
        const player = new Hls();
        player.on(Hls.Events.ERROR, (_, one) => one.fatal && failed(one.details));
        player.loadSource(address);
        player.attachMedia(video);
        video.play();
    """,
}
PAGE = """<!doctype html>
<link rel="icon" href="data:,">
<video id="video" autoplay playsinline {muted}></video>
<script src="/{file}"></script>
<script>
  const video = document.getElementById("video");
  const address = {address};
  window.failures = [];
  const failed = (why) => failures.push(String(why));
  {start}
</script>
"""

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")

PageUrl = Callable[..., str]


@contextlib.asynccontextmanager
async def chromium(*more: str) -> AsyncIterator[Browser]:
    """A browser of its own, with more arguments."""
    async with async_playwright() as playwright:
        words = [*ARGUMENTS, *more]
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=words)
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def camera_page() -> AsyncIterator[Page]:
    """A page with a made-up camera, which may speak WebRTC with this machine by loopback."""
    async with chromium(*CAMERA, "--allow-loopback-in-peer-connection") as browser:
        context = await browser.new_context(bypass_csp=True, permissions=["camera"])
        yield await context.new_page()


@contextlib.asynccontextmanager
async def player_pages(starts: Mapping[str, str] = STARTS) -> AsyncIterator[PageUrl]:
    """`url(PLAYER, ADDRESS)` of a page that plays it, and tells failures in `failures`. With
    `sound=True` it is not muted. Its origin is another one than the server's. `starts`: the script
    that starts each player."""

    async def answer(request: web.Request) -> web.Response:
        player, address = request.query["player"], request.query["address"]
        text = PAGE.format(
            file=FILES[player],
            address=json.dumps(address),
            start=starts[player],
            muted="" if "sound" in request.query else "muted",
        )
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", answer)
    for name, folder in VENDOR.items():
        app.router.add_static(f"/{name}", folder)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()

    def url(player: str, address: str, *, sound: bool = False) -> str:
        query = {"player": player, "address": address} | ({"sound": "1"} if sound else {})
        return f"http://127.0.0.1:{port}/?{urlencode(query)}"

    try:
        yield url
    finally:
        await runner.cleanup()
