"""Streams in Central's UI: add, watch, copy, change, delete."""

import time
from itertools import pairwise

import aiohttp
import pytest
from playwright.async_api import Request, expect

from .appliance import Appliance, until
from .conftest import Ui
from .picture import assert_test_picture, play

POLL_SECONDS = 2.0
"""How often a page asks for what it shows."""


async def add(ui: Ui, name: str, url: str) -> None:
    await ui.page.get_by_role("button", name="Add stream").click()
    dialog = ui.page.get_by_role("dialog")
    await dialog.get_by_label("Stream name").fill(name)
    await dialog.get_by_label("Source URL").fill(url)
    await dialog.get_by_role("button", name="Create").click()


async def test_added_stream_runs_and_plays(inside: Ui) -> None:
    await add(inside, "hall/one", "fake://fake")
    await expect(inside.page.get_by_role("dialog")).to_have_count(0)
    row = inside.page.get_by_role("row").filter(has_text="hall/one")
    await expect(row.get_by_text("running")).to_be_visible()
    await expect(row.get_by_text("local")).to_be_visible()
    await row.get_by_role("link").click()
    seen = await play(inside.page)
    assert_test_picture(seen)
    facts = inside.page.locator("main .facts")
    await expect(facts).to_contain_text("640×360, 25 fps")
    await expect(facts).to_contain_text("48 kHz, 2 ch")


async def test_output_lists_urls_that_answer_and_can_be_copied(
    inside: Ui, appliance: Appliance
) -> None:
    stream = await appliance.running("demo")
    await inside.go("streams/demo?tab=output")
    table = inside.page.locator("table.urls")
    rows = table.locator("tbody tr")
    await expect(rows).to_have_count(len(stream["stats"]["play_urls"]))
    shown = {}
    for row in await rows.all():
        url = await row.get_by_role("link").inner_text()
        await row.get_by_role("button").click()
        await expect(row.get_by_role("button")).to_have_text("Copied")
        assert await inside.page.evaluate("navigator.clipboard.readText()") == url
        shown[await row.locator("td").first.inner_text()] = url
    assert shown == {item["title"]: item["url"] for item in stream["stats"]["play_urls"]}
    assert set(shown) >= {"HLS", "LL-HLS", "HTTP MPEG-TS", "HTTP-FLV", "RTMP", "Player page"}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        for title, url in shown.items():
            if url.endswith("/whep"):  # asked by POST; this tells that it is there
                async with http.options(url) as answer:
                    assert "POST" in answer.headers["Access-Control-Allow-Methods"], title
            elif url.startswith("http"):
                async with http.get(url) as answer:
                    assert answer.status == 200, title
                    assert await answer.content.readany(), title


@pytest.mark.parametrize(
    ("name", "url", "told"),
    [
        ("with space", "fake://fake", "Letters, digits"),
        ("../streamers", "fake://fake", "no name of a stream"),
        ("a" * 300, "fake://fake", "255"),
        ("typo", "gopher://example.org/1", "gopher:// is no input scheme"),
        ("demo", "fake://fake", "There is a stream demo already"),
    ],
)
async def test_bad_stream_is_explained_and_nothing_is_lost(
    inside: Ui, appliance: Appliance, name: str, url: str, told: str
) -> None:
    inside.expected = [r"status of 400"]
    before = (await appliance.api("GET", "/streams/demo"))["config_on_disk"]
    await add(inside, name, url)
    dialog = inside.page.get_by_role("dialog")
    await expect(dialog.get_by_role("alert")).to_contain_text(told)
    assert await dialog.get_by_label("Stream name").input_value() == name
    assert await dialog.get_by_label("Source URL").input_value() == url
    await inside.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    assert (await appliance.api("GET", "/streams/demo"))["config_on_disk"] == before
    found = await appliance.api("GET", "/streams?select=name&q=typo")
    assert found["streams"] == []


async def test_stream_is_added_by_keyboard_alone(ui: Ui, appliance: Appliance) -> None:
    keyboard, page = ui.page.keyboard, ui.page
    await page.goto(appliance.url)
    await expect(page.get_by_label("Login")).to_be_focused()
    await keyboard.type("admin")
    await keyboard.press("Tab")
    await keyboard.type("admin")
    await keyboard.press("Enter")
    button = page.get_by_role("button", name="Add stream")
    await expect(button).to_be_visible()
    for _ in range(20):
        await keyboard.press("Tab")
        if await button.evaluate("(element) => element === document.activeElement"):
            break
    await expect(button).to_be_focused()
    await keyboard.press("Enter")
    await expect(page.get_by_label("Stream name")).to_be_focused()
    await keyboard.type("keys")
    await keyboard.press("Tab")
    await keyboard.type("fake://fake")
    await keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_have_text("Created keys.")
    await expect(button).to_be_focused()
    row = page.get_by_role("row").filter(has_text="keys")
    await expect(row.get_by_text("running")).to_be_visible()


