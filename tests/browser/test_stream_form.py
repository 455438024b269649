"""The settings of a stream: as a form with real controls, and as text."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Locator, Response, Route, expect

from .appliance import Appliance
from .conftest import Ui

FAKE = [{"url": "fake://fake"}]


async def open_settings(ui: Ui, name: str, *groups: str) -> None:
    await ui.go(f"streams/{name}?tab=settings")
    for group in groups:
        summary = ui.page.locator("details.section > summary").filter(has_text=group)
        await summary.click()


async def save(ui: Ui) -> None:
    # The word of the save before may still stand there.
    async with ui.page.expect_response(is_save):
        await ui.page.get_by_role("button", name="Save", exact=True).click()
    await expect(ui.page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()


def is_save(answer: Response) -> bool:
    return answer.request.method == "PUT" and "dry_run" not in answer.url


async def saved(appliance: Appliance, name: str) -> Any:
    return (await appliance.api("GET", f"/streams/{name}"))["config_on_disk"]


def labelled(ui: Ui, label: str) -> Locator:
    return ui.page.get_by_label(label, exact=True)


async def test_only_what_was_changed_is_sent(inside: Ui, appliance: Appliance) -> None:
    wanted = {"inputs": FAKE, "static": False, "meta": {"room": "7"}}
    await appliance.api("PUT", "/streams/set", wanted)
    await open_settings(inside, "set", "Playback", "Source")
    page = inside.page
    button = page.get_by_role("button", name="Save", exact=True)
    await expect(button).to_be_disabled()
    await labelled(inside, "Title").fill("Hall <7>")
    await labelled(inside, "Segment length").fill("2500")
    await expect(page.get_by_text("Unsaved changes: 2")).to_be_visible()
    await save(inside)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Hall <7>")
    assert await saved(appliance, "set") == {
        "name": "set", **wanted, "title": "Hall <7>", "segment_duration": 2500,
    }  # fmt: skip
    await labelled(inside, "Title").fill("")
    await labelled(inside, "Runs").select_option("Always")
    await labelled(inside, "Give up the source after").select_option("Never")
    await save(inside)
    changes = {"static": True, "segment_duration": 2500, "source_timeout": False}
    assert await saved(appliance, "set") == {"name": "set", **wanted, **changes}


async def test_every_setting_has_a_control(inside: Ui, appliance: Appliance) -> None:
    await appliance.api("PUT", "/streams/form", {"inputs": FAKE})
    await open_settings(
        inside, "form", "Source", "Publishing", "Playback", "Access", "Recording", "Push"
    )
    page = inside.page
    await expect(page.locator("textarea.code")).to_have_count(0)
    await page.get_by_role("combobox", name="Who may watch").select_option(
        "Who has a signed link (securetoken)"
    )
    await labelled(inside, "Secret").fill("s3cret-word")
    await labelled(inside, "Sessions of one user").fill("3")
    await labelled(inside, "HTTP-FLV").uncheck()
    await labelled(inside, "Record this stream").check()
    await labelled(inside, "Directory").fill("/tmp/archive-of-a-test")
    await labelled(inside, "Unit of Keep for").select_option("days")
    await labelled(inside, "Keep for").fill("3")
    await labelled(inside, "Pause recording").select_option("Yes")
    await page.get_by_role("button", name="Add target").click()
    await labelled(inside, "Address *").fill("udp://127.0.0.1:9")
    await labelled(inside, "Switched off").select_option("Yes")
    labels = page.get_by_role("group", name="Labels")
    await labels.get_by_role("button", name="Add").click()
    await labels.get_by_placeholder("name").fill("hall")
    await labels.get_by_placeholder("value").fill("7")
    await save(inside)
    assert await saved(appliance, "form") == {
        "name": "form",
        "inputs": FAKE,
        "on_play": {"url": "securetoken://s3cret-word", "max_sessions": 3},
        "protocols": {"flv": False},
        "dvr": {"root": "/tmp/archive-of-a-test", "expiration": 259200, "dvr_offline": True},
        "pushes": [{"url": "udp://127.0.0.1:9", "disabled": True}],
        "labels": {"hall": "7"},
    }
    await labelled(inside, "Record this stream").uncheck()
    await page.get_by_role("button", name="Remove Target 1").click()
    await save(inside)
    assert set(await saved(appliance, "form")) == {
        "name", "inputs", "on_play", "protocols", "labels",
    }  # fmt: skip


async def test_errors_stand_at_their_fields_in_words(inside: Ui, appliance: Appliance) -> None:
    inside.expected = [r"status of 400"]
    await appliance.api("PUT", "/streams/wrong", {"inputs": FAKE})
    before = await saved(appliance, "wrong")
    await open_settings(inside, "wrong", "Playback", "Recording")
    await labelled(inside, "Segment length").fill("7")
    await labelled(inside, "Segments in the playlist").fill("many")
    await inside.page.get_by_role("button", name="Save", exact=True).click()
    alert = inside.page.get_by_role("alert")
    await expect(alert).to_contain_text("Segment length: It must be greater than or equal to 100")
    await expect(alert).to_contain_text("Segments in the playlist: It must be a whole number")
    field = inside.page.locator(".field.wrong").filter(has_text="Segment length")
    await expect(field).to_contain_text("greater than or equal to 100")
    assert await labelled(inside, "Segments in the playlist").input_value() == "many"
    assert await saved(appliance, "wrong") == before
    await labelled(inside, "Segments in the playlist").fill("6")
    await labelled(inside, "Segment length").fill("4000")
    await save(inside)
    await expect(alert).to_have_count(0)


async def test_what_is_not_served_is_said_and_not_offered(inside: Ui, appliance: Appliance) -> None:
    document = await appliance.api("GET", "/openapi.json")
    properties = document["components"]["schemas"]["StreamConfig"]["properties"]
    unserved = {name for name, field in properties.items() if "x-no-effect" in field}
    assert unserved, "then this test has nothing to show"
    asked = {"inputs": [{"url": "ndi://camera"}], "logo": "/logo.png"}
    await appliance.api("PUT", "/streams/vain", asked)
    await open_settings(inside, "vain", "Advanced")
    page = inside.page
    shown = await page.locator("details.section > .unserved code").all_text_contents()
    assert set(shown) == unserved - {"logo"}
    logo = page.locator(".field.wrong").filter(has_text="Logo")
    await expect(logo).to_contain_text("This has no effect")
    await expect(page.locator(".banner").filter(has_text="ndi:// inputs")).to_be_visible()
    await labelled(inside, "Title").fill("Vain")
    await save(inside)
    told = page.get_by_role("status").filter(has_text="This has no effect on this server")
    await expect(told).to_contain_text("logo has no effect")


async def test_what_is_typed_outlives_another_tab(inside: Ui, appliance: Appliance) -> None:
    await appliance.api("PUT", "/streams/kept", {"inputs": FAKE, "title": "Before"})
    await open_settings(inside, "kept")
    await labelled(inside, "Title").fill("Half a tho")
    await inside.go("streams/kept?tab=output")
    await appliance.api("PUT", "/streams/kept", {"comment": "by somebody else"})
    await inside.go("streams/kept?tab=settings")
    await expect(labelled(inside, "Title")).to_have_value("Half a tho")
    await save(inside)
    assert (await saved(appliance, "kept"))["comment"] == "by somebody else"
    await labelled(inside, "Title").fill("Never mind")
    await inside.page.get_by_role("button", name="Discard").click()
    await expect(labelled(inside, "Title")).to_have_value("Half a tho")


async def test_a_ladder_is_made_of_a_preset(inside: Ui, appliance: Appliance) -> None:
    wanted = {"inputs": FAKE, "disabled": True, "transcoder": {"audio": {"codec": "aac"}}}
    await appliance.api("PUT", "/streams/ladder", wanted)
    await open_settings(inside, "ladder", "Transcoding")
    page = inside.page
    await page.get_by_role("button", name="720p, 480p, 360p", exact=True).click()
    await page.get_by_role("button", name="Remove step 2").click()
    await labelled(inside, "Bit rate of step 2").fill("650")
    await save(inside)
    assert (await saved(appliance, "ladder"))["transcoder"] == {
        "audio": {"codec": "aac"},
        "video": [
            {"track": 1, "size": {"width": -1, "height": 720}, "bitrate": 2_500_000},
            {"track": 2, "size": {"width": -1, "height": 360}, "bitrate": 650_000},
        ],
    }


async def test_text_of_a_stream_is_checked_and_saved(inside: Ui, appliance: Appliance) -> None:
    inside.expected = [r"status of 400"]
    before = {"inputs": FAKE, "title": "Old", "preferred_streamer": "local"}
    await appliance.api("PUT", "/streams/text", before)
    await inside.go("streams/text?tab=text")
    page = inside.page
    box = labelled(inside, "The stream as JSON")
    await expect(box).to_have_value(re.compile('"title": "Old"'))
    await box.fill('{"name": "text", "inputs": [')
    await page.get_by_role("button", name="Check").click()
    await expect(page.get_by_role("alert")).to_contain_text("JSON")
    await box.fill('{"name": "text", "inputs": [{"url": "gopher://x"}]}')
    await page.get_by_role("button", name="Check").click()
    await expect(page.get_by_role("alert")).to_contain_text("gopher")
    await page.get_by_role("button", name="Flussonic").click()
    text = labelled(inside, "The stream as Flussonic")
    await expect(text).to_have_value("stream text {\n  title Old;\n  input fake://fake;\n}\n")
    await text.fill("stream text {\n  titel New;\n  input fake://fake;\n}\n")
    await page.get_by_role("button", name="Check").click()
    await expect(page.get_by_role("alert")).to_contain_text("Line 2, column 3")
    await text.fill("stream text {\n  input fake://fake;\n  comment New;\n}\n")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status")).to_have_text("Saved.")
    assert await saved(appliance, "text") == {
        "name": "text", "inputs": FAKE, "comment": "New", "preferred_streamer": "local",
    }  # fmt: skip


@asynccontextmanager
async def telling_late(ui: Ui, name: str) -> AsyncIterator[None]:
    """Questions about the stream get no answer meanwhile: what the page knows of it grows old."""
    released = asyncio.Event()

    async def hold(route: Route) -> None:
        if route.request.method == "GET":
            await released.wait()
        await route.continue_()

    pattern = f"**/streamer/api/v3/streams/{name}"
    await ui.page.route(pattern, hold)
    try:
        yield
    finally:
        released.set()
        await ui.page.unroute_all(behavior="wait")


async def test_what_is_saved_stays_until_it_is_told(inside: Ui, appliance: Appliance) -> None:
    page = inside.page
    await appliance.api("PUT", "/streams/late", {"inputs": FAKE, "title": "One"})
    await open_settings(inside, "late")
    await expect(labelled(inside, "Title")).to_have_value("One")
    async with telling_late(inside, "late"):
        await labelled(inside, "Title").fill("Two")
        await save(inside)
        await expect(labelled(inside, "Title")).to_have_value("Two")
        await labelled(inside, "Comment").fill("a later thought")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Two")
    await save(inside)
    config = await saved(appliance, "late")
    assert (config["title"], config["comment"]) == ("Two", "a later thought")

    await inside.go("streams/late?tab=text")
    box = labelled(inside, "The stream as JSON")
    await expect(box).to_have_value(re.compile("a later thought"))
    async with telling_late(inside, "late"):
        await box.fill((await box.input_value()).replace("Two", "Three"))
        await save(inside)
        await expect(box).to_have_value(re.compile("Three"))
        await box.fill((await box.input_value()).replace("later", "last"))
    await save(inside)
    config = await saved(appliance, "late")
    assert (config["title"], config["comment"]) == ("Three", "a last thought")


async def test_a_list_of_inputs_is_changed_before_it_is_told(
    inside: Ui, appliance: Appliance
) -> None:
    page = inside.page
    await appliance.api("PUT", "/streams/inputs", {"inputs": FAKE})
    await inside.go("streams/inputs?tab=input")
    further = page.get_by_label("URL of a further input")
    rows = page.get_by_role("row").filter(has_text="://")
    await expect(page.get_by_role("row").nth(1)).to_contain_text("fake://fake")
    async with telling_late(inside, "inputs"):
        for url in ("fake://second", "fake://third"):
            await further.fill(url)
            async with page.expect_response(is_save):
                await page.get_by_role("button", name="Add input").click()
            await expect(rows.filter(has_text=url)).to_be_visible()
        await page.get_by_role("button", name="Edit input 2").click()
        form = page.get_by_role("group", name="Input 2")
        await form.get_by_label("Comment").fill("spare")
        up = page.get_by_role("button", name="Move input 3 up")
        await expect(up).to_be_disabled()  # it would change which input is edited
        async with page.expect_response(is_save):
            await page.get_by_role("button", name="Save input").click()
        await expect(form.get_by_label("Comment")).to_have_value("spare")
        async with page.expect_response(is_save):
            await up.click()
    assert (await saved(appliance, "inputs"))["inputs"] == [
        *FAKE, {"url": "fake://third"}, {"url": "fake://second", "comment": "spare"},
    ]  # fmt: skip


async def test_a_change_of_inputs_is_made_once_and_of_the_input_that_is_meant(
    inside: Ui, appliance: Appliance
) -> None:
    page = inside.page
    third, last = {"url": "fake://third"}, {"url": "fake://last"}
    await appliance.api("PUT", "/streams/twice", {"inputs": FAKE})
    await inside.go("streams/twice?tab=input")
    further = page.get_by_label("URL of a further input")
    for url in ("fake://fake", "fake://third"):
        await further.fill(url)
        await page.get_by_role("button", name="Add input").dblclick()
        await expect(further).to_have_value("")
    assert (await saved(appliance, "twice"))["inputs"] == [*FAKE, *FAKE, third]
    async with page.expect_response(is_save):
        await page.get_by_role("button", name="Remove input 1").click()
    assert (await saved(appliance, "twice"))["inputs"] == [*FAKE, third]

    await page.get_by_role("button", name="Edit input 2").click()
    await page.get_by_role("group", name="Input 2").get_by_label("Comment").fill("mine")
    await appliance.api("PUT", "/streams/twice", {"inputs": [third, last]})
    await expect(page.get_by_role("row").nth(1)).to_contain_text("fake://third")
    async with page.expect_response(is_save):
        await page.get_by_role("button", name="Save input").click()
    now = [{**third, "comment": "mine"}, last]
    assert (await saved(appliance, "twice"))["inputs"] == now

    await page.get_by_role("button", name="Edit input 2").click()
    await page.get_by_role("group", name="Input 2").get_by_label("Comment").fill("mine")
    await appliance.api("PUT", "/streams/twice", {"inputs": FAKE})
    await expect(page.get_by_role("alert")).to_have_text("The input that was being edited is gone.")
    await expect(page.get_by_role("button", name="Remove input 1")).to_be_enabled()
    assert (await saved(appliance, "twice"))["inputs"] == FAKE
