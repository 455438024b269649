"""What is recorded, on the page of its stream: in Central's UI, in Chromium."""

import re
from collections.abc import AsyncIterator
from datetime import datetime

import aiohttp
import pytest_asyncio
from playwright.async_api import Route, expect

from .appliance import Appliance, until
from .conftest import OpenUi, Ui
from .picture import assert_test_picture, watch

NAME = "recorded"


@pytest_asyncio.fixture(loop_scope="session")
async def recorded(appliance: Appliance) -> AsyncIterator[str]:
    """A stream with some seconds in its archive, which is not for everybody."""
    await appliance.api(
        "PUT",
        f"/streams/{NAME}",
        {
            "inputs": [{"url": "fake://fake"}],
            "segment_duration": 1000,
            "on_play": {"url": "securetoken://SECRET"},
            "dvr": {"root": str(appliance.directory / "archive"), "expiration": 3600},
        },
    )

    async def ranges() -> bool:
        # The streamer may be told of the stream only now, and is asked where it runs.
        stream = await appliance.api("GET", f"/streams/{NAME}")
        if not stream["stats"].get("dvr_enabled"):
            return False
        try:
            found = await appliance.api("GET", f"/streams/{NAME}/dvr/ranges")
        except aiohttp.ClientResponseError:
            return False  # what Central knows of it is of before it was deleted
        return sum(one["duration"] for one in found["ranges"]) >= 4

    await until(ranges, "four seconds are recorded", 60)
    yield NAME
    await appliance.api("DELETE", f"/streams/{NAME}")


async def test_an_archive_is_shown_played_locked_and_exported(
    ui: Ui, appliance: Appliance, recorded: str
) -> None:
    page = ui.page
    await ui.log_in(appliance.url)
    row = page.get_by_role("row").filter(has_text=recorded)
    await expect(row.get_by_label("recording", exact=True)).to_be_visible()
    await ui.go(f"streams/{recorded}?tab=archive")
    # How much there is, is looked at each minute.
    await expect(page.get_by_text("Recording,")).to_be_visible(timeout=90_000)
    line = page.get_by_role("slider", name="Time of the archive")
    await expect(line.locator(".recorded").first).to_have_count(1)
    light = page.locator("header.bar").get_by_role("img", name="recording", exact=True)
    await expect(light).to_be_visible()

    await assert_days_are_chosen(ui)

    await page.get_by_label("Shown").select_option("an hour")
    await expect(line.locator(".recorded").first).to_have_count(1)
    await page.get_by_label("Shown").select_option("a day")

    # By a time of day, or so long ago: the next moment that is recorded.
    player = page.locator("archive-player")
    await page.get_by_label("Time of day").fill("00:00:00")
    await page.get_by_role("button", name="Play from").click()
    first = await player.get_attribute("src")
    await page.get_by_role("button", name="5 min ago").click()
    assert await player.get_attribute("src") == first

    # The keyboard is enough: the first moment of the day that is recorded.
    await line.focus()
    await line.press("Home")
    await expect(page.get_by_text("Plays ")).to_be_visible()
    assert_test_picture(await watch(page, "archive-player video"))

    await page.get_by_role("button", name="Lock", exact=True).click()
    await expect(line.locator(".locked")).to_have_count(1)
    locks = await appliance.api("GET", f"/streams/{recorded}/dvr/locks")
    assert [one["duration"] for one in locks["locks"]] == [60]
    await page.get_by_role("button", name="Unlock").click()
    await expect(line.locator(".locked")).to_have_count(0)

    await page.get_by_role("button", name="Export").click()
    film = page.get_by_role("row").filter(has_text="done")
    link = await film.get_by_role("link", name="Download").get_attribute("href")
    assert link is not None
    answer = await page.request.get(link)
    assert (answer.status, (await answer.body())[4:8]) == (200, b"ftyp")
    await film.get_by_role("button", name="Delete").click()
    await expect(film).to_have_count(0)
    answer = await page.request.get(link)
    assert answer.status == 404

    await assert_the_disk_is_shown(ui, appliance)


