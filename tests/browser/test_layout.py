"""Every page at the width of a phone and of a desk, light and dark."""

import pytest
from playwright.async_api import expect

from .appliance import Appliance
from .conftest import OpenUi, Ui

PHONE = {"width": 390, "height": 844}
LONG = "a-very-long-name-without-any-place-to-break/" + "x" * 120
WANTED = {
    "inputs": [{"url": "fake://" + "y" * 150}, {"url": "tshttp://127.0.0.1:9/x"}],
    "pushes": [{"url": "rtmp://127.0.0.1:9/live/" + "z" * 80, "disabled": True}],
}
ROUTES = [
    "media",
    "streams/demo",
    "streams/demo?tab=input",
    "streams/demo?tab=output",
    "streams/demo?tab=settings",
    "streams/demo?tab=text",
    f"streams/{LONG.replace('/', '%2F')}",
    f"streams/{LONG.replace('/', '%2F')}?tab=input",
    f"streams/{LONG.replace('/', '%2F')}?tab=output",
    f"streams/{LONG.replace('/', '%2F')}?tab=push",
    "streamers",
    "streamers/local",
    "streamers/local?tab=settings",
    "sessions",
    "import",
]


async def settled(ui: Ui) -> None:
    """The page shows its content, not only its heading."""
    await expect(
        ui.page.locator("main table, main dl, main form, main textarea, main .empty").first
    ).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_page_scrolls_sideways_on_a_phone(
    open_ui: OpenUi, appliance: Appliance, scheme: str
) -> None:
    await appliance.api("PUT", f"/streams/{LONG}", WANTED)
    ui = await open_ui(viewport=PHONE, color_scheme=scheme, has_touch=True)
    await ui.log_in(appliance.url)
    for route in ROUTES:
        await ui.go(route)
        await settled(ui)
        await ui.assert_no_overflow()
    # Words of another language are longer.
    await ui.page.evaluate("localStorage.setItem('media.language', 'ru')")
    await ui.page.reload()
    await expect(ui.page.locator("html")).to_have_attribute("lang", "ru")
    for route in ROUTES:
        await ui.go(route)
        await settled(ui)
        await ui.assert_no_overflow()
    await ui.page.evaluate("localStorage.setItem('media.language', 'en')")
    await ui.page.reload()
    await ui.go("streams/demo?tab=settings")
    await expect(ui.page.locator("details.section")).to_have_count(9)
    await ui.page.locator("details.section").evaluate_all(
        "(all) => all.forEach((one) => (one.open = true))"
    )
    await ui.page.get_by_role("button", name="Add target").click()
    await expect(ui.page.get_by_label("Namespace", exact=True)).to_be_visible()
    await ui.assert_no_overflow()


async def test_everything_is_within_reach_on_a_phone(open_ui: OpenUi, appliance: Appliance) -> None:
    ui = await open_ui(viewport=PHONE, has_touch=True)
    await ui.log_in(appliance.url)
    page = ui.page
    for name in ("Streamers", "Sessions", "Media"):
        await page.get_by_role("link", name=name, exact=True).tap()
        await expect(page.get_by_role("heading", level=1)).to_have_text(name)
    await page.get_by_role("button", name="Add stream").tap()
    await expect(page.get_by_role("button", name="Create")).to_be_in_viewport()
    await page.get_by_role("button", name="Cancel").tap()
    await page.get_by_role("link", name="demo").tap()
    for name in ("Input", "Output", "Settings", "Overview"):
        tab = page.get_by_role("navigation", name="Sections").get_by_role("link", name=name)
        await expect(tab).to_be_in_viewport(ratio=1)
        await tab.tap()
        await expect(tab).to_have_attribute("aria-current", "page")
    for name in ("Restart", "Disable", "Delete", "Log out"):
        await expect(page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)


CONTRAST = """
() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const texts = "h1, a, th, td, button, small, dt, dd, label span";
  for (const element of document.querySelectorAll(texts)) {
    if (!element.textContent.trim() || !element.checkVisibility()) continue;
    // A mixed colour (color-mix) is translucent: nothing to compare with.
    if (element.disabled || getComputedStyle(element).backgroundColor.startsWith("color")) continue;
    const a = light(parse(getComputedStyle(element).color));
    const b = light(ground(element));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${element.textContent.trim()}: ${ratio.toFixed(2)}`);
  }
  return poor;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_is_readable_in_both_schemes(
    open_ui: OpenUi, appliance: Appliance, scheme: str
) -> None:
    """Contrast of WCAG 2.2, 1.4.3 (AA): 4.5 to 1."""
    ui = await open_ui(color_scheme=scheme)
    await ui.log_in(appliance.url)
    for route in ("media", "streams/demo", "streams/demo?tab=settings", "streamers/local"):
        await ui.go(route)
        await settled(ui)
        assert await ui.page.evaluate(CONTRAST) == [], route
