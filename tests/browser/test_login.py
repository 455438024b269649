"""Getting in and out."""

from playwright.async_api import expect

from .appliance import Appliance
from .conftest import Ui

REFUSED = r"status of 403"


async def test_wrong_login_is_told_and_right_one_enters(ui: Ui, appliance: Appliance) -> None:
    ui.expected = [REFUSED]
    await ui.page.goto(appliance.url)
    await ui.page.get_by_label("Login").fill("admin")
    await ui.page.get_by_label("Password").fill("guess")
    await ui.page.get_by_role("button", name="Sign in").click()
    await expect(ui.page.get_by_role("alert")).to_have_text("Wrong login or password.")

    await ui.page.get_by_label("Password").fill("admin")
    await ui.page.get_by_role("button", name="Sign in").click()
    await expect(ui.page.get_by_role("link", name="demo")).to_be_visible()
    assert len(ui.complaints) == 1, "only the refusal"


async def test_page_asks_nothing_before_the_login(ui: Ui, appliance: Appliance) -> None:
    asked = []
    ui.page.on("request", lambda request: asked.append(request.url))
    await ui.page.goto(appliance.url)
    await expect(ui.page.get_by_label("Login")).to_be_focused()
    api = [url.rpartition("/")[2] for url in asked if "/api/" in url]
    assert api == ["ui_settings"]


async def test_login_lasts_over_a_reload_and_ends_with_log_out(
    inside: Ui, appliance: Appliance
) -> None:
    await inside.page.reload()
    await expect(inside.page.get_by_role("link", name="demo")).to_be_visible()
    await inside.page.get_by_role("button", name="Log out").click()
    await expect(inside.page.get_by_label("Password")).to_be_visible()
    await inside.page.reload()
    await expect(inside.page.get_by_label("Password")).to_be_visible()


async def test_refused_credentials_lead_back_to_the_login(inside: Ui) -> None:
    """As after the administrator changed the password."""
    inside.expected = [REFUSED]
    await inside.page.evaluate("sessionStorage.setItem('media.credentials', btoa('admin:old'))")
    await expect(inside.page.get_by_label("Password")).to_be_visible()


async def test_pages_forbid_foreign_and_inline_code(ui: Ui, appliance: Appliance) -> None:
    for url in (appliance.url, appliance.streamer_url):
        response = await ui.page.goto(url)
        assert response is not None
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
