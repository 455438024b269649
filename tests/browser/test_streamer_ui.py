"""The streamer's own UI: what Central gave it, its player page, its configuration file."""

import re

from playwright.async_api import expect

from .appliance import Appliance
from .conftest import Ui
from .picture import assert_test_picture, delays, play, watch


async def test_streams_are_marked_as_from_central_and_play(ui: Ui, appliance: Appliance) -> None:
    await appliance.running("demo")
    await ui.log_in(appliance.streamer_url)
    page = ui.page
    await expect(page.get_by_text("Streamer local")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="demo")
    await expect(row.get_by_text("Central")).to_be_visible()
    await expect(page.get_by_role("button", name="Add stream")).to_have_count(0)
    await row.get_by_role("link").click()
    await expect(page.get_by_text("From Central:")).to_be_visible()
    assert_test_picture(await play(page))
    for name in ("Disable", "Delete"):
        await expect(page.get_by_role("button", name=name)).to_have_count(0)
    await ui.go("streams/demo?tab=settings")
    await expect(page.get_by_label("Title", exact=True)).to_be_disabled()
    await expect(page.get_by_role("button", name="Save")).to_have_count(0)


async def test_play_urls_are_those_that_central_tells(ui: Ui, appliance: Appliance) -> None:
    stream = await appliance.running("demo")
    await ui.log_in(appliance.streamer_url)
    await ui.go("streams/demo?tab=output")
    links = ui.page.locator("table.urls a")
    await expect(links.first).to_be_visible()
    told = [item["url"] for item in stream["stats"]["play_urls"]]
    assert await links.all_inner_texts() == told


async def test_player_page_plays(ui: Ui, appliance: Appliance) -> None:
    await appliance.running("demo")
    await ui.page.goto(f"{appliance.streamer_url}demo/embed.html?mute=true")
    assert_test_picture(await watch(ui.page, "#video"))


async def test_player_page_is_near_the_live_edge_by_websocket(ui: Ui, appliance: Appliance) -> None:
    """The picture's clock is compared with this machine's, which also draws it."""
    await appliance.running("demo")
    await ui.page.goto(f"{appliance.streamer_url}demo/embed.html?realtime=true&mute=true")
    assert_test_picture(await watch(ui.page, "#video"))
    found = sorted(await delays(ui.page, "#video"))
    assert len(found) > 10
    # 0.4 s where the machine has time; a busy one shows its best frames late, too.
    assert 0 < found[0] < 2000, found


async def test_viewers_are_listed(ui: Ui, appliance: Appliance) -> None:
    await appliance.running("demo")
    await ui.log_in(appliance.streamer_url)
    await ui.go("streams/demo")
    await play(ui.page)
    await ui.go("sessions")
    row = ui.page.get_by_role("row").filter(has_text="demo").first
    await expect(row).to_contain_text("llhls")
    await expect(row).to_contain_text("127.0.0.1")


async def test_server_shows_its_load(ui: Ui, appliance: Appliance) -> None:
    await ui.log_in(appliance.streamer_url)
    await ui.page.get_by_role("link", name="Server").click()
    await expect(ui.page.get_by_role("progressbar", name="CPU")).to_be_visible()
    await expect(ui.page.get_by_role("row").filter(has_text="GiB").first).to_be_visible()


async def test_history_of_a_streamer_by_itself(ui: Ui, appliance: Appliance) -> None:
    await appliance.running("demo")
    await ui.log_in(appliance.streamer_url)
    await ui.go("server")
    await expect(ui.page.get_by_text("History is kept where")).to_be_visible()
    history = {"pulsedb": str(appliance.directory / "history")}
    await appliance.streamer_api("PUT", "/config", history)
    try:
        await ui.page.reload()
        charts = ui.page.get_by_role("region", name="History").locator("canvas")
        await expect(charts).to_have_count(4, timeout=60_000)
        await ui.go("streams/demo")
        await expect(charts).to_have_count(2, timeout=60_000)
    finally:
        await appliance.streamer_api("PUT", "/config", {"pulsedb": None})


async def test_configuration_is_shown_and_errors_have_their_lines(
    ui: Ui, appliance: Appliance
) -> None:
    ui.expected = [r"status of 400"]
    await ui.log_in(appliance.streamer_url)
    await ui.go("config")
    text = ui.page.get_by_label("Configuration file")
    await expect(text).to_have_value(re.compile(rf"http [^;]*{appliance.streamer_port};"))
    before = await text.input_value()
    await text.fill(before + "\nfirst_wrong;\nsecond_wrong 1;\n")
    lines = before.count("\n") + 1
    for button in ("Check", "Save"):
        await ui.page.get_by_role("button", name=button).click()
        alert = ui.page.get_by_role("alert")
        await expect(alert).to_contain_text(f":{lines + 1}:1: error: unknown directive 'first_wro")
        await expect(alert).to_contain_text(f":{lines + 2}:1: error: unknown directive 'second_wro")
    await text.fill(before)
    await ui.page.get_by_role("button", name="Check").click()
    await expect(ui.page.get_by_role("status")).to_have_text("No errors found.")
