"""The page of a stream: what comes in and goes out, its inputs, pushes, and how to use it."""

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio
import yaml
from media_api.resources.stream import StreamResource
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import expect

from tests.support.ports import free_port

from .appliance import Appliance, until
from .conftest import Ui
from .picture import assert_test_picture, play

FAKE = [{"url": "fake://fake"}]


async def test_looking_starts_nothing_and_counts_as_nobody(
    inside: Ui, appliance: Appliance
) -> None:
    await appliance.api("PUT", "/streams/idle", {"inputs": FAKE, "static": False})

    async def viewers() -> set[str]:
        names = [f"/sessions?name={name}&type=play" for name in ("idle", "demo")]
        answers = [await appliance.api("GET", path) for path in names]
        return {one["id"] for answer in answers for one in answer["sessions"]}

    earlier = await viewers()  # of the tests before
    await inside.go("streams/idle")
    await expect(inside.page.get_by_text("It starts with the first viewer.")).to_be_visible()
    await inside.go("streams/demo")
    await appliance.running("demo")
    still = inside.page.locator(".still img")
    await expect(still).to_be_visible()
    assert await still.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 640
    loaded = "performance.getEntriesByType('resource').map((entry) => entry.name).join()"
    assert "hls.min.js" not in await inside.page.evaluate(loaded)
    assert await viewers() <= earlier
    assert not (await appliance.api("GET", "/streams/idle"))["stats"].get("alive")
    await inside.go("streams/idle")
    assert_test_picture(await play(inside.page))


async def test_who_logged_in_sees_what_is_not_for_everybody(
    inside: Ui, appliance: Appliance
) -> None:
    closed = {"inputs": FAKE, "on_play": {"url": "securetoken://SECRET"}}
    await appliance.api("PUT", "/streams/closed", closed)
    await appliance.running("closed")
    page = inside.page
    await inside.go("media?view=grid&q=closed")
    for place in (".wall img", ".still img"):
        picture = page.locator(place)
        await expect(picture).to_be_visible()
        decoded = "(image) => image.decode().then(() => image.naturalWidth)"
        assert await picture.evaluate(decoded) == 640
        await inside.go("streams/closed")
    assert_test_picture(await play(page))
    (session,) = (await appliance.streamer_api("GET", "/sessions?name=closed"))["sessions"]
    assert session["user_id"] == "operator"
    assert not session.get("token")
    assert not session.get("query_string")
    await expect(page.get_by_role("row").filter(has_text="operator")).to_be_visible()
    answer = await page.request.get(f"{appliance.streamer_url}closed/index.m3u8")
    assert answer.status == 403


async def test_a_ladder_shows_a_picture_of_each_rendition(inside: Ui, appliance: Appliance) -> None:
    small = {"bitrate": 100_000, "size": {"width": -1, "height": 90}, "preset": "ultrafast"}
    spec = {"video": [{"bitrate": 300_000, "preset": "ultrafast"}, small]}
    await appliance.api("PUT", "/streams/ladder", {"inputs": FAKE, "transcoder": spec})
    await appliance.running("ladder")
    await inside.go("streams/ladder")
    pictures = inside.page.locator(".renditions img")
    await expect(pictures).to_have_count(2, timeout=60_000)
    decoded = (
        "(images) => Promise.all(images.map((one) => one.decode().then(() => one.naturalWidth)))"
    )

    async def shown() -> bool:
        try:
            return await pictures.evaluate_all(decoded) == [640, 160]
        except PlaywrightError:
            return False  # the encoder has made no picture yet: it is asked for again

    await until(shown, "both pictures are shown")


@pytest_asyncio.fixture(loop_scope="session")
async def rare_key_frames(appliance: Appliance) -> AsyncIterator[str]:
    """A stream with 5 s between key frames and sound that no browser decodes."""
    await appliance.api("PUT", "/streams/rare", {"inputs": [{"url": "publish://"}]})
    ffmpeg = await asyncio.create_subprocess_exec(
        "ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=160x90:rate=10",
        "-f", "lavfi", "-i", "sine=sample_rate=48000", "-c:v", "libx264", "-preset", "ultrafast",
        "-g", "50", "-keyint_min", "50", "-sc_threshold", "0", "-c:a", "mp2", "-f", "mpegts",
        f"{appliance.streamer_url}rare/mpegts",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    yield "rare"
    if ffmpeg.returncode is None:
        ffmpeg.kill()
    await ffmpeg.wait()


async def test_what_is_wrong_with_a_source_is_said(
    inside: Ui, appliance: Appliance, rare_key_frames: str
) -> None:
    await appliance.running(rare_key_frames)
    await inside.go(f"streams/{rare_key_frames}")
    banners = inside.page.locator(".facts .banner")
    await expect(banners.filter(has_text="5.0 s between key frames")).to_be_visible(timeout=60_000)
    await expect(banners.filter(has_text="does not decode MP2")).to_be_visible()
    rows = inside.page.get_by_role("row").filter(has_text="publishes by")
    await expect(rows).to_contain_text("127.0.0.1")


async def test_viewers_are_counted_by_protocol_and_kicked(inside: Ui, appliance: Appliance) -> None:
    await appliance.api("PUT", "/streams/seen", {"inputs": FAKE})
    await appliance.running("seen")
    await inside.go("streams/seen")
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http,
        http.get(f"{appliance.streamer_url}seen/mpegts") as viewer,
    ):
        await viewer.content.readany()
        await expect(inside.page.locator(".chip")).to_have_text("tshttp 1")
        await inside.page.get_by_role("button", name="Close the session of").click()
        async with asyncio.timeout(30):
            while await viewer.content.readany():
                pass
    await expect(inside.page.get_by_text("Nobody is connected.")).to_be_visible()


