"""Who may what: people with roles and keys, the audit, and what each role is offered."""

from media_rest.credentials import basic_header
from playwright.async_api import expect

from .appliance import Appliance, until
from .conftest import OpenUi, Ui


async def test_a_person_is_added_enters_and_is_offered_what_he_may(
    inside: Ui, open_ui: OpenUi, appliance: Appliance
) -> None:
    page = inside.page
    await page.get_by_role("link", name="Access").click()
    await page.get_by_role("button", name="Add a person or program").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("eve")
    await dialog.get_by_label("Comment").fill("from the studio")
    await dialog.get_by_role("button", name="Create").click()
    key = await page.get_by_role("status").locator("code").inner_text()
    row = page.get_by_role("row").filter(has_text="eve")
    await expect(row).to_contain_text("from the studio")
    tokens = (await appliance.api("GET", "/api_tokens"))["api_tokens"]
    assert [(one["name"], one["role"], one["key"]) for one in tokens] == [("eve", "viewer", "***")]

    eve = await open_ui()
    await eve.log_in(appliance.url, "eve", key)
    await expect(eve.page.get_by_role("link", name="demo")).to_be_visible()
    for name in ("Add stream", "Access"):
        await expect(eve.page.get_by_text(name, exact=True)).to_have_count(0)
    await expect(eve.page.get_by_label("Choose demo")).to_have_count(0)
    # She may watch whatever she sees.
    asked = f"{appliance.url}streamer/api/v3/streams/demo/play_token"
    answer = await page.request.get(asked, headers={"Authorization": basic_header("eve", key)})
    assert (await answer.json())["token"].startswith("operator.")
    await eve.go("streams/demo?tab=settings")
    await expect(eve.page.get_by_label("Title", exact=True)).to_be_disabled()
    for name in ("Save", "Disable", "Delete", "Restart"):
        await expect(eve.page.get_by_role("button", name=name, exact=True)).to_have_count(0)

    await page.get_by_label("Role of eve").select_option("Editor")

    async def is_editor() -> bool:
        (token,) = (await appliance.api("GET", "/api_tokens"))["api_tokens"]
        return bool(token["role"] == "editor")

    await until(is_editor, "Eve is an editor")
    await eve.page.reload()
    await expect(eve.page.get_by_label("Title", exact=True)).to_be_enabled()
    await eve.page.get_by_label("Title", exact=True).fill("By Eve")
    await eve.page.get_by_role("button", name="Save", exact=True).click()
    await expect(eve.page.get_by_role("status")).to_contain_text("Saved.")

    await inside.go("access?tab=audit")
    written = page.get_by_role("row").filter(has_text="stream demo").first
    await expect(written).to_contain_text("eve")
    await expect(written).to_contain_text("title")
    await appliance.api("PUT", "/streams/demo", {"title": "Demo"})

    eve.expected = [r"status of 403"]
    await inside.go("access")
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Delete eve").click()
    await expect(eve.page.get_by_label("Login")).to_be_visible()  # as soon as she asks again


async def test_theme_and_language_are_chosen_and_kept(inside: Ui) -> None:
    page = inside.page
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(ground)
    await page.get_by_label("Theme and language").click()
    await page.get_by_label("Theme", exact=True).select_option("Dark")
    assert await page.evaluate(ground) != light
    await page.get_by_label("Find a stream").fill("dem")
    await page.get_by_label("Language", exact=True).select_option("Русский")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Потоки")
    await expect(page.get_by_label("Найти поток")).to_have_value("dem")
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Потоки")
    assert await page.evaluate(ground) != light
    assert await page.evaluate("document.documentElement.lang") == "ru"
