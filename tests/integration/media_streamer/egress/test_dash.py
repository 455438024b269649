"""DASH of a real worker process; segments are made by the real output of a stream."""

import asyncio
import re
from datetime import UTC, datetime
from xml.etree import ElementTree

import aiohttp
import pytest

from .test_hls import get, parse, run, text

DASH = "{urn:mpeg:dash:schema:mpd:2011}"


async def manifest(url: str) -> ElementTree.Element:
    status, body, headers = await get(url)
    assert status == 200, body
    assert headers["Content-Type"] == "application/dash+xml"
    assert headers["Access-Control-Allow-Origin"] == "*"
    return ElementTree.fromstring(body)


def times(root: ElementTree.Element, period: int = -1) -> list[int]:
    """Decode times of the listed segments of the video in a period."""
    found = []
    chosen = list(root.iter(f"{DASH}Period"))[period]
    template = next(iter(chosen.iter(f"{DASH}SegmentTemplate")))
    for entry in template.iter(f"{DASH}S"):
        start, length = int(entry.attrib["t"]), int(entry.attrib["d"])
        found += [start + n * length for n in range(int(entry.get("r", 0)) + 1)]
    return found


def segment_urls(root: ElementTree.Element) -> list[str]:
    template = next(iter(list(root.iter(f"{DASH}Period"))[-1].iter(f"{DASH}SegmentTemplate")))
    return [template.attrib["media"].replace("$Time$", str(time)) for time in times(root)]


@pytest.mark.parametrize("name", ["index.mpd", "manifest.mpd", "Manifest.mpd"])
async def test_ffmpeg_decodes_without_error_lines(egress, source, name):
    url = f"{egress.url}/live/{name}"
    command = ("ffmpeg", "-v", "warning", "-i", url, "-t", "4", "-f", "null", "-")
    code, _, errors = await run(*command, seconds=60)
    assert (code, errors) == (0, "")


async def test_segments_are_those_of_hls_in_one_session(egress, source, wait_until):
    root = await manifest(f"{egress.url}/live/index.mpd")
    (wanted,) = segment_urls(root)[-1:]
    status, body, headers = await get(f"{egress.url}/live/{wanted}")
    assert (status, headers["Content-Type"]) == (200, "video/mp4")
    assert "immutable" in headers["Cache-Control"]
    template = next(root.iter(f"{DASH}SegmentTemplate"))
    init = await get(f"{egress.url}/live/{template.attrib['initialization']}")
    assert init[1][4:8] == b"ftyp"
    assert {question.proto for question in egress.questions} == {"dash"}
    assert len(egress.questions) == 1
    await wait_until(lambda: any(one.bytes > len(body) for one in egress.reports.values()))
    playlist = parse(await text(f"{egress.url}/live/tracks-v1/index.fmp4.m3u8"))
    files = [await get(f"{egress.url}/live/tracks-v1/{s.uri}") for s in playlist.segments]
    assert body in [file[1] for file in files]


async def test_the_next_segment_is_waited_for(egress, source):
    """FFmpeg asks for it before it is listed."""
    root = await manifest(f"{egress.url}/live/index.mpd")
    last = segment_urls(root)[-1]
    template = next(root.iter(f"{DASH}SegmentTemplate"))
    *_, entry = template.iter(f"{DASH}S")
    following = times(root)[-1] + int(entry.attrib["d"])
    url = re.sub(r"-\d+\.m4s", f"-{following}.m4s", last)
    status, body, _ = await get(f"{egress.url}/live/{url}")
    assert (status, body[4:8]) == (200, b"moof")


async def test_the_segment_under_way_comes_part_by_part(egress, source):
    url = f"{egress.url}/live"
    async with aiohttp.ClientSession() as client, asyncio.timeout(60):
        chunked = False
        while not chunked:  # a slow client comes when the segment is finished: then it is a file
            wanted = segment_urls(await manifest(f"{url}/index.ll.mpd"))[-1]
            async with client.get(f"{url}/{wanted}") as answer:
                assert answer.status == 200
                chunked = answer.headers.get("Transfer-Encoding") == "chunked"
                first = await answer.content.readany()
                body = first + await answer.read()
    assert first[4:8] == b"moof"
    assert body.count(b"moof") > 1
    whole = wanted.replace("dash-ll-", "dash-")
    assert (await get(f"{url}/{whole}"))[1] == body
    assert (await get(f"{url}/{wanted}"))[1] == body


async def test_a_gap_begins_a_period(egress, source, wait_until):
    before = await manifest(f"{egress.url}/live/index.mpd")
    source.output.gap()

    async def two() -> ElementTree.Element:
        async with asyncio.timeout(30):
            while True:
                root = await manifest(f"{egress.url}/live/index.mpd")
                if len(list(root.iter(f"{DASH}Period"))) == 2:
                    return root
                await asyncio.sleep(0.2)

    root = await two()
    first, second = root.iter(f"{DASH}Period")
    assert first.attrib["id"] == next(before.iter(f"{DASH}Period")).attrib["id"]
    assert float(second.attrib["start"][2:-1]) > float(first.attrib["start"][2:-1])
    for url in segment_urls(root):
        assert (await get(f"{egress.url}/live/{url}"))[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "tracks-v1/dash-1-1.m4s",
        "tracks-v9/dash-1-1.m4s",
        "tracks-v1/dash-init-00000000.mp4",
        "tracks-v9/dash-init-00000000.mp4",
        "tracks-v1/dash-1.m4s",
    ],
)
async def test_what_is_not_there_is_said_in_words(egress, source, path):
    status, body, _ = await get(f"{egress.url}/live/{path}")
    assert status == 404
    assert body.strip()


async def test_a_refusal_has_its_reason(egress, source):
    egress.denied["live"] = {"status": 403, "code": "protocol_denied", "title": "DASH is off here"}
    status, body, _ = await get(f"{egress.url}/live/index.mpd")
    assert (status, body) == (403, b"DASH is off here\n")


async def test_a_token_made_here_stays_on_all_urls(egress, source):
    egress.token = "made&by/server"
    root = await manifest(f"{egress.url}/live/index.mpd?filter.tracks=v1")
    query = "?token=made%26by%2Fserver"
    assert [found.text for found in root.iter(f"{DASH}Location")] == [f"index.mpd{query}"]
    (template,) = root.iter(f"{DASH}SegmentTemplate")
    assert template.attrib["media"].endswith(query)
    assert template.attrib["initialization"].endswith(query)
    assert (await get(f"{egress.url}/live/{segment_urls(root)[-1]}"))[0] == 200
    assert len(egress.questions) == 1
    own = await manifest(f"{egress.url}/live/index.mpd{query}")
    assert list(own.iter(f"{DASH}Location")) == []


async def test_the_clock_is_told(egress, source):
    told = await text(f"{egress.url}/live/dash-time")
    off = datetime.fromisoformat(told.strip()) - datetime.now(UTC)
    assert abs(off.total_seconds()) < 30


async def test_segments_may_lie_elsewhere(egress, source):
    egress.config["url_prefix"] = "https://cdn.example.com/x/"
    root = await manifest(f"{egress.url}/live/index.mpd")
    assert segment_urls(root)[0].startswith("https://cdn.example.com/x/live/tracks-v1/dash-")
