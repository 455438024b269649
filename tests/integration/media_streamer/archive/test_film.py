"""The real film is recorded, and plays in every form, also when the stream is down."""

import asyncio
import io
import json
import time
from itertools import pairwise
from typing import Any

import aiohttp
import av
import pytest
from media_streamer.archive.places import files_between

from tests.support.clips import footage
from tests.support.rtsp_player import rtsp, utc
from tests.support.streamer import ffprobe, until

from .conftest import Recorder, decode, frames, utc_of_first_fragment

FORMS = ("m3u8", "fmp4.m3u8", "mp4", "mpd", "ts")


@pytest.fixture
async def film(recorder: Recorder) -> Recorder:
    clip = footage()
    recorder.write(
        f"rtmp 127.0.0.1:{recorder.rtmp_port};\nrtsp 127.0.0.1:{recorder.rtsp_port};\n"
        f"vod vod {{ storage {clip.parent}; }}\n"
        f"stream live {{ input file://vod/{clip.name}; segment_duration 1;"
        f" dvr {recorder.archive} 7d 99% 500G; }}\n"
    )
    await recorder.serve()
    await recorder.recorded(2)
    return recorder


async def test_the_film_plays_in_every_form_with_and_without_its_stream(film: Recorder) -> None:
    """One recording for all, as it takes ten seconds."""
    assert await frames(f"{film.base}/live/preview.mp4") == 1
    await asyncio.gather(from_the_past_into_the_present(film), while_it_runs(film))
    await every_form_without_the_stream(film)


async def while_it_runs(film: Recorder) -> None:
    await until(lambda: said_what_is_there(film), "the statistics say what is recorded", 30)
    await growing_and_shifted_lists(film)
    await from_the_present_into_the_past(film)
    await ranges_of_the_file_and_what_is_not_there(film)
    await locks(film)


async def said_what_is_there(film: Recorder) -> bool:
    info = (await film.stats()).get("dvr_info", {})
    return info.get("duration", 0) >= 1 and info["bytes"] > 0 and info["depth"] < 60


async def from_the_past_into_the_present(film: Recorder) -> None:
    """A list of MPEG-TS that grows: what was recorded and what is recorded now are one film."""
    start = int(time.time()) - 600
    folder = "live/tracks-v1a1"

    async def listed() -> list[str]:
        status, text = await film.get(f"{folder}/event-{start}-now.m3u8")
        assert status == 200
        return [line for line in text.decode().splitlines() if line.endswith(".ts")]

    before = await listed()

    async def grown() -> list[str] | None:
        found = await listed()
        return found if len(found) > len(before) else None

    after = await until(grown, "a segment more is listed", 60)
    assert after[: len(before)] == before
    answers = [await film.get(f"{folder}/{uri}") for uri in after]
    assert {status for status, _ in answers} == {200}
    with av.open(io.BytesIO(b"".join(body for _, body in answers)), format="mpegts") as opened:
        times: dict[str, list[int]] = {"video": [], "audio": []}
        for packet in opened.demux():
            if packet.dts is not None:
                assert not packet.is_corrupt
                times[packet.stream.type].append(packet.dts)
    for kind, found in times.items():
        steps = [later - earlier for earlier, later in pairwise(found)]
        assert min(steps) > 0, kind
        assert max(steps) < 18_000, kind
    assert len(times["video"]) == 132 * len(after)


async def every_form_without_the_stream(film: Recorder) -> None:
    status, _ = await film.api("PUT", "/streams/live", json={"disabled": True})
    assert status == 200  # what was under way is written, and nothing more comes
    await chosen_tracks_of_the_file(film)
    span = await film.all_time()
    listed = await film.segments()
    assert len(listed) >= 2
    for form in FORMS:
        await decode(f"{film.base}/live/archive-{span}.{form}")
    files = files_between(film.archive / "live")
    assert files
    for file in files:
        await decode(file.path)
    recorded = sum([await frames(file.path) for file in files])
    assert recorded >= 2 * 132  # a key frame in 5.28 s of 25 frames
    for form in FORMS:
        assert await frames(f"{film.base}/live/archive-{span}.{form}") == recorded, form
    await at_its_own_pace(film)
    await positions_by_rtsp(film)
    await pictures(film)
    await exports(film, recorded)

    status, body = await film.get(
        "live/recording_status.json?request=ranges,locks,brief_thumbnails"
    )
    assert status == 200, body
    (told,) = json.loads(body)
    assert told["stream"] == "live"
    assert told["locks"] == [{"from": 1000, "duration": 10}, {"from": 1020, "duration": 130}]
    status, ranges = await film.api("GET", "/streams/live/dvr/ranges")
    assert status == 200
    assert [one["from"] for one in ranges["ranges"]] == [one["from"] for one in told["ranges"]]
    seconds = sum(one["duration"] for one in told["ranges"])
    assert abs(seconds - recorded / 25) <= 2
    assert len(told["brief_thumbnails"]) >= 2
    for at in told["brief_thumbnails"][:2]:
        assert (await film.get(f"live/{at}.jpg"))[0] == 200
    assert (await film.stats())["dvr_enabled"] is False

    _, sessions = await film.api("GET", "/sessions")
    assert {one["dvr"] for one in sessions["sessions"]} == {True}
    assert "Traceback" not in film.log


