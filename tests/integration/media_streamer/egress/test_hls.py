"""HLS and LL-HLS of a real worker process; segments are made by the real output of a stream."""

import asyncio
import itertools
import json
import time

import aiohttp
import pytest
from media_streamer.wire.control import CloseSession, Leaving

from tests.support.hls_rules import broken_rules, broken_update_rules, parse


async def run(*command: str, seconds: float = 40) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), seconds)
    return process.returncode or 0, out.decode(), err.decode()


async def get(url: str, **options) -> tuple[int, bytes, dict]:
    async with aiohttp.request("GET", url, **options) as response:
        return response.status, await response.read(), dict(response.headers)


async def text(url: str) -> str:
    status, body, _ = await get(url)
    assert status == 200, body
    return body.decode()


@pytest.mark.parametrize(
    "playlist", ["index.m3u8", "playlist.m3u8", "video.m3u8", "index.fmp4.m3u8", "index.ll.m3u8"]
)
async def test_ffmpeg_decodes_without_error_lines(egress, source, playlist):
    url = f"{egress.url}/live/{playlist}"
    code, _, errors = await run(*("ffmpeg", "-v", "error", "-i", url, "-t", "4", "-f", "null", "-"))
    assert (code, errors) == (0, "")


async def test_ffprobe_sees_both_tracks_of_each_form(egress, source):
    for playlist in ("index.m3u8", "index.fmp4.m3u8"):
        url = f"{egress.url}/live/{playlist}"
        options = ("-v", "error", "-show_streams", "-of", "json")
        code, out, errors = await run("ffprobe", *options, url)
        assert (code, errors) == (0, "")
        streams = {s["codec_name"]: s for s in json.loads(out)["streams"]}
        assert set(streams) == {"h264", "aac"}
        assert streams["h264"]["width"] == 320


async def test_names_and_types(egress, source):
    status, body, headers = await get(f"{egress.url}/live/index.m3u8")
    assert headers["Content-Type"] == "application/vnd.apple.mpegurl"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert b"tracks-v1a1/mono.m3u8\n" in body
    assert b"RESOLUTION=320x180" in body
    media = parse(await text(f"{egress.url}/live/tracks-v1a1/mono.m3u8"))
    uri = media.segments[0].uri
    assert uri.count("/") == 5
    status, body, headers = await get(f"{egress.url}/live/tracks-v1a1/{uri}")
    assert (status, headers["Content-Type"]) == (200, "video/mp2t")
    assert "immutable" in headers["Cache-Control"]
    assert len(body) % 188 == 0
    assert int(headers["Content-Length"]) == len(body)


async def test_range_and_head_of_a_segment(egress, source):
    base = f"{egress.url}/live/tracks-v1a1"
    uri = parse(await text(f"{base}/mono.m3u8")).segments[-1].uri
    _, whole, _ = await get(f"{base}/{uri}")
    status, body, headers = await get(f"{base}/{uri}", headers={"Range": "bytes=188-375"})
    assert (status, body) == (206, whole[188:376])
    assert headers["Content-Range"] == f"bytes 188-375/{len(whole)}"
    status, body, _ = await get(f"{base}/{uri}", headers={"Range": f"bytes={len(whole)}-"})
    assert (status, body) == (416, b"")
    async with aiohttp.request("HEAD", f"{base}/{uri}") as response:
        assert response.headers["Content-Length"] == str(len(whole))


async def follow(url: str, seconds: float) -> list[str]:
    """A low-latency client: blocking reloads of the next part, again and again."""
    texts = [await text(url)]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        playlist = parse(texts[-1])
        query = f"_HLS_msn={playlist.next_msn}&_HLS_part={len(playlist.open_parts)}"
        texts.append(await text(f"{url}?{query}"))
        reached = parse(texts[-1])
        assert (reached.next_msn, len(reached.open_parts)) > (
            playlist.next_msn,
            len(playlist.open_parts),
        ), "the answer has what was asked for"
    return texts


async def follow_until(url: str, size: int) -> None:
    """Reload until the playlist is as long as that."""
    for _ in range(50):
        if len(await text(url)) >= size:
            return
        await asyncio.sleep(0.2)
    raise AssertionError("the playlist does not grow")


async def test_low_latency_playlists_obey_the_rules(egress, source):
    await text(f"{egress.url}/live/index.ll.m3u8")
    for track in ("v1", "a1"):
        url = f"{egress.url}/live/tracks-{track}/index.ll.m3u8"
        texts = await follow(url, 2.5)
        assert len(texts) > 8
        for one in texts:
            assert broken_rules(one) == []
        for before, after in itertools.pairwise(texts):
            assert broken_update_rules(before, after) == []


