"""One Central and one Chromium for all tests of a process; what a test opens is its own.

A browser lives in an event loop, so all of them share one: asynchronous fixtures of this folder say
`loop_scope="session"`. A test's pages are in contexts of their own, which share nothing.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from tests.support.chromium import ARGUMENTS, CHROMIUM

from .appliance import Appliance

DESKTOP = {"width": 1280, "height": 800}
WAIT_MS = 60_000
"""Longest wait for anything on a page: streams start and health is checked within seconds, unless
the machine does much else."""
REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} forbids ${event.blockedURI}`));
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="Chromium is not installed"))


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    started = Appliance(tmp_path_factory.mktemp("appliance"))
    started.start()
    try:
        started.wait_ready()
        yield started
    finally:
        started.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def appliance(installation: Appliance) -> AsyncIterator[Appliance]:
    """Runs through all tests: each uses names of its own."""
    yield installation
    await installation.delete_streams()


@dataclass
class Ui:
    """A page, and what its console complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """Patterns of complaints that the test provokes."""

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location['url']})")

    @property
    def unexpected(self) -> list[str]:
        return [
            line
            for line in self.complaints
            if not any(re.search(pattern, line) for pattern in self.expected)
        ]

    async def log_in(self, url: str, login: str = "admin", password: str = "admin") -> None:
        """Open the UI at `url` and enter; the page of a route needs `go` afterwards."""
        await self.page.goto(url)
        await self.page.get_by_label("Login").fill(login)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Sign in").click()
        await expect(self.page.get_by_role("heading", name="Media")).to_be_visible()

    async def go(self, route: str) -> None:
        """To a route of the application, as a link there goes."""
        await self.page.evaluate("(route) => { location.hash = route }", f"#/{route}")

    async def assert_no_overflow(self) -> None:
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await self.page.evaluate(wider) <= 0, f"{self.page.url} scrolls sideways"


OpenUi = Callable[..., Awaitable[Ui]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    expect.set_options(timeout=WAIT_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_ui(chromium: Browser) -> AsyncIterator[OpenUi]:
    """`await open_ui(viewport=…, …)`: a page; complaints of its console fail the test."""
    opened: list[Ui] = []
    async with AsyncExitStack() as stack:

        async def open_one(**options: Any) -> Ui:
            context = await chromium.new_context(**{"viewport": DESKTOP, **options})
            stack.push_async_callback(context.close)
            context.set_default_timeout(WAIT_MS)
            await context.grant_permissions(["clipboard-read", "clipboard-write"])
            await context.add_init_script(REPORT_VIOLATIONS)
            ui = Ui(await context.new_page())
            ui.page.on("console", ui.hear)
            ui.page.on("pageerror", lambda error: ui.complaints.append(f"uncaught: {error}"))
            opened.append(ui)
            return ui

        yield open_one
    for ui in opened:
        assert ui.unexpected == []


@pytest_asyncio.fixture(loop_scope="session")
async def ui(open_ui: OpenUi) -> Ui:
    return await open_ui()


@pytest_asyncio.fixture(loop_scope="session")
async def inside(ui: Ui, appliance: Appliance) -> Ui:
    """Logged in to Central."""
    await ui.log_in(appliance.url)
    return ui