async def at_its_own_pace(film: Recorder) -> None:
    """What has no end is played as time passes, after a first burst."""
    start = int(time.time()) - 3600
    host = "127.0.0.1"
    for url in (
        f"{film.base}/live/timeshift_rel-3600.ts",
        f"{film.base}/live/archive-{start}-now.ts",
        f"rtmp://{host}:{film.rtmp_port}/static/live?from={start}",
        f"rtsp://{host}:{film.rtsp_port}/live?from={start}",
    ):
        await decode(url, "-analyzeduration", "1000000", "-t", "1")
    async with film.session.ws_connect(f"{film.base}/live/mse_ld?from={start}") as socket:
        told = json.loads((await socket.receive(timeout=30)).data)
        assert [track["content"] for track in told["tracks"]] == ["video", "audio"]
        first = await utc_of(socket)
        await socket.send_str("pause")
        await socket.send_str(f"play_from={start}")
        again = await utc_of(socket, after="seeked")
        assert again == first  # the recording, not the present
        await socket.send_str("play_from=soon")
        assert "bad_request" in await heard(socket)
    for path in ("live/archive-100-200.ts", "live/mse_ld?from=x"):
        status, _ = await film.get(path)
        assert status in {400, 404}, path


async def from_the_present_into_the_past(film: Recorder) -> None:
    """A player that set up the stream itself asks for a time of its archive."""
    _, ranges = await film.api("GET", "/streams/live/dvr/ranges")
    start = ranges["ranges"][0]["from"]
    async with rtsp(film.rtsp_port, "live") as player:
        assert "a=range:npt=now-" in player.description
        answer = await player.play(Range=f"clock={utc(start)}-")
        assert f"Range: clock={utc(start)}-" in answer
        assert start - 6 < await player.next_utc() < start + 2


async def positions_by_rtsp(film: Recorder) -> None:
    """Segments of the film last 5.28 s: what is asked for is in the one that is sent."""
    _, ranges = await film.api("GET", "/streams/live/dvr/ranges")
    start = ranges["ranges"][0]["from"]
    async with rtsp(film.rtsp_port, f"live?from={start}") as player:
        assert f"a=range:clock={utc(start)}-" in player.description
        await player.play(Range="npt=0-")
        first = await player.next_utc()
        assert start - 6 < first <= start + 1
        source = await player.next_source()
        await player.ask("PAUSE")
        answer = await player.play(Range=f"clock={utc(start + 7)}-")
        assert f"Range: clock={utc(start + 7)}-" in answer
        later = await player.next_utc()
        assert first + 3 < later <= start + 8
        assert await player.next_source() == source
        answer = await player.play(Range="npt=0-", Scale="2.0")
        assert "Scale: 2" in answer
        assert abs(await player.next_utc() - first) < 0.1
        times = sorted(set(await player.timestamps(20)))
        assert {after - before for before, after in pairwise(times)} == {1800}
        for bad, status in (("smpte=0:10:20-", 501), ("npt=9-3", 457), ("clock=then-", 457)):
            assert f" {status} " in await player.play(Range=bad), bad
    async with rtsp(film.rtsp_port, f"vod/{footage().name}") as player:
        assert "a=range:npt=0.000-" in player.description
        answer = await player.play(Range="npt=2.5-")
        assert "Range: npt=2.500-" in answer
        assert len(await player.timestamps(5)) == 5
        assert " 457 " in await player.play(Range=f"clock={utc(start)}-")


async def chosen_tracks_of_the_file(film: Recorder) -> None:
    source = f"live/archive-{await film.all_time()}.mp4"
    whole = len((await film.get(source))[1])
    for track, kind in (("v1", "h264"), ("a1", "aac")):
        one = f"{source}?filter.tracks={track}"
        assert await ffprobe(f"{film.base}/{one}") == [kind]
        body = (await film.get(one))[1]
        assert 0 < len(body) < whole
        part = await film.get(one, headers={"Range": f"bytes={len(body) - 2000}-"})
        assert part == (206, body[-2000:])
    assert (await film.get(f"{source}?filter.tracks=v9"))[0] == 404