async def test_plain_playlists_obey_the_rules(egress, source):
    for form in ("tracks-v1a1/mono.m3u8", "tracks-v1/index.fmp4.m3u8"):
        texts = [await text(f"{egress.url}/live/{form}")]
        while len(parse(texts[-1]).segments) < 4:
            await asyncio.sleep(0.4)
            texts.append(await text(f"{egress.url}/live/{form}"))
        assert broken_rules(texts[-1], live_window=True) == []
        for before, after in itertools.pairwise(texts):
            assert broken_update_rules(before, after) == []


async def test_parts_put_together_are_the_segment(egress, source):
    base = f"{egress.url}/live/tracks-v1"
    playlist = parse(await text(f"{base}/index.ll.m3u8"))
    segment = next(s for s in playlist.segments if s.parts)
    parts = [(await get(f"{base}/{part.uri}"))[1] for part in segment.parts]
    _, whole, headers = await get(f"{base}/{segment.uri}")
    assert b"".join(parts) == whole
    assert headers["Content-Type"] == "video/mp4"
    status, init, _ = await get(f"{base}/{segment.map}")
    assert (status, init[4:8]) == (200, b"ftyp")


async def test_hinted_part_is_waited_for(egress, source):
    base = f"{egress.url}/live/tracks-v1"
    # Over the end of a segment, too.
    for _ in range(8):
        playlist = parse(await text(f"{base}/index.ll.m3u8"))
        status, body, _ = await get(f"{base}/{playlist.hint}")
        assert status == 200
        assert body[4:8] in (b"moof", b"styp")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("_HLS_msn={far}", 400),
        ("_HLS_msn={far}&_HLS_part=0", 400),
        ("_HLS_part=1", 400),
        ("_HLS_msn=-1", 400),
        ("_HLS_msn=x", 400),
        ("_HLS_msn={last}&_HLS_part=99", 200),
        ("_HLS_msn=1", 200),
    ],
)
async def test_delivery_directives(egress, source, query, expected):
    url = f"{egress.url}/live/tracks-v1/index.ll.m3u8"
    following = parse(await text(url)).next_msn
    query = query.format(far=following + 4, last=following - 1)
    assert (await get(f"{url}?{query}"))[0] == expected


async def test_blocked_reload_gives_up_after_three_target_durations(egress, source):
    url = f"{egress.url}/live/tracks-v1/index.ll.m3u8"
    await text(url)
    source.paused = True
    await asyncio.sleep(0.3)
    following = parse(await text(url)).next_msn
    started = time.monotonic()
    status, _, headers = await get(f"{url}?_HLS_msn={following}")
    assert (status, headers["Retry-After"]) == (503, "2")
    assert 2.5 < time.monotonic() - started < 6


@pytest.mark.parametrize(
    "path",
    [
        "tracks-v1a1/2020/01/01/00/00/00-05000.ts",
        "tracks-v9/index.fmp4.m3u8",
        "tracks-v1/part-1.m4s",
        "tracks-v1/init-00000000.mp4",
        "tracks-a9v1/mono.m3u8",
    ],
)
async def test_what_is_not_there(egress, source, path):
    assert (await get(f"{egress.url}/live/{path}"))[0] == 404


async def test_token_stays_on_all_urls_and_the_session_is_one(egress, source, wait_until):
    egress.token = "made&by/server"
    master = await text(f"{egress.url}/live/index.m3u8")
    assert "tracks-v1a1/mono.m3u8?token=made%26by%2Fserver\n" in master
    query = "?token=made%26by%2Fserver"
    media = await text(f"{egress.url}/live/tracks-v1a1/mono.m3u8{query}")
    segments = parse(media).segments
    assert all(segment.uri.endswith(query) for segment in segments)
    for segment in segments:
        assert (await get(f"{egress.url}/live/tracks-v1a1/{segment.uri}"))[0] == 200
    await text(f"{egress.url}/live/tracks-v1a1/mono.m3u8{query}")
    assert len(egress.questions) == 1
    # What it sent is told again and again while it grows.
    await wait_until(lambda: any(report.bytes > 50_000 for report in egress.reports.values()))
    assert len(egress.reports) == 1


async def test_closed_session_is_asked_about_again(egress, source, wait_until):
    url = f"{egress.url}/live/tracks-v1a1/mono.m3u8"
    await text(url)
    await wait_until(lambda: egress.reports)
    (identifier,) = egress.reports
    egress.denied["live"] = {"status": 403, "code": "banned", "title": "No"}
    egress.peer.notify(CloseSession(identifier, "limit"))
    await wait_until(lambda: egress.closed)
    assert (await get(url))[0] == 403


