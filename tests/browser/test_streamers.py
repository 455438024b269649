"""Streamers in Central's UI."""

import aiohttp
from playwright.async_api import expect

from .appliance import Appliance, until
from .conftest import Ui
from .picture import play


async def test_local_streamer_is_healthy_in_all_checks(inside: Ui, appliance: Appliance) -> None:
    page = inside.page
    await page.get_by_role("link", name="Streamers").click()
    row = page.get_by_role("row").filter(has_text="local")
    await expect(row.get_by_text("healthy")).to_be_visible()
    await row.get_by_role("link").click()
    checks = page.locator(".checks li")
    await expect(checks).to_have_count(6)
    await expect(page.locator(".checks .dot.ok")).to_have_count(6)
    await expect(page.locator("dl")).to_contain_text(f":{appliance.streamer_port}")
    await expect(page.get_by_role("progressbar", name="CPU")).to_be_visible()
    await expect(page.get_by_role("row").filter(has_text="GiB").first).to_be_visible()
    history = page.get_by_role("region", name="History")
    await expect(history.locator("figure, .empty").first).to_be_visible()


async def test_streamer_is_added_set_up_and_disconnected(inside: Ui, appliance: Appliance) -> None:
    page = inside.page
    await inside.go("streamers")
    await page.get_by_role("button", name="Add streamer").click()
    await page.get_by_label("New streamer hostname").fill("edge1.test")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("edge1.test")

    await page.get_by_label("API URL", exact=True).fill("http://127.0.0.1:9")
    await page.get_by_label("Cluster key").fill("very secret")
    await page.get_by_label("Channel limit").fill("5")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status")).to_have_text("Saved.")
    saved = await appliance.api("GET", "/streamers/edge1.test")
    assert (saved["api_url"], saved["channel_limit"]) == ("http://127.0.0.1:9", 5)

    await page.get_by_role("link", name="Overview").click()
    failed = page.locator(".checks li").filter(has_text="API answers")
    await expect(failed.locator(".failure")).to_contain_text("cannot reach http://127.0.0.1:9")
    await expect(page.get_by_text("not healthy")).to_be_visible()

    await page.get_by_role("navigation", name="Sections").get_by_text("Settings").click()
    await expect(page.get_by_label("Cluster key")).to_have_value("")
    page.once("dialog", lambda dialog: dialog.accept())
    # The page may look at it once more while it goes.
    inside.expected = [r"status of 404 .*/streamers/edge1\.test\)$"]
    await page.get_by_role("button", name="Disconnect").click()
    await expect(page.get_by_role("link", name="edge1.test")).to_have_count(0)
    await expect(page.get_by_role("link", name="local")).to_be_visible()


async def test_bad_streamers_are_explained(inside: Ui, appliance: Appliance) -> None:
    inside.expected = [r"status of 400"]
    page = inside.page
    await inside.go("streamers")
    await page.get_by_role("button", name="Add streamer").click()
    told = page.get_by_role("dialog").get_by_role("alert")
    await page.get_by_label("New streamer hostname").fill("bad host")
    await page.get_by_role("button", name="Save").click()
    await expect(told).to_contain_text("no spaces")
    await page.get_by_label("New streamer hostname").fill("local")
    await page.get_by_role("button", name="Save").click()
    await expect(told).to_contain_text("connected already")
    await page.keyboard.press("Escape")

    before = await appliance.api("GET", "/streamers/local")
    await inside.go("streamers/local?tab=settings")
    await page.get_by_label("API URL", exact=True).fill("nonsense")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert")).to_contain_text("must start with http://")
    after = await appliance.api("GET", "/streamers/local")
    assert after["api_url"] == before["api_url"]


async def test_sessions_of_all_streamers_are_listed_and_closed(
    inside: Ui, appliance: Appliance
) -> None:
    await appliance.running("demo")
    await inside.go("streams/demo")
    await play(inside.page)
    await inside.go("sessions")
    page = inside.page
    row = page.get_by_role("row").filter(has_text="demo").first
    await expect(row).to_be_visible()
    sessions = (await appliance.api("GET", "/sessions"))["sessions"]
    await row.get_by_role("button").click()

    async def gone() -> bool:
        now = (await appliance.api("GET", "/sessions"))["sessions"]
        return len({item["id"] for item in now} & {item["id"] for item in sessions}) < len(sessions)

    await until(gone, "the session is closed")


async def test_streamer_is_drained_and_taken_back(inside: Ui, appliance: Appliance) -> None:
    page = inside.page
    await appliance.api("PUT", "/streamers/spare.test", {"api_url": "http://127.0.0.1:9"})
    await inside.go("streamers/spare.test")
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Drain").click()
    await expect(page.get_by_text("draining", exact=True)).to_be_visible()
    assert (await appliance.api("GET", "/streamers/spare.test"))["draining"] is True
    await page.get_by_role("button", name="Take it back into service").click()
    await expect(page.get_by_text("draining", exact=True)).to_have_count(0)
    await inside.page.goto("about:blank")  # which asks for it no more
    await appliance.api("DELETE", "/streamers/spare.test")


async def test_sessions_are_found_by_stream_and_protocol(inside: Ui, appliance: Appliance) -> None:
    await appliance.api("PUT", "/streams/sought", {"inputs": [{"url": "fake://fake"}]})
    await appliance.running("sought")
    page = inside.page
    timeout = aiohttp.ClientTimeout(total=90)
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        http.get(f"{appliance.streamer_url}sought/mpegts") as viewer,
    ):
        await viewer.content.readany()
        await inside.go("sessions")
        await page.get_by_label("Filter by stream").fill("ough")
        rows = page.locator("tbody tr")
        await expect(rows).to_have_count(1)
        await expect(rows.first).to_contain_text("tshttp")
        await page.get_by_label("Filter by protocol").fill("hls")
        await expect(page.get_by_text("No session matches.")).to_be_visible()
        await page.get_by_label("Filter by protocol").fill("")
        await expect(rows).to_have_count(1)
        assert "name=ough" in page.url
    await page.get_by_role("button", name="Ended").click()
    # Which sessions ended is sampled every 10 s: there may be none yet.
    shown = page.get_by_role("columnheader", name="Ended")
    await expect(shown.or_(page.get_by_text("No session matches."))).to_be_visible()
    assert "view=ended" in page.url
