"""Every form in which an archive is asked for, by every protocol that plays: the time that was
asked for, read from the clock in the picture, or a refusal in words.

What plays stands in `media_api.protocols`: a protocol that is added there has to say here what it
does with an archive.
"""

import asyncio
import json
import time
from collections.abc import Iterator

import numpy as np
import pytest
from media_api.protocols import ROWS
from media_streamer.presentation.archive import LEAD_MS

from tests.support.picture_clock import PictureClock
from tests.support.process import end
from tests.support.streamer import until

from .conftest import DECODE_SECONDS, Recorder, utc_of_first_fragment

pytestmark = [pytest.mark.long]

DEPTH_SECONDS = 26
"""A time shift is of at least 20 s."""
SEGMENT_SECONDS = 1.0
BOUNDED = ("archive-{start}-3", "index-{start}-3", "video-{start}-3")
GROWING = ("archive-{start}-now", "rewind-{ago}")
SHIFTED = (
    "timeshift_abs-{start}",
    "timeshift_rel-{ago}",
    "video-timeshift_abs-{start}",
    "video-timeshift_rel-{ago}",
)
ALL = (*BOUNDED, *GROWING, *SHIFTED)
PATHS = {
    "hls": ("{moment}.m3u8", ALL),
    "llhls": ("{moment}.fmp4.m3u8", ALL),
    "dash": ("{moment}.mpd", ALL),
    "tshttp": ("{moment}.ts", ALL),
    "mp4": ("{moment}.mp4", ("archive-{start}-3", "archive-{start}-now")),
}
"""By the name of the protocol: what follows the stream, and the moments that it serves."""
PARAMETERS = {
    "rtmp": "rtmp://127.0.0.1:{rtmp}/static/live?{query}",
    "rtsp": "rtsp://127.0.0.1:{rtsp}/live?{query}",
}
QUERIES = ("from={start}", "ago={ago}")
WORDS = {"flv": "flv", "webrtc": "whep", "srt": "srt", "m4f": "m4f"}
"""They play the present alone: no path asks them for another time."""
OTHERS = {"mseld", "jpeg"}
"""`by_websocket`, `pictures`."""
NO_MEDIA = {"player", "api"}


def test_each_protocol_that_plays_says_what_it_does_with_an_archive() -> None:
    plays = {row.name for row in ROWS if row.play is not None and row.play.served}
    assert plays == {*PATHS, *PARAMETERS, *WORDS, *OTHERS, *NO_MEDIA}


async def test_each_form_gives_the_time_that_was_asked_for(recorder: Recorder) -> None:
    recorder.write(
        f"rtmp 127.0.0.1:{recorder.rtmp_port};\nrtsp 127.0.0.1:{recorder.rtsp_port};\n"
        f"stream live {{ input fake://fake size=320x180 fps=10; segment_duration 1;"
        f" dvr {recorder.archive} 1d; }}\n"
    )
    await recorder.serve()

    async def begins() -> int:
        _, told = await recorder.api("GET", "/streams/live/dvr/ranges")
        (first, *_) = told.get("ranges") or [{"from": time.time()}]
        return int(first["from"]) if time.time() - first["from"] > DEPTH_SECONDS else 0

    begin = int(await until(begins, "enough is recorded", 120))
    start, wrong = begin + 2, list[str]()
    for url in _urls(recorder, start):
        ago = int(time.time()) - start
        url = url.format(start=start, ago=ago)
        error = await _difference(url, start)
        if error:
            wrong.append(f"{url}: {error}")
    assert not wrong, "\n".join(wrong)
    await by_websocket(recorder, start)
    await pictures(recorder, start)
    await what_is_not_served_is_said(recorder, start)


def _urls(recorder: Recorder, start: int) -> Iterator[str]:
    for ending, moments in PATHS.values():
        for moment in moments:
            yield f"{recorder.base}/live/" + ending.replace("{moment}", moment)
    for form in PARAMETERS.values():
        for query in QUERIES:
            ports = form.replace("{rtmp}", str(recorder.rtmp_port))
            ports = ports.replace("{rtsp}", str(recorder.rtsp_port))
            yield ports.replace("{query}", query)


async def _difference(url: str, start: int) -> str:
    """What is wrong with the first picture; empty: it is one that was asked for."""
    try:
        when = await _first_clock(url)
    except ValueError as error:
        return str(error)
    # A segment is sent whole; where one asks `ago`, the second may have changed meanwhile.
    late = 2.1
    if "timeshift_" in url and not url.endswith(".ts"):
        late += LEAD_MS / 1000  # players begin behind the end of a list that moves
    if start - SEGMENT_SECONDS - 0.1 <= when <= start + late:
        return ""
    return f"begins {when - start:+.1f} s from what was asked for"


async def _first_clock(url: str) -> float:
    """Of the first picture of what is listed; raises ValueError."""
    first = ("-live_start_index", "0") if url.endswith(".m3u8") else ()
    process = await asyncio.create_subprocess_exec(
        *(
            "ffmpeg",
            "-nostdin",
            "-v",
            "error",
            *first,
            "-i",
            url,
            "-map",
            "0:v:0",
            "-frames:v",
            "1",
        ),
        *("-f", "image2pipe", "-c:v", "pgm", "-"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        picture, words = await asyncio.wait_for(process.communicate(), DECODE_SECONDS)
    finally:
        await end(process)
    if not picture.startswith(b"P5"):
        raise ValueError(words.decode() or "nothing came")
    _, size, _, luma = picture.split(b"\n", 3)
    width, height = map(int, size.split())
    rows = np.frombuffer(luma[: width * height], np.uint8).reshape(height, width)
    return PictureClock(width, height).read(rows)


async def by_websocket(recorder: Recorder, start: int) -> None:
    ago = int(time.time()) - start
    for query in (f"from={start}", f"ago={ago}"):
        async with recorder.session.ws_connect(f"{recorder.base}/live/mse_ld?{query}") as socket:
            told = json.loads((await socket.receive(timeout=30)).data)
            assert [track["content"] for track in told["tracks"]] == ["video", "audio"]
            when = await utc_of_first_fragment(socket)
            assert start - SEGMENT_SECONDS - 0.1 <= when <= start + 2.1, query


async def pictures(recorder: Recorder, start: int) -> None:
    for name in (f"{start}.jpg", f"{start}-preview.mp4"):
        when = await _first_clock(f"{recorder.base}/live/{name}")
        assert start - SEGMENT_SECONDS - 0.1 <= when <= start + 1, name


async def what_is_not_served_is_said(recorder: Recorder, start: int) -> None:
    """No form is answered with the present, or without words."""
    moments = [one.format(start=start, ago=25) for one in ALL]
    endings = (".flv", ".m4f", "/mpegts", "/mse_ld", "/whep", ".json", ".f4m")
    paths = [f"live/{moment}{ending}" for moment in moments for ending in endings]
    served = PATHS["mp4"][1]
    paths += [f"live/{one.format(start=start, ago=25)}.mp4" for one in ALL if one not in served]
    for path in paths:
        status, body = await recorder.get(path)
        assert status == 404, path
        assert b"served" in body or b"What is recorded is" in body, (path, body)
    for form, _ in PATHS.values():
        status, body = await recorder.get("live/" + form.format(moment="archive-100-60"))
        assert status == 404, (form, body)
        assert body, form
