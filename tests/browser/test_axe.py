"""Every page by axe-core: nothing that keeps people out (serious or critical), light and dark."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from .appliance import Appliance
from .conftest import OpenUi, Ui

AXE = Path(__file__).parents[1] / "vendor" / "axe.min.js"
RUN = """
async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
  .filter(({impact}) => ["serious", "critical"].includes(impact))
  .map(({id, nodes}) => [id, ...nodes.slice(0, 3).map(({html}) => html.slice(0, 160))].join(" | "))
"""
ROUTES = (
    "media",
    "media?view=grid",
    "streams/demo",
    *(
        f"streams/demo?tab={tab}"
        for tab in ("input", "output", "push", "settings", "text", "use", "log")
    ),
    "streamers",
    "streamers/local",
    "streamers/local?tab=settings",
    "sessions",
    "access",
    "access?tab=audit",
    "import",
)


async def problems(ui: Ui) -> Any:
    # By the protocol of the debugger, which the page's policy does not bind.
    await ui.page.evaluate(AXE.read_text())
    return await ui.page.evaluate(RUN)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_serious_on_any_page(
    open_ui: OpenUi, appliance: Appliance, scheme: str
) -> None:
    await appliance.running("demo")
    ui = await open_ui(color_scheme=scheme)
    await ui.page.goto(appliance.url)
    await expect(ui.page.get_by_label("Login")).to_be_visible()
    found = {"login": await problems(ui)}
    await ui.log_in(appliance.url)
    for route in ROUTES:
        await ui.go(route)
        content = ui.page.locator("main :is(table, dl, form, textarea, pre, .empty, .wall)")
        await expect(content.first).to_be_visible()
        if route.endswith("settings"):
            sections = ui.page.locator("details")
            await sections.evaluate_all("(all) => all.forEach((one) => (one.open = true))")
        found[route] = await problems(ui)
    assert {route: told for route, told in found.items() if told} == {}


async def test_nothing_serious_on_the_player_page(ui: Ui, appliance: Appliance) -> None:
    await appliance.running("demo")
    await ui.page.goto(f"{appliance.streamer_url}demo/embed.html?mute=true")
    await expect(ui.page.locator(".player-latency")).not_to_be_empty()
    assert await problems(ui) == []