async def test_inputs_are_added_and_removed(inside: Ui, appliance: Appliance) -> None:
    await appliance.api("PUT", "/streams/ins", {"inputs": [{"url": "fake://fake"}]})
    await inside.go("streams/ins?tab=input")
    page = inside.page
    await page.get_by_label("URL of a further input").fill("publish://")
    await page.get_by_role("button", name="Add input").click()
    await expect(page.get_by_role("row").filter(has_text="publish://")).to_be_visible()
    publish = f"rtmp://127.0.0.1:{appliance.rtmp_port}/static/ins"
    await expect(page.get_by_text(publish, exact=True)).to_be_visible()
    server = page.get_by_role("row").filter(has_text="RTMP: server")
    await expect(server).to_contain_text(publish.removesuffix("/ins"))
    await page.get_by_role("button", name="Remove input 2").click()
    await expect(page.get_by_role("row").filter(has_text="publish://")).to_have_count(0)
    assert (await appliance.api("GET", "/streams/ins"))["config_on_disk"]["inputs"] == [
        {"url": "fake://fake"}
    ]


async def test_log_tells_where_a_stream_ran_and_why_it_failed(
    inside: Ui, appliance: Appliance
) -> None:
    await appliance.api("PUT", "/streams/told", {"inputs": [{"url": "fake://fake"}]})
    await appliance.running("told")
    dead = {"inputs": [{"url": f"rtsp://127.0.0.1:{appliance.rtsp_port}/none"}]}
    await appliance.api("PUT", "/streams/told", dead)
    await inside.go("streams/told?tab=log")
    rows = inside.page.get_by_role("row")
    await expect(rows.filter(has_text="Placed").filter(has_text="it ran nowhere")).to_be_visible()
    refused = rows.filter(has_text="Source closed").filter(has_text="refused")
    # Attempt after attempt, all in one row.
    await expect(refused).to_contain_text("times since", timeout=60_000)
    await expect(rows.nth(1)).to_contain_text("Source ")  # the newest first
    await expect(rows.last).to_contain_text("Placed")


async def test_stream_is_disabled_enabled_and_deleted(inside: Ui, appliance: Appliance) -> None:
    # Whatever was asked of it as it ended is told so: the part that the player waited for, its
    # playlist, its state.
    inside.expected = [r"status of 404 .*/(streams/)?switch\b"]
    await appliance.api("PUT", "/streams/switch", {"inputs": [{"url": "fake://fake"}]})
    await appliance.running("switch")
    await inside.go("streams/switch")
    page = inside.page
    await page.get_by_role("button", name="Disable").click()
    await expect(page.get_by_text("The stream is disabled.")).to_be_visible()
    asked: list[float] = []

    def note(request: Request) -> None:
        if request.method == "GET" and request.url.endswith("/streams/switch"):
            asked.append(time.monotonic())

    async def enough() -> bool:
        return len(asked) > 5

    page.on("request", note)
    await page.get_by_role("button", name="Enable").click()
    await expect(page.locator(".still, video")).to_be_visible()
    await until(enough, "the page asks for the stream")
    gaps = [two - one for one, two in pairwise(asked[1:])]
    assert min(gaps) < POLL_SECONDS / 2, "who has enabled it waits for it"
    assert_test_picture(await play(page))
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="Media")).to_be_visible()
    await expect(page.get_by_role("link", name="switch")).to_have_count(0)


async def test_source_that_fails_says_why(inside: Ui, appliance: Appliance) -> None:
    dead = {"inputs": [{"url": f"rtsp://127.0.0.1:{appliance.rtsp_port}/none"}]}
    await appliance.api("PUT", "/streams/dead", dead)
    row = inside.page.get_by_role("row").filter(has_text="dead")
    await expect(row.get_by_text("refused")).to_be_visible()
    await inside.go("streams/dead")
    await expect(inside.page.locator(".screen")).to_contain_text("refused")
