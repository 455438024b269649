"""A stream with two videos and two languages: variants of one another in every protocol."""

import asyncio
import json
import re
from urllib.parse import urljoin
from xml.etree import ElementTree

import pytest

from tests.support.hls_rules import Playlist, attributes, broken_rules, parse
from tests.support.ports import free_port

from .test_dash import DASH
from .test_hls import get, run, text

SIZES = {"640x360", "320x180"}


def tagged(master: str, tag: str) -> list[dict[str, str]]:
    lines = master.splitlines()
    return [attributes(line.partition(":")[2]) for line in lines if line.startswith(f"{tag}:")]


def playlists(master: str) -> list[str]:
    """URIs of the media playlists, those of renditions after those of variants."""
    variants = [line for line in master.splitlines() if line and not line.startswith("#")]
    others = [one["URI"] for one in tagged(master, "#EXT-X-MEDIA") if "URI" in one]
    return variants + others


async def key_stamps(url: str, kind: str = "v") -> tuple[list[float], str]:
    """Time stamps of the key frames of what is at an address, and the lines of errors."""
    command = [
        "ffprobe",
        "-v",
        "error",
        "-select_streams",
        kind,
        "-show_entries",
        "packet=pts_time,flags",
    ]
    code, out, errors = await run(*command, "-read_intervals", "%+4", "-of", "json", url)
    assert code == 0, errors
    packets = json.loads(out)["packets"]
    return [float(p["pts_time"]) for p in packets if "K" in p["flags"]], errors


async def probed(url: str, *options: str) -> list[tuple[str, str]]:
    """Size or language of each track at an address."""
    entries = "stream=codec_type,width,height:stream_tags=language"
    command = ("ffprobe", "-v", "error", *options, "-show_entries", entries, "-of", "json", url)
    code, out, errors = await run(*command)
    assert code == 0, errors
    return [
        ("video", f"{one['width']}x{one['height']}")
        if one["codec_type"] == "video"
        else ("audio", one.get("tags", {}).get("language", ""))
        for one in json.loads(out)["streams"]
    ]


@pytest.mark.parametrize("name", ["index.m3u8", "index.fmp4.m3u8", "index.ll.m3u8"])
async def test_each_video_is_a_variant_that_decodes(egress, renditions, name):
    master = await text(f"{egress.url}/live/{name}")
    variants = tagged(master, "#EXT-X-STREAM-INF")
    assert {one["RESOLUTION"] for one in variants} == SIZES
    assert all("mp4a.40.2" in one["CODECS"] and "avc1." in one["CODECS"] for one in variants)
    assert int(variants[0]["BANDWIDTH"]) > int(variants[1]["BANDWIDTH"]) > 0
    assert all(one["FRAME-RATE"] == "25.000" for one in variants)
    sounds = tagged(master, "#EXT-X-MEDIA")
    assert [(one["LANGUAGE"], one["DEFAULT"]) for one in sounds] == [("eng", "YES"), ("deu", "NO")]
    found = {}
    for uri in playlists(master):
        url = urljoin(f"{egress.url}/live/", uri)
        code, _, errors = await run(
            "ffmpeg", "-v", "error", "-i", url, "-t", "2", "-f", "null", "-"
        )
        assert (code, errors) == (0, ""), uri
        playlist = await text(url)
        assert broken_rules(playlist) == []
        found[uri] = parse(playlist)
    assert len({one.discontinuity_sequence for one in found.values()}) == 1


@pytest.mark.parametrize("name", ["index.m3u8", "index.fmp4.m3u8"])
async def test_variants_are_cut_at_the_same_moments(egress, renditions, name, tmp_path):
    """The segment of a number begins with a key frame of the same time stamp in each variant."""
    master = await text(f"{egress.url}/live/{name}")
    urls = [urljoin(f"{egress.url}/live/", uri) for uri in playlists(master)[:2]]
    found: list[dict[int, float]] = [{}, {}]
    async with asyncio.timeout(60):
        while len(found[0].keys() & found[1].keys()) < 3:
            for number, url in enumerate(urls):
                for segment in parse(await text(url)).segments:
                    if segment.msn not in found[number]:
                        file = tmp_path / f"{number}-{segment.msn}"
                        sections = [segment.map] if segment.map else []
                        parts = [(await get(urljoin(url, u)))[1] for u in (*sections, segment.uri)]
                        file.write_bytes(b"".join(parts))
                        keys, errors = await key_stamps(str(file))
                        assert errors == ""
                        found[number][segment.msn] = keys[0]
            await asyncio.sleep(0.2)
    for msn in found[0].keys() & found[1].keys():
        assert found[0][msn] == pytest.approx(found[1][msn], abs=0.001)