async def assert_the_disk_is_shown(ui: Ui, appliance: Appliance) -> None:
    """Among those of the streamer: how full it is and how large, how much is written to it, what
    its archives take and how far back they go."""
    await ui.go("streamers/local")
    path = str(appliance.directory / "archive")
    streamer = await appliance.api("GET", "/streamers/local")
    told = next(one for one in streamer["stats"]["partitions"] if one["path"] == path)
    # What lies on no block device, such as tmpfs, has no figures of its own.
    speed = r"^[\d.]+ [KMG]?i?B/s$" if "write_bytes_per_second" in told else "^–$"
    disks = ui.page.locator("table.disks")
    row = disks.get_by_role("row").filter(has_text=path)
    await expect(row.get_by_role("progressbar").first).to_be_visible()
    names = await disks.get_by_role("columnheader").all_inner_texts()
    for name, text in (
        ("Used", r"^\s*\d+ %$"),
        ("Size", r"^\d+ GiB$"),
        ("Writing", speed),
        ("Archives", r"^[\d.]+ [KM]iB$"),
        ("Depth", r"^(\d+m )?\d+s$"),
    ):
        cell = row.get_by_role("cell").nth(names.index(name))
        await expect(cell).to_have_text(re.compile(text))


async def assert_days_are_chosen(ui: Ui) -> None:
    """The calendar marks what is recorded, and the keyboard is enough to go there."""
    page = ui.page
    opener = page.get_by_role("button", name="Day:")
    days = page.get_by_role("dialog", name="Choose a day")
    focused = days.locator("td button:focus")

    await opener.press("Enter")
    # A test that runs over midnight has two days, of which the last one is shown.
    await expect(focused).to_have_attribute("aria-label", re.compile(", recorded$"))
    await expect(focused).to_have_attribute("aria-current", "date")
    today = await focused.inner_text()
    await expect(days.get_by_role("columnheader").first).to_have_text("Mon")
    await focused.press("ArrowRight")  # nothing is recorded tomorrow
    await expect(focused).to_have_text(today)
    await focused.press("Escape")
    await expect(days).to_have_count(0)
    await expect(opener).to_be_focused()


async def test_a_day_of_another_month_is_chosen(
    ui: Ui, appliance: Appliance, recorded: str
) -> None:
    """What is recorded is told by the test: two parts of 2024, of which one goes over midnight."""
    page = ui.page
    parts = [(2024, 2, 28, 23), (2024, 2, 29, 12), (2024, 3, 31, 12)]

    async def tell(route: Route) -> None:
        ranges = [{"from": int(datetime(*part).timestamp()), "duration": 7200} for part in parts]
        await route.fulfill(json={"ranges": ranges})

    await page.route("**/dvr/ranges?*", tell)
    await ui.log_in(appliance.url)
    await ui.go(f"streams/{recorded}?tab=archive")
    line = page.get_by_role("slider", name="Time of the archive")
    opener = page.get_by_role("button", name="Day:")
    days = page.get_by_role("dialog", name="Choose a day")
    focused = days.locator("td button:focus")
    await opener.click()
    while await days.get_by_text("March 2024", exact=True).count() == 0:
        await focused.press("PageUp")
    await expect(days.locator("td .marked")).to_have_text(["31"])
    await days.get_by_role("button", name="Month before").click()
    await expect(days.locator("td .marked")).to_have_text(["28", "29"])
    await expect(days.get_by_role("button", name="Month before")).to_be_disabled()
    await expect(days.get_by_role("button", name="February 27, 2024")).to_be_disabled()
    await days.get_by_role("button", name="February 29, 2024, recorded").press("ArrowLeft")
    await days.get_by_role("button", name="February 29, 2024, recorded").click()
    await expect(days).to_have_count(0)
    await expect(opener).to_have_text("Thu, Feb 29, 2024")
    assert await line.get_attribute("aria-valuemin") == f"{datetime(2024, 2, 29).timestamp():.0f}"
    await expect(line.locator(".recorded")).to_have_count(2)


async def test_an_archive_fits_a_phone(
    open_ui: OpenUi, appliance: Appliance, recorded: str
) -> None:
    ui = await open_ui(viewport={"width": 390, "height": 800})
    await ui.log_in(appliance.url)
    await ui.go(f"streams/{recorded}?tab=archive")
    await expect(ui.page.get_by_role("slider")).to_be_visible()
    await ui.page.get_by_role("button", name="Day:").click()
    await expect(ui.page.get_by_role("dialog", name="Choose a day")).to_be_in_viewport(ratio=1)
    await ui.assert_no_overflow()
