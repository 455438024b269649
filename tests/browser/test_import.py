"""A configuration file from elsewhere is looked at, and then taken over."""

from playwright.async_api import Locator, Page, expect

from .appliance import Appliance
from .conftest import Ui

FILE = """
http 80;
edit_auth admin HIDDEN;
auth_backend imported_rules { allow ip 127.0.0.1; }
template paid { on_play auth://imported_rules; }
stream import/one { template paid; title "One"; input fake://fake; epg_enabled; }
stream import/two { input publish://; }
stream import/here { input publish://; }
stream import/broken { input gopher://x; }
"""


async def look(page: Page) -> None:
    """Again where the server took longer than the page waits, as a user does who is told so."""
    for _ in range(4):
        await page.get_by_role("button", name="Look at it").click()
        late = page.get_by_text("The server does not answer within")
        await expect(page.get_by_role("row").or_(late).first).to_be_visible()
        if not await late.count():
            return


async def test_a_file_is_looked_at_and_taken_over(inside: Ui, appliance: Appliance) -> None:
    await appliance.api("PUT", "/streams/import%2Fhere", {"inputs": [{"url": "fake://fake"}]})
    page = inside.page
    await page.get_by_role("link", name="Import …").click()
    file = {"name": "flussonic.conf", "mimeType": "text/plain", "buffer": FILE.encode()}
    await page.get_by_label("Choose a file …").set_input_files([file])  # type: ignore[list-item]
    await expect(page.get_by_label("Configuration file")).to_have_value(FILE)
    await look(page)

    def row(text: str) -> Locator:
        return page.get_by_role("row").filter(has_text=text)

    await expect(row("import/one")).to_contain_text("is made")
    await expect(row("import/one")).to_contain_text("epg_enabled has no effect")
    await expect(row("import/here")).to_contain_text("changes the stream that is here")
    await expect(row("import/here").get_by_role("checkbox")).not_to_be_checked()
    await expect(row("import/broken")).to_contain_text("is left out")
    await expect(row("import/broken").get_by_role("checkbox")).to_be_disabled()
    await expect(row("input gopher://x")).to_contain_text("no input scheme")
    await expect(row("edit_auth")).to_be_visible()
    await expect(page.get_by_text("imported_rules: is made")).to_be_visible()
    found = await appliance.api("GET", "/streams?q=import/&select=name")
    assert [one["name"] for one in found["streams"]] == ["import/here"], "it was only looked at"

    await row("import/two").get_by_role("checkbox").uncheck()
    await page.get_by_role("button", name="Take over the chosen streams (1)").click()
    await expect(page.get_by_role("status")).to_contain_text("Taken over: 1 streams.")
    one = await appliance.running("import/one")
    assert (one["title"], one["on_play"]["url"]) == ("One", "auth://imported_rules")
    rules = await appliance.api("GET", "/auth_backends/imported_rules")
    assert rules["allow_ips"] == ["127.0.0.1"]
    await appliance.api("DELETE", "/auth_backends/imported_rules")


async def test_what_cannot_be_taken_over_is_said(inside: Ui) -> None:
    page = inside.page
    await inside.go("import")
    await page.get_by_label("Configuration file").fill("stream bad name { }; nonsense 5;")
    await look(page)
    await expect(page.get_by_role("row").filter(has_text="nonsense")).to_contain_text("unknown")
    await expect(
        page.get_by_role("button", name="Take over the chosen streams (0)")
    ).to_be_disabled()
