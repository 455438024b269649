"""All streams on one page: problems first, totals, filters, pictures, bulk changes."""

from playwright.async_api import Route, expect

from .appliance import Appliance
from .conftest import Ui

WALL = {
    "wall/broken": {"inputs": [{"url": "rtsp://127.0.0.1:9/none"}]},
    "wall/waits": {"inputs": [{"url": "publish://"}], "labels": {"room": "north"}},
    "wall/runs": {
        "inputs": [{"url": "fake://fake"}],
        "title": "The third",
        "labels": {"room": "n"},
    },
    "wall/off": {"inputs": [{"url": "fake://fake"}], "disabled": True},
}


async def hang_up(appliance: Appliance) -> None:
    await appliance.api("PUT", "/streams/batch", [{"name": k, **v} for k, v in WALL.items()])
    await appliance.running("wall/runs")


async def expect_names(ui: Ui, names: list[str]) -> None:
    """The rows are these, once the states of all streams are known."""
    await expect(ui.page.locator("tbody td.name a")).to_have_text(names)


async def test_problems_come_first_and_states_are_counted(inside: Ui, appliance: Appliance) -> None:
    await hang_up(appliance)
    page = inside.page
    await page.get_by_label("Find a stream").fill("wall/")
    broken = page.get_by_role("row").filter(has_text="wall/broken")
    await expect(broken).to_contain_text("refused")
    await expect(page.locator("tbody tr")).to_have_count(4)
    await expect_names(inside, ["wall/broken", "wall/waits", "wall/runs", "wall/off"])
    states = page.get_by_role("group", name="State")
    found = await appliance.api("GET", "/streams?limit=1&include_totals=true&select=name")
    totals = found["totals"]
    await expect(states.get_by_role("button", name="All")).to_contain_text(str(totals["all"]))
    await states.get_by_role("button", name="Disabled").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect_names(inside, ["wall/off"])
    assert "state=disabled" in page.url
    await states.get_by_role("button", name="All").click()
    await page.get_by_label("Label", exact=True).fill("room=north")
    await page.keyboard.press("Enter")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect_names(inside, ["wall/waits"])
    await page.reload()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.get_by_label("Label", exact=True).fill("")
    await page.keyboard.press("Enter")
    await page.get_by_label("Order").select_option("By name")
    await expect(page.locator("tbody tr")).to_have_count(4)
    await expect_names(inside, sorted(WALL))
    await page.get_by_label("Find a stream").fill("the third")
    await expect(page.locator("tbody tr")).to_have_count(1)


async def test_pictures_are_of_what_runs(inside: Ui, appliance: Appliance) -> None:
    await hang_up(appliance)
    await inside.go("media?view=grid&q=wall/")
    tiles = inside.page.locator(".wall li")
    await expect(tiles).to_have_count(4)
    image = tiles.filter(has_text="The third").locator("img")
    await expect(image).to_be_visible()
    assert await image.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 640
    await expect(inside.page.locator(".wall img")).to_have_count(1)
    for name, reason in (("broken", "No data"), ("waits", "Nobody publishes"), ("off", "Off")):
        tile = tiles.filter(has=inside.page.get_by_text(f"wall/{name}", exact=True))
        await expect(tile.locator(".thumbnail")).to_have_text(reason)
    sessions = await appliance.api("GET", "/sessions?type=play&name=wall/runs")
    assert sessions["sessions"] == []
    await inside.page.set_viewport_size({"width": 390, "height": 844})
    await inside.assert_no_overflow()


async def test_many_are_changed_at_once(inside: Ui, appliance: Appliance) -> None:
    both = ["bulk/a", "bulk/b"]
    for name in both:
        await appliance.api("PUT", f"/streams/{name}", {"inputs": [{"url": "publish://"}]})
    page = inside.page
    await page.get_by_label("Find a stream").fill("bulk/")
    for name in both:
        await page.get_by_label(f"Choose {name}").check()
    bulk = page.get_by_role("group", name="Change many streams")
    await expect(bulk).to_contain_text("Chosen: 2")
    await bulk.get_by_role("button", name="Disable").click()
    await expect(page.get_by_role("status")).to_have_text("Disabled: 2.")
    await expect(page.get_by_role("row").filter(has_text="disabled")).to_have_count(2)
    await expect(bulk).to_be_hidden()
    for name in both:
        assert (await appliance.api("GET", f"/streams/{name}"))["disabled"] is True
        await page.get_by_label(f"Choose {name}").check()
    page.once("dialog", lambda dialog: dialog.accept())
    await bulk.get_by_role("button", name="Delete").click()
    await expect(page.get_by_text("No stream matches.")).to_be_visible()
    assert (await appliance.api("GET", "/streams?q=bulk/"))["streams"] == []


async def test_a_stream_on_its_second_source_is_seen(inside: Ui, appliance: Appliance) -> None:
    inputs = [{"url": "rtsp://127.0.0.1:9/none"}, {"url": "fake://fake"}]
    await appliance.api("PUT", "/streams/second", {"inputs": inputs})
    await appliance.running("second")
    await inside.go("media?q=second")
    await expect(inside.page.get_by_text("1 match")).to_be_visible()
    row = inside.page.get_by_role("row").filter(has_text="second")
    await expect(row).to_contain_text("on input 2")


async def test_who_sees_no_picture_is_led_on(ui: Ui, appliance: Appliance) -> None:
    async def with_documentation(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(json={**await answer.json(), "documentation": True})

    await appliance.api("PUT", "/streams/away", {"inputs": [{"url": "rtsp://127.0.0.1:9/none"}]})
    await ui.page.route("**/ui_settings", with_documentation)
    await ui.log_in(appliance.url)
    await ui.go("streams/away")
    screen = ui.page.locator(".screen")
    await expect(screen).to_contain_text("refused")
    help_link = screen.get_by_role("link", name="Why does it not play?")
    assert await help_link.get_attribute("href") == "/docs/troubleshooting.html"
    await expect(ui.page.get_by_role("link", name="Documentation")).to_be_visible()
    await screen.get_by_role("link", name="Log").click()
    await expect(ui.page.get_by_role("columnheader", name="Why")).to_be_visible()
