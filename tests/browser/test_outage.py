"""Central goes away under an open page, and comes back."""

import signal
from pathlib import Path

from playwright.async_api import expect

from .appliance import Appliance
from .conftest import Ui
from .picture import play

GONE = r"ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE"


async def test_page_says_that_central_is_down_and_goes_on_when_it_is_back(
    ui: Ui, tmp_path: Path
) -> None:
    appliance = Appliance(tmp_path)
    appliance.start()
    try:
        appliance.wait_ready()
        await ui.log_in(appliance.url)
        await appliance.running("demo")
        row = ui.page.get_by_role("row").filter(has_text="demo")
        await expect(row.get_by_text("running")).to_be_visible()

        # Streams that start again have other numbers: the player may ask for what was.
        ui.expected = [GONE, r"status of (404|503)"]
        appliance.stop(signal.SIGKILL)
        alert = ui.page.get_by_role("alert")
        await expect(alert).to_have_text("The server does not answer.")
        await expect(row).to_be_visible()  # what was known stays on the page
        await ui.page.get_by_role("button", name="Add stream").click()
        dialog = ui.page.get_by_role("dialog")
        await dialog.get_by_label("Stream name").fill("later")
        await dialog.get_by_label("Source URL").fill("fake://fake")
        await dialog.get_by_role("button", name="Create").click()
        await expect(dialog.get_by_role("alert")).to_have_text("The server does not answer.")

        appliance.start()
        appliance.wait_ready()
        await dialog.get_by_role("button", name="Create").click()
        await expect(dialog).to_have_count(0)
        await expect(alert).to_have_count(0)
        later = ui.page.get_by_role("row").filter(has_text="later")
        await expect(later.get_by_text("running")).to_be_visible()
        await ui.go("streams/demo")
        await play(ui.page)
    finally:
        appliance.stop()
