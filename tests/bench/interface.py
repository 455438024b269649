"""The web interface in Chromium: login, 10,000 streams, a wall of 48 pictures, history."""

import asyncio
import os
import re
import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import aiohttp
import asyncpg
from media_central.embedded import DATABASE, USER
from playwright.async_api import Browser, CDPSession, Page, async_playwright

from tests.bench.figure import Figure, Skipped
from tests.browser.appliance import ADMIN, Appliance
from tests.support import proc
from tests.support.chromium import CHROMIUM

RUNS = 5
MANY = 10_000
WALL = 48
SCREEN = {"width": 1920, "height": 2600}
"""Pictures are asked for while they are in sight only: this shows all of the wall at once."""
WATCHED_SECONDS = 20.0
GRAPHS = 100
DAYS = 365
KEYS = "0777"
"""Each leaves fewer streams than the one before, so that each changes what is shown."""
PAUSE_SECONDS = 0.5
FAKE = [{"url": "fake://fake"}]
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
ROWS_SEEN = """
new MutationObserver((_, observer) => {
  if (!document.querySelector("tbody tr")) return;
  window.rowsSeen = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""
KEYSTROKE = """
(letter) => new Promise((answered) => {
  const box = document.querySelector('input[type="search"], main .bar input');
  const table = document.querySelector("main");
  const began = performance.now();
  const observer = new MutationObserver(() => {
    observer.disconnect();
    requestAnimationFrame(() => answered(performance.now() - began));
  });
  observer.observe(table, { childList: true, subtree: true, characterData: true });
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(box, box.value + letter);
  box.dispatchEvent(new Event("input", { bubbles: true }));
})
"""  # noqa: E501


def run() -> list[Figure]:
    if CHROMIUM is None:
        raise Skipped("Chromium is not installed")
    return asyncio.run(_run(CHROMIUM))


async def _run(chromium: str) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        appliance = Appliance(Path(folder))
        appliance.start()
        try:
            appliance.wait_ready()
            await appliance.running("demo")
            async with async_playwright() as driver:
                browser = await driver.chromium.launch(
                    executable_path=chromium, args=["--no-sandbox"]
                )
                figures = await _login(browser, appliance)
                figures += await _wall(browser, appliance)
                figures += await _history(appliance)
                figures += await _list(browser, appliance)
                await browser.close()
            return figures
        finally:
            appliance.stop()


async def _login(browser: Browser, appliance: Appliance) -> list[Figure]:
    paints, sizes = [], []
    for _ in range(RUNS):
        context = await browser.new_context()
        page = await context.new_page()
        session = await context.new_cdp_session(page)
        received = await _counted(session)
        await page.goto(appliance.url)
        await page.get_by_label("Login").wait_for()
        await page.wait_for_function(FIRST_PAINT)
        paints.append(await page.evaluate(FIRST_PAINT))
        sizes.append(sum(received) / 1000)
        await context.close()
    return [
        Figure("login, first paint, median", statistics.median(paints), "ms", goal="< 300"),
        Figure("login, bytes", max(sizes), "kB", goal="< 60"),
    ]


async def _counted(session: CDPSession) -> list[float]:
    """Bytes of each answer on the wire, as they come."""
    received: list[float] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    await session.send("Network.enable")
    return received


async def _inside(browser: Browser, appliance: Appliance) -> Page:
    page = await (await browser.new_context(viewport=SCREEN)).new_page()
    await page.goto(appliance.url)
    await page.get_by_label("Login").fill("admin")
    await page.get_by_label("Password").fill("admin")
    await page.get_by_role("button", name="Sign in").click()
    await page.locator("tbody tr").first.wait_for()
    return page


async def _wall(browser: Browser, appliance: Appliance) -> list[Figure]:
    """What the wall costs the whole server: with it open, less without."""
    for number in range(WALL):
        body = {"inputs": [{"url": "copy://demo"}]}
        await appliance.api("PUT", f"/streams/wall{number:02d}", body)
    await appliance.running(f"wall{WALL - 1:02d}")
    await asyncio.sleep(WATCHED_SECONDS / 4)
    page = await _inside(browser, appliance)
    idle = await _load(appliance)
    pictures: list[str] = []
    page.on("requestfinished", lambda asked: pictures.append(asked.url))
    await page.goto(f"{appliance.url}#/media?view=grid&q=wall")
    await page.locator("main img").nth(WALL - 1).wait_for()
    await asyncio.sleep(WATCHED_SECONDS / 4)
    pictures.clear()
    busy = await _load(appliance)
    fetched = sum("preview.jpg" in url for url in pictures)
    assert fetched >= WALL, "the pictures were not asked for anew"
    await page.context.close()
    await appliance.api(
        "PUT", "/streams/batch", [{"name": f"wall{n:02d}", "disabled": True} for n in range(WALL)]
    )
    note = f"{busy:.1f} with it, {idle:.1f} with a list, {fetched} pictures"
    return [Figure(f"wall of {WALL} pictures", busy - idle, "% core", goal="< 5", note=note)]


async def _load(appliance: Appliance) -> float:
    """Percent of a core that all processes of the appliance take."""
    assert appliance._process is not None
    meter = proc.CpuMeter(_family(appliance._process.pid))
    await asyncio.sleep(WATCHED_SECONDS)
    return meter.percent()


def _family(pid: int) -> list[int]:
    """The process and our own ones below it; PostgreSQL's come and go."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = [one for one in map(int, children) if any("media_" in word for word in proc.command(one))]
    return [pid, *(one for child in own for one in _family(child))]