async def test_history_is_shown_by_spans(inside: Ui) -> None:
    await inside.go("streams/demo")
    history = inside.page.get_by_role("region", name="History")
    for span in ("Year", "Hour"):
        await history.get_by_role("button", name=span).click()
        await expect(history.locator("figure, .empty").first).to_be_visible()
        await expect(history.get_by_role("button", name=span)).to_have_attribute(
            "aria-pressed", "true"
        )


async def test_inputs_change_their_order_and_options(inside: Ui, appliance: Appliance) -> None:
    first, second = {"url": "fake://fake?one"}, {"url": "publish://"}
    await appliance.api("PUT", "/streams/order", {"inputs": [first, second]})
    await inside.go("streams/order?tab=input")
    page = inside.page
    await page.get_by_role("button", name="Move input 2 up").click()
    await expect(page.get_by_role("row").nth(1)).to_contain_text("publish://")
    await page.get_by_role("button", name="Edit input 2").click()
    form = page.get_by_role("group", name="Input 2")
    await form.get_by_label("Comment").fill("the spare one")
    await form.get_by_text("Further settings").click()
    await form.get_by_label("Width").fill("320")  # of fake:// alone
    await expect(form.get_by_label("PageUrl")).to_have_count(0)  # of rtmp:// alone
    await page.get_by_role("button", name="Save input").click()
    await expect(page.get_by_role("status")).to_have_text("Saved.")
    stream = await appliance.api("GET", "/streams/order")
    assert stream["config_on_disk"]["inputs"] == [
        second,
        {**first, "comment": "the spare one", "width": 320},
    ]


async def test_push_targets_show_their_state(inside: Ui, appliance: Appliance) -> None:
    push = {"url": f"udp://127.0.0.1:{free_port()}"}
    await appliance.api("PUT", "/streams/sent", {"inputs": FAKE, "pushes": [push]})
    await inside.go("streams/sent?tab=push")
    row = inside.page.get_by_role("row").filter(has_text="udp://")
    await expect(row.get_by_text("running")).to_be_visible(timeout=60_000)
    await row.get_by_role("button", name="Switch target 1 off").click()
    await expect(row.get_by_text("switched off")).to_be_visible()
    saved = (await appliance.api("GET", "/streams/sent"))["config_on_disk"]
    assert saved["pushes"] == [{**push, "disabled": True}]


async def test_commands_for_this_stream_work_as_they_stand(
    inside: Ui, appliance: Appliance
) -> None:
    wanted = {"inputs": FAKE, "title": "It's <one>", "preferred_streamer": "local"}
    await appliance.api("PUT", "/streams/use/It", wanted)
    await inside.go("streams/use%2FIt?tab=use")
    await expect(inside.page.locator("pre")).to_have_count(5)
    shown = await inside.page.locator("pre").all_text_contents()
    read, write, erase = (
        shlex.split(text.replace("LOGIN:PASSWORD", "admin:admin")) for text in shown[1:4]
    )

    async def run(*command: str) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *command, "-s", "-f", stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, command
        return out

    await run(*erase)
    await run(*write)
    assert json.loads(await run(*read))["config_on_disk"] == {"name": "use/It", **wanted}
    resource = StreamResource.model_validate(yaml.safe_load("\n".join(shown[4].split("\n")[1:-1])))
    assert (resource.metadata.name, resource.stream_name) == ("use-it", "use/It")
    assert resource.spec.title == "It's <one>"
    page = f"{appliance.streamer_url}use/It/embed.html"
    assert f'src="{page}"' in shown[0]
    code = inside.page.get_by_role("img", name=f"QR code of {page}")
    drawn = await code.locator("path").get_attribute("d")
    dark = {tuple(map(int, place)) for place in re.findall(r"M(\d+) (\d+)", drawn or "")}
    assert {(x, 0) for x in range(7)} | {(0, y) for y in range(7)} <= dark  # ISO/IEC 18004, 6.3.3
    assert not {(x, 7) for x in range(8)} & dark
    await until(lambda: appliance.running("use/It"), "it runs again")


async def test_what_is_not_set_leads_to_its_settings(inside: Ui, appliance: Appliance) -> None:
    await appliance.api("PUT", "/streams/plain", {"inputs": FAKE})
    page = inside.page
    for tab, group in (("archive", "Recording"), ("push", "Push")):
        await inside.go(f"streams/plain?tab={tab}")
        await page.locator("p.empty").get_by_role("link").click()
        opened = page.locator("details.section[open] > summary")
        await expect(opened).to_have_count(1)
        await expect(opened).to_contain_text(group)
        await expect(opened).to_be_focused()
