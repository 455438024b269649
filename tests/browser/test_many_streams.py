"""A thousand streams in the list."""

import re

from playwright.async_api import expect

from .appliance import Appliance
from .conftest import Ui

COUNT = 1000
PAGE = 50
BULK_WAIT_MS = 60_000
"""One request that writes a thousand rows: seconds on a machine that does much else."""
MAX_PAGE_BYTES = 100_000
"""What makes the first paint quick: the page asks for its rows only (40 kB, the list is 800 kB)."""


async def test_pages_of_a_thousand_streams(ui: Ui, appliance: Appliance) -> None:
    # Disabled: a thousand running streams would test the streamer, not the list.
    names = [f"many/{number:04d}" for number in range(COUNT)]
    config = {"disabled": True, "inputs": [{"url": "fake://fake"}]}
    await appliance.api("PUT", "/streams/batch", [{"name": name, **config} for name in names])
    try:
        await see_pages(ui, appliance)
    finally:
        await appliance.delete_streams()


async def see_pages(ui: Ui, appliance: Appliance) -> None:
    page = ui.page
    await ui.log_in(appliance.url)
    await expect(page.locator("tbody tr")).to_have_count(PAGE)
    await page.reload()
    await expect(page.locator("tbody tr")).to_have_count(PAGE)
    async with page.expect_response(re.compile(r"/streams\?")) as asked:
        pass
    assert len(await (await asked.value).body()) < MAX_PAGE_BYTES
    await expect(page.locator("tbody tr")).to_have_count(PAGE)

    search = page.get_by_label("Find a stream")
    await search.fill("many/")
    pages = page.get_by_role("navigation", name="Pages")
    await expect(pages).to_contain_text(f"Page 1 of 20, {COUNT} streams")
    seen: list[str] = []
    for number in range(1, COUNT // PAGE + 1):
        await expect(pages).to_contain_text(f"Page {number} of 20")
        first = page.locator("tbody tr").first
        await expect(first).to_contain_text(f"many/{(number - 1) * PAGE:04d}")
        seen += await page.locator("tbody td.name a").all_inner_texts()
        if number < COUNT // PAGE:
            await pages.get_by_role("button", name="Next").click()
    assert seen == [f"many/{number:04d}" for number in range(COUNT)]
    await expect(pages.get_by_role("button", name="Next")).to_be_disabled()
    await pages.get_by_role("button", name="Previous").click()
    await expect(pages).to_contain_text("Page 19 of 20")

    await search.fill("many/0777")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(pages).to_have_count(0)
    assert "q=many" in page.url  # the view can be sent to others
    await page.reload()
    await expect(page.locator("tbody tr")).to_have_count(1)

    await search.fill("many/")
    await expect(page.locator("tbody tr")).to_have_count(PAGE)
    await page.get_by_label("Choose all of this page").check()
    await page.get_by_role("button", name=f"Choose all {COUNT}").click()
    bulk = page.get_by_role("group", name="Change many streams")
    await expect(bulk).to_contain_text(f"Chosen: {COUNT}")
    page.once("dialog", lambda dialog: dialog.accept("wall=north"))
    await bulk.get_by_role("button", name="Label").click()
    labelled = page.get_by_role("status")
    await expect(labelled).to_have_text(f"Labelled: {COUNT}.", timeout=BULK_WAIT_MS)
    await search.fill("")
    await page.get_by_label("Label", exact=True).fill("wall=north")
    await page.keyboard.press("Enter")
    await expect(pages).to_contain_text(f"{COUNT} streams")
    await search.fill("nothing like it")
    await expect(page.get_by_text("No stream matches.")).to_be_visible()