async def test_a_server_that_leaves_lets_viewers_go_at_the_newest_segment(egress, source):
    base = f"{egress.url}/live/tracks-v1a1"
    low_latency = f"{egress.url}/live/tracks-v1"

    async with aiohttp.ClientSession() as session:

        async def is_closed(url: str) -> bool:
            async with session.get(url) as response:
                await response.read()
                assert response.status == 200
                return response.headers.get("Connection") == "close"

        segments = parse(await text(f"{base}/mono.m3u8")).segments
        assert not await is_closed(f"{base}/{segments[-1].uri}")
        egress.peer.notify(Leaving())
        async with asyncio.timeout(60):  # the notice and the requests come by different ways
            while len(segments) < 2 or not await is_closed(f"{base}/{segments[-1].uri}"):
                await asyncio.sleep(0.05)
                segments = parse(await text(f"{base}/mono.m3u8")).segments
        assert not await is_closed(f"{base}/{segments[0].uri}")
        assert not await is_closed(f"{base}/mono.m3u8")
        parts = parse(await text(f"{low_latency}/index.ll.m3u8"))
        assert await is_closed(f"{low_latency}/{parts.hint}")


async def test_url_prefix(egress, source):
    egress.config["url_prefix"] = "https://cdn.example.com/x/"
    media = await text(f"{egress.url}/live/tracks-v1/index.fmp4.m3u8")
    prefix = "https://cdn.example.com/x/live/tracks-v1/"
    assert all(segment.uri.startswith(prefix) for segment in parse(media).segments)


async def test_compressed_only_if_asked(egress, source):
    url = f"{egress.url}/live/tracks-v1/index.ll.m3u8"
    await follow_until(url, 2000)
    plain = await get(url, headers={"Accept-Encoding": "identity"})
    packed = await get(url, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain[2]
    assert packed[2].get("Content-Encoding") == "gzip"
    assert packed[1].startswith(b"#EXTM3U")


async def test_viewers_go_on_when_the_media_worker_was_replaced(egress, source, new_source):
    """The successor numbers by the clock; the client is never told anything that breaks a rule."""
    url = f"{egress.url}/live/tracks-v1/index.ll.m3u8"
    texts = await follow(url, 1.0)
    await egress.media.stop()
    source.paused = True
    status, _, _ = await get(url)
    assert status == 200, "what was there can still be played"
    successor = new_source(ahead=0)
    egress.media.script = successor.serve
    task = asyncio.create_task(successor.run())
    await egress.media.start()
    try:
        newest = parse(texts[-1])
        deadline = time.monotonic() + 10
        while parse(one := await text(url)).next_msn <= newest.next_msn:
            assert time.monotonic() < deadline, "nothing new after the restart"
            assert broken_rules(one) == []
            await asyncio.sleep(0.1)
        for one in await follow(url, 1.5):
            assert broken_rules(one) == []
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        successor.output.close()


async def test_info_documents(egress, source):
    body = json.loads(await text(f"{egress.url}/live/media_info.json"))
    tracks = {track["track_id"]: track for track in body["tracks"]}
    assert tracks["v1"]["codec"] == "h264"
    assert (tracks["v1"]["width"], tracks["a1"]["sample_rate"]) == (320, 48000)
    body = json.loads(await text(f"{egress.url}/live/info.json"))
    assert body["name"] == "live"
    assert body["stats"]["alive"] is True


async def test_filtered_tracks(egress, source):
    master = await text(f"{egress.url}/live/index.fmp4.m3u8?filter.tracks=v1")
    assert "tracks-v1/" in master
    assert "tracks-a1/" not in master


@pytest.mark.parametrize(
    ("video", "audio", "codecs"),
    [("libx265", "aac", {"hevc", "aac"}), ("libx264", "libopus", {"h264", "opus"})],
)
async def test_codecs_that_hls_has_in_fragmented_mp4_only(
    egress, source, footage_in, video, audio, codecs
):
    source.paused = True
    source.output.close()
    source.use(footage_in(video, audio))
    master = await text(f"{egress.url}/live/index.m3u8")
    assert "tracks-v1/index.fmp4.m3u8" in master
    options = ("-v", "error", "-show_entries", "stream=codec_name", "-of", "json")
    code, out, errors = await run("ffprobe", *options, f"{egress.url}/live/index.m3u8")
    assert (code, errors) == (0, "")
    assert {stream["codec_name"] for stream in json.loads(out)["streams"]} == codecs