async def exports(film: Recorder, recorded: int) -> None:
    """A film on the disk of the server, with its progress, its address and its end."""
    path = "/streams/live/dvr/export"
    start, duration = (await film.all_time()).split("-")
    status, job = await film.api("POST", f"{path}?from={start}&duration={duration}")
    assert (status, job["stream"]) == (200, "live"), job
    where = f"/dvr_export_jobs/{job['name']}"

    async def done() -> Any:
        _, told = await film.api("GET", where)
        assert told["status"] != "failed", told
        return told if told["status"] == "done" else None

    told = await until(done, "the export is complete", 60)
    assert told["progress"] == 100
    assert told["bytes"] == told["size"]
    await decode(f"{film.base}{told['url']}")
    assert await frames(f"{film.base}{told['url']}") == recorded
    _, listed = await film.api("GET", "/dvr_export_jobs?stream=live&select=status")
    assert [one["status"] for one in listed["dvr_export_jobs"]] == ["done"]
    assert (await film.api("DELETE", where))[0] == 204
    assert (await film.api("DELETE", where))[0] == 404
    assert (await film.get(told["url"][1:]))[0] == 404
    status, job = await film.api("POST", path, json={"from": 1000, "duration": 10})
    assert status == 200

    async def failed() -> Any:
        _, told = await film.api("GET", f"/dvr_export_jobs/{job['name']}")
        return told if told["status"] == "failed" else None

    assert "nothing is recorded" in (await until(failed, "an export of nothing fails"))["error"]
    for bad in ({}, {"from": 1, "duration": 0}, {"from": 1, "duration": 1, "path": "/etc/x"}):
        assert (await film.api("POST", path, json=bad))[0] == 400
    assert (await film.api("PUT", path, json={}))[0] == 501
    assert (await film.get(f"live/export-{24 * '0'}.mp4"))[0] == 404


async def pictures(film: Recorder) -> None:
    """Of any moment that is recorded, as JPEG and as a film of one frame."""
    _, ranges = await film.api("GET", "/streams/live/dvr/ranges")
    (first, *_) = ranges["ranges"]
    for at in (first["from"], first["from"] + 1):
        status, picture = await film.get(f"live/{at}.jpg")
        assert (status, picture[:2]) == (200, b"\xff\xd8")
        status, same = await film.get(f"live/{at}-preview.jpg")
        assert (status, same) == (200, picture)
        assert await frames(f"{film.base}/live/{at}-preview.mp4") == 1
    await strips(film, first["from"], first["duration"])
    for path in (
        "live/100.jpg",
        "live/100-preview.mp4",
        "live/strip-100-100.jpg",
        "live/preview.mp4",
        "live/soon.jpg",
    ):
        assert (await film.get(path))[0] == 404, path


async def strips(film: Recorder, start: int, duration: int) -> None:
    """Some pictures of a time, in one."""
    status, picture = await film.get(f"live/strip-{start}-{duration}.jpg?count=6&columns=3")
    assert (status, picture[:2]) == (200, b"\xff\xd8")
    with av.open(io.BytesIO(picture)) as opened:
        assert (opened.streams.video[0].width, opened.streams.video[0].height) == (480, 180)
    assert await frames(f"{film.base}/live/strip-{start}-{duration}.mp4?count=6") == 6
    for query in (
        "count=0",
        "count=101",
        "count=x",
        "columns=11",
        "width=641",
        "count=100&width=640",
    ):
        path = f"live/strip-{start}-{duration}.jpg?{query}"
        assert (await film.get(path))[0] == 400, query
    assert (await film.get(f"live/strip-{start}-0.jpg"))[0] == 400


async def heard(socket: aiohttp.ClientWebSocketResponse) -> str:
    """The next text."""
    while True:
        message = await socket.receive(timeout=30)
        assert message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}, message
        if message.type is aiohttp.WSMsgType.TEXT and "mse_init" not in message.data:
            return str(message.data)


async def utc_of(socket: aiohttp.ClientWebSocketResponse, after: str = "") -> float:
    """When the next fragment of the picture was recorded, after an event."""
    while after and after not in await heard(socket):
        pass
    return await utc_of_first_fragment(socket)