async def test_a_video_tells_how_far_the_others_are(egress, renditions):
    await text(f"{egress.url}/live/index.ll.m3u8")
    first = parse(await text(f"{egress.url}/live/tracks-v1/index.ll.m3u8"))
    assert {one["URI"].split("/")[1] for one in first.reports} == {
        "tracks-v2",
        "tracks-a1",
        "tracks-a2",
    }
    reload = f"_HLS_msn={first.next_msn}&_HLS_part=1"
    both = await asyncio.gather(
        *(text(f"{egress.url}/live/tracks-{name}/index.ll.m3u8?{reload}") for name in ("v1", "v2"))
    )
    lists: list[Playlist] = [parse(one) for one in both]
    assert abs(lists[0].next_msn - lists[1].next_msn) <= 1


async def test_dash_has_one_set_of_videos(egress, renditions):
    url = f"{egress.url}/live/index.mpd"
    _, body, _ = await get(url)
    root = ElementTree.fromstring(body)
    sets = list(root.iter(f"{DASH}AdaptationSet"))
    assert [one.get("lang") for one in sets] == [None, "eng", "deu"]
    videos = list(sets[0].iter(f"{DASH}Representation"))
    assert {f"{one.get('width')}x{one.get('height')}" for one in videos} == SIZES
    code, _, errors = await run(
        "ffmpeg", "-v", "error", "-i", url, "-map", "0", "-t", "3", "-f", "null", "-"
    )
    assert (code, errors) == (0, "")


async def test_what_is_selected_is_played(egress, renditions):
    paths = [
        "live/index.m3u8?filter.tracks=v2a2",
        "live/tracks-v2a2/mono.m3u8",
        "live/index.fmp4.m3u8?filter.tracks=v2a2",
        "live/index.ll.m3u8?filter.tracks=v2a2",
        "live/index.mpd?filter.tracks=v2a2",
        "live/mpegts?filter.tracks=v2a2",
        "live.flv?filter.tracks=v2a2",
    ]
    for path in paths:
        found = await probed(f"{egress.url}/{path}")
        assert sorted(kind for kind, _ in found) == ["audio", "video"], path
        assert dict(found)["video"] == "320x180", path
        # FFmpeg takes languages out of what lists segments, and FLV has none.
        assert dict(found)["audio"] in {"deu", ""}, path


async def test_a_selection_of_several_videos_has_variants(egress, renditions):
    base = f"{egress.url}/live/index.m3u8?filter.tracks=v1v2a2"
    master = await text(base)
    sizes = [one["RESOLUTION"] for one in tagged(master, "#EXT-X-STREAM-INF")]
    assert sizes == ["640x360", "320x180"]
    for uri in playlists(master):
        assert uri.endswith("?filter.tracks=v1v2a2")
        url = urljoin(base, uri)
        segment = parse(await text(url)).segments[-1].uri
        assert dict(await probed(urljoin(url, segment)))["audio"] == "deu"


async def test_what_there_is_not_is_refused_with_what_there_is(egress, renditions):
    paths = [
        "live/index.m3u8?filter.tracks=v7",
        "live/tracks-v7a1/mono.m3u8",
        "live/index.fmp4.m3u8?filter.tracks=v1a7",
        "live/index.ll.m3u8?filter.tracks=v7",
        "live/index.mpd?filter.tracks=a7",
        "live/mpegts?filter.tracks=v7",
        "live.flv?filter.tracks=v7a1",
        "live/mse_ld?tracks=v7",
        "live/index.m3u8?filter.tracks=everything",
        "live/mpegts?filter.tracks=everything",
    ]
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    for path in paths:
        wanted = headers if "mse_ld" in path else {}
        status, body, _ = await get(f"{egress.url}/{path}", headers=wanted)
        assert status == 404, path
        assert re.fullmatch(rb"The stream has no track \S+; it has v1, v2, a1, a2\n", body), body
    status, body, _ = await get(f"{egress.url}/live/tracks-v1v2a1/mono.m3u8")
    assert (status, body.startswith(b"A playlist has one video: index.m3u8?")) == (404, True)


async def test_rtmp_has_the_selected_tracks_or_says_which_there_are(egress, renditions):
    port = free_port()
    assert await egress.listen(rtmp=[{"address": "127.0.0.1", "port": port}]) == []
    url = f"rtmp://127.0.0.1:{port}/static/live"
    assert dict(await probed(f"{url}?filter.tracks=v2a1"))["video"] == "320x180"
    assert dict(await probed(f"{url}?tracks=v1"))["video"] == "640x360"
    code, _, errors = await run("ffprobe", "-v", "error", f"{url}?tracks=v7")
    assert code != 0
    assert "no track v7; it has v1, v2, a1, a2" in errors
