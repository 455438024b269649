"""The documentation in a browser, under the policy that the programs serve it with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from media_web.documentation import HEADERS, find_page
from playwright.async_api import expect

from tests.support import site as built
from tests.support.ports import free_port

NARROW = {"width": 390, "height": 800}
pytestmark = pytest.mark.timeout(built.FIRST_TEST_SECONDS)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built.site(tmp_path_factory)


@pytest_asyncio.fixture(loop_scope="session")
async def address(site: Path) -> AsyncIterator[str]:
    async def page(request: web.Request) -> web.StreamResponse:
        if request.path == "/streamer/api/v3/streams":
            return web.json_response(
                {"streams": [], "asked_with": request.headers["Authorization"]}
            )
        file = find_page(request.path.strip("/"), site)
        if file is None:
            raise web.HTTPNotFound
        return web.FileResponse(file, headers=HEADERS)

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}/docs/"
    await runner.cleanup()


async def test_search_operations_and_a_phone(ui, address: str) -> None:
    page = ui.page
    await page.goto(address)
    await page.get_by_label("Search").fill("segment_duration")
    await page.get_by_label("Search").press("Enter")
    results = page.locator("#search-results li a")
    await expect(results.first).to_be_visible()
    await expect(page.locator("#search-results")).to_contain_text("Configuration file")

    await page.goto(f"{address}rest.html")
    await page.get_by_label("Login").fill("admin")
    await page.get_by_label("Password").fill("sécret")
    operation = page.locator("details.operation", has_text="GET /streamer/api/v3/streams –").first
    await operation.locator("summary").click()
    await operation.get_by_role("button", name="Try").click()
    await expect(operation.locator("pre")).to_contain_text("Basic YWRtaW46c8OpY3JldA==")

    await page.set_viewport_size(NARROW)
    for name in ("index", "troubleshooting", "configuration"):
        await page.goto(f"{address}{name}.html")
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= NARROW["width"], name