async def _history(appliance: Appliance) -> list[Figure]:
    """Graphs of a year and of an hour, with 500 streams in the tables."""
    lines = (appliance.directory / "data/postgresql/postmaster.pid").read_text().splitlines()
    url = f"postgresql://{USER}@/{DATABASE}?host={quote(lines[4].strip(), safe='')}"
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO stream_day SELECT d, 's' || s, 'local', 1440, 2000, 2100, 5, 9, 1, 1, 1"
        " FROM generate_series(1, 500) s,"
        f" generate_series(now() - interval '{DAYS} days', now(), interval '1 day') d"
    )
    await connection.execute(
        "INSERT INTO stream_sample (at, stream, streamer, status, bitrate_kbit, clients_avg,"
        " clients_max, bytes_in, bytes_out, alive)"
        " SELECT m, 's' || s, 'local', 'running', 2000, 1, 2, 5, 9, 1"
        " FROM generate_series(1, 500) s, generate_series(now() - interval '1 hour', now(),"
        " interval '1 minute') m"
    )
    await connection.execute("ANALYZE stream_day, stream_sample")
    await connection.close()
    for number in (1, 2):
        await appliance.api("PUT", f"/streams/s{number}", {"disabled": True, "inputs": FAKE})
    figures = []
    now = int(time.time() * 1000)
    async with aiohttp.ClientSession(headers=ADMIN) as http:
        for title, days in (("a year", DAYS), ("an hour", 1 / 24)):
            span = f"from={now - int(days * 86_400_000)}&to={now}&points=200"
            times = []
            for number in range(GRAPHS):
                path = f"central/api/v3/history/streams/s{1 + number % 2}?{span}"
                began = time.perf_counter()
                async with http.get(appliance.url + path) as answer:
                    found = await answer.json()
                    assert answer.status == 200, found
                times.append(1000 * (time.perf_counter() - began))
            count = len(found["points"])
            assert count > 30, found
            figures.append(
                Figure(
                    f"graph of {title}, p95",
                    sorted(times)[GRAPHS * 95 // 100 - 1],
                    "ms",
                    goal="< 150",
                    note=f"{count} points",
                )
            )
    return figures


async def _list(browser: Browser, appliance: Appliance) -> list[Figure]:
    for first in range(0, MANY, 1000):
        body = [
            {"name": f"many/{number:05d}", "disabled": True, "inputs": FAKE}
            for number in range(first, first + 1000)
        ]
        await appliance.api("PUT", "/streams/batch", body)
    page = await _inside(browser, appliance)
    await page.add_init_script(ROWS_SEEN)
    paints, keys = [], []
    for _ in range(RUNS):
        await page.reload()
        await page.locator("tbody tr").first.wait_for()
        paints.append(await page.evaluate("window.rowsSeen"))
    await page.get_by_text(re.compile("10,?0[0-9]{2}")).first.wait_for()
    for letter in KEYS:
        keys.append(await page.evaluate(KEYSTROKE, letter))
        await asyncio.sleep(PAUSE_SECONDS)
    return [
        Figure(f"list of {MANY} streams, first rows, median", statistics.median(paints), "ms",
               goal="< 1000"),
        Figure("a key in its search, median", statistics.median(keys), "ms", goal="< 100",
               note=f"slowest {max(keys):.0f}; load of the machine {os.getloadavg()[0]:.0f}"),
    ]  # fmt: skip