async def ranges_of_the_file_and_what_is_not_there(film: Recorder) -> None:
    span = await film.all_time()
    url = f"live/archive-{span}.mp4"
    status, head = await film.get(url, headers={"Range": "bytes=0-99999"})
    assert (status, len(head)) == (206, 100_000)
    status, part = await film.get(url, headers={"Range": "bytes=40000-50000"})
    assert (status, part) == (206, head[40_000:50_001])
    multiplex = "live/tracks-v1a1"
    status, text = await film.get(f"{multiplex}/archive-{span}.m3u8")
    assert (status, text.splitlines()[:2]) == (200, [b"#EXTM3U", b"#EXT-X-VERSION:3"])
    uri = next(line for line in text.decode().splitlines() if line.endswith(".ts"))
    async with film.session.get(
        f"{film.base}/{multiplex}/{uri}", headers={"Range": "bytes=188-375"}
    ) as answer:
        assert (answer.status, answer.content_type) == (206, "video/mp2t")
        assert len(await answer.read()) == 188
    assert (await film.get(url, headers={"Range": "bytes=999999999-"}))[0] == 416
    for form in (
        "archive-100-200.m3u8",
        "archive-100-200.mp4",
        "archive-100-200.mpd",
        "tracks-v1/archive-5-5.fmp4.m3u8",
        "tracks-v1a1/archive-5-5.m3u8",
    ):
        status, words = await film.get(f"live/{form}")
        assert (status, words.strip()) == (404, b"Nothing is recorded of that time"), form
    for form in ("archive-0-999999999999999.m3u8", "archive-999999999999999-1.m3u8"):
        assert (await film.get(f"live/{form}"))[0] in {200, 404}, form
    assert (await film.get("live/tracks-v1/dvr/init-999999999999999.mp4"))[0] == 404
    assert (await film.get("live/tracks-v1/dvr/2026/99/99/99/99/99-00000-000.m4s"))[0] == 404
    for gone in (
        f"tracks-v9/archive-{span}.fmp4.m3u8",
        f"tracks-v1a9/archive-{span}.m3u8",
        f"tracks-v1v2/archive-{span}.m3u8",
        "tracks-v1a1/dvr/2026/99/99/99/99/99-00000-000.ts",
        "tracks-v1a1/dvr/2001/01/01/00/00/00-05000-000.ts",
        uri.replace("dvr/", "tracks-v9/dvr/"),
        uri.replace("dvr/", "tracks-v1v2/dvr/"),
    ):
        assert (await film.get(f"live/{gone}"))[0] == 404, gone


async def growing_and_shifted_lists(film: Recorder) -> None:
    now = int(time.time())
    for form in (f"archive-{now - 600}-now", "rewind-600", f"archive-{now - 600}-9000"):
        query = "?event=true" if form.endswith("9000") else ""
        for mark, folder in (("", "tracks-v1a1/"), (".fmp4", "tracks-v1/")):
            status, text = await film.get(f"live/{form}{mark}.m3u8{query}")
            assert status == 200, form
            media = next(line for line in text.decode().splitlines() if line.startswith(folder))
            assert media.endswith(f"{mark}.m3u8")
            status, text = await film.get(f"live/{media}")
            assert b"#EXT-X-PLAYLIST-TYPE:EVENT\n" in text
            assert b"#EXT-X-ENDLIST" not in text
            assert b"#EXT-X-MEDIA-SEQUENCE:0\n" in text
        status, text = await film.get(f"live/{form}.mpd{query}")
        assert (status, b'type="dynamic"' in text) == (200, True), form
    status, text = await film.get(f"live/timeshift_abs-{now - 600}.m3u8")
    assert status == 404  # nothing was recorded then
    status, text = await film.get("live/timeshift_rel-5.m3u8")
    assert status == 200
    media = next(line for line in text.decode().splitlines() if line.startswith("tracks-v"))
    status, text = await film.get(f"live/{media}")
    assert status == 200
    assert b"PLAYLIST-TYPE" not in text
    assert text.count(b".ts\n") >= 1
    status, text = await film.get("live/timeshift_rel-5.mpd")
    assert (status, b'type="dynamic"' in text) == (200, True)
    assert (await film.get("live/tracks-v1/dvr/dash-99999999-1.m4s"))[0] == 404
    assert (await film.get("live/tracks-v1/dvr/dash-0-1.m4s"))[0] == 404


async def locks(film: Recorder) -> None:
    path = "/streams/live/dvr/locks"
    assert (await film.api("POST", path, json={"from": 1000, "duration": 100}))[0] == 204
    assert (await film.api("POST", path, json={"from": 1100, "duration": 50}))[0] == 204
    assert (await film.api("DELETE", path, json={"from": 1010, "duration": 10}))[0] == 204
    _, found = await film.api("GET", path)
    assert [(one["from"], one["duration"]) for one in found["locks"]] == [(1000, 10), (1020, 130)]
    for bad in ({"from": 1, "duration": 0}, {"from": -1, "duration": 1}, {}):
        assert (await film.api("POST", path, json=bad))[0] == 400
    assert (await film.api("PUT", path, json={}))[0] == 405
    assert (await film.api("DELETE", "/streams/live/dvr/ranges", json={}))[0] == 400
    body = {"from": 1000, "duration": 100}
    status, refused = await film.api("DELETE", "/streams/live/dvr/ranges", json=body)
    assert (status, refused["errors"][0]["code"]) == (409, "locked"), refused
    assert (await film.api("GET", "/streams/none/dvr/locks"))[0] == 404
