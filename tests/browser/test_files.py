"""The browser of files on a streamer: up, in folders, away."""

from pathlib import Path

from playwright.async_api import expect

from tests.support.films import FilmTrack, film

from .appliance import Appliance
from .conftest import Ui
from .test_axe import problems


async def test_files_are_uploaded_found_and_deleted(
    ui: Ui, appliance: Appliance, tmp_path: Path
) -> None:
    shelf = tmp_path / "shelf"
    (shelf / "2024 ü").mkdir(parents=True)
    (shelf / "2024 ü" / "old.mp4").write_bytes(b"old")
    await appliance.streamer_api("PUT", "/vods/shelf", {"storages": [{"url": str(shelf)}]})
    new = tmp_path / "a new film.mp4"
    new.write_bytes(film(FilmTrack([500] * 100, syncs=[1, 51])))

    await ui.log_in(appliance.streamer_url)
    page = ui.page
    await page.get_by_role("link", name="Files").click()
    await expect(page.get_by_role("heading", name="Files")).to_be_visible()
    await ui.go("files?vod=shelf")
    await page.get_by_role("link", name="2024 ü/").click()
    await expect(page.get_by_role("row").filter(has_text="old.mp4")).to_contain_text("3 B")
    await page.get_by_label("Files to upload").set_input_files(new)
    row = page.get_by_role("row").filter(has_text="a new film.mp4")
    await expect(row).to_contain_text("KiB")
    assert (shelf / "2024 ü" / new.name).read_bytes() == new.read_bytes()
    address = await row.get_by_role("link", name="Play").get_attribute("href")
    assert address == "/shelf/2024%20%C3%BC/a%20new%20film.mp4/embed.html"

    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Delete old.mp4").click()
    await expect(page.get_by_role("row").filter(has_text="old.mp4")).to_have_count(0)
    assert [one.name for one in (shelf / "2024 ü").iterdir()] == [new.name]
    await page.get_by_role("link", name="shelf", exact=True).click()
    ui.expected = [r"status of 409"]
    await page.get_by_role("button", name="Delete 2024 ü").click()
    await expect(page.get_by_role("alert")).to_contain_text("not empty")
    assert await problems(ui) == []
    await page.set_viewport_size({"width": 390, "height": 800})
    await ui.assert_no_overflow()
