"""Who cannot be served is told why, in each protocol's own words and soon: never by silence.

A table of protocols and reasons, driven by what a client of each protocol really says.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import aiohttp
import pytest

from tests.support import asking
from tests.support.asking import Answer
from tests.support.ports import free_port
from tests.support.streamer import until
from tests.support.webrtc_offers import browser

from .conftest import FilmStreamer, Launch

SOON_SECONDS = 12.0
"""Bound of every answer: also of a busy machine, also where a source may still give data."""
SDP = {"Content-Type": "application/sdp"}
NAMES = {
    "unknown": "unseen",
    "no data": "idle",
    "refused": "away",
    "copied": "twin",
    "wrong token": "shut",
    "limit": "full",
    "codec": "old",
    "track": "good",
}
STATUS = {
    "unknown": {404},
    "no data": {404, 503},
    "refused": {503},
    "copied": {503},
    "wrong token": {401, 403},
    "limit": {403, 503},
    "codec": {404, 406, 415, 503},
    "track": {404},
    "off": {403},
}
REFUSED = r"not running now: its source gives no data \(connection refused\)"
WORDS = {
    "unknown": "no stream",
    "no data": "not running|no data|no picture",
    "refused": REFUSED,
    "copied": REFUSED,
    "wrong token": "denied|refused|allowed|token",
    "limit": "sessions",
    "codec": "carr",
    "track": "no track v9",
    "off": "may not be played by",
}
TRACK = "v9"
TOKEN = "?token=me"


@dataclass
class House:
    """The streamer and its ports."""

    streamer: FilmStreamer
    rtsp: int
    srt: int


Ask = Callable[[House, str, bool], Awaitable[Answer]]
"""Ask for a stream, with a selection of tracks that there are not if that is true."""


def http(path: str) -> Ask:
    async def ask(house: House, name: str, track: bool) -> Answer:
        query = f"?token=me&filter.tracks={TRACK}" if track else "?token=me"
        headers = {}
        if path.endswith("mse_ld"):
            headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
            headers |= {
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            }
        url = f"{house.streamer.base}{path.format(name)}{query}"
        async with house.streamer.session.get(url, headers=headers) as answer:
            return Answer(answer.status, await answer.text() if answer.status >= 400 else "")

    return ask


async def whep(house: House, name: str, track: bool) -> Answer:
    query = f"?token=me&filter.tracks={TRACK}" if track else "?token=me"
    url = f"{house.streamer.base}/{name}/whep{query}"
    async with house.streamer.session.post(url, data=browser(), headers=SDP) as answer:
        if answer.status < 400:
            return Answer(answer.status, "")
        return Answer(answer.status, (await answer.json(content_type=None))["title"])


async def rtsp(house: House, name: str, track: bool) -> Answer:
    return await asking.rtsp(house.rtsp, name + (f"?token=me&tracks={TRACK}" if track else TOKEN))


async def rtmp(house: House, name: str, track: bool) -> Answer:
    query = f"?token=me&tracks={TRACK}" if track else TOKEN
    return await asking.rtmp(house.streamer.rtmp_port, name + query)


async def srt(house: House, name: str, track: bool) -> Answer:
    """What is no code is in the log."""
    stream_id = f"#!::r={name},m=request,token=me" + (f",tracks={TRACK}" if track else "")
    answer = await asking.srt(house.srt, stream_id, may_be_late=True)

    async def said() -> list[str]:
        return re.findall(rf" srt \S+ stream {name} refused: (.*)", house.streamer.log)

    return Answer(answer.status, "\n".join(await until(said, "the log says why", SOON_SECONDS)))


PROTOCOLS: dict[str, Ask] = {
    "hls": http("/{}/index.m3u8"),
    "hls fmp4": http("/{}/index.fmp4.m3u8"),
    "dash": http("/{}/index.mpd"),
    "tshttp": http("/{}/mpegts"),
    "flv": http("/{}.flv"),
    "mseld": http("/{}/mse_ld"),
    "jpeg": http("/{}/preview.jpg"),
    "webrtc": whep,
    "rtsp": rtsp,
    "rtmp": rtmp,
    "srt": srt,
}
CARRIED = {"hls", "hls fmp4", "dash", "tshttp", "mseld", "jpeg", "srt"}
"""MPEG-2 video can be had by these."""
PICTURES = {"jpeg"}
"""Have no tracks to choose from, and are no sessions."""


@pytest.fixture
async def house(streamer: FilmStreamer, launch: Launch) -> AsyncIterator[House]:
    made = House(streamer, free_port(), free_port())
    only = "\n".join(
        f"stream only_{one} {{ input fake://fake; protocols {one}; }}" for one in ("hls", "dash")
    )
    streamer.write(
        f"rtsp 127.0.0.1:{made.rtsp};\nsrt 127.0.0.1:{made.srt};\n"
        "auth_backend gate { allow token t0ken; }\n"
        "stream good { input fake://fake; segment_duration 1; }\n"
        "stream idle { input publish://; }\n"
        f"stream away {{ input tshttp://127.0.0.1:{free_port()}/; }}\n"
        "stream twin { input copy://away; }\n"
        "stream shut { input fake://fake; on_play auth://gate; }\n"
        "auth_backend open { allow default; }\n"
        "stream full { input fake://fake; on_play auth://open max_sessions=1; }\n"
        f"stream old {{ input publish://; segment_duration 1; }}\n{only}\n"
    )
    await streamer.serve()
    await launch(
        "-re", "-f", "lavfi", "-i", "testsrc=size=160x90:rate=25", "-c:v", "mpeg2video", "-g", "25",
        "-f", "mpegts", f"{streamer.base}/old/mpegts",
    )  # fmt: skip
    for name in ("good", "full", "old"):
        await streamer.running(name)

    async def refused_for_long() -> bool:
        return (await streamer.stream("away"))["stats"]["retry_count"] > 2

    await until(refused_for_long, "the source has been refused for seconds")
    async with streamer.session.get(f"{streamer.base}/full/mpegts?token=me") as viewer:
        assert viewer.status == 200
        await viewer.content.readany()
        yield made


def _cases(protocol: str) -> dict[str, str]:
    """Name of the stream by the reason for which it cannot be had."""
    cases = dict(NAMES)
    cases["off"] = "only_dash" if protocol.startswith("hls") else "only_hls"
    if protocol in CARRIED:
        del cases["codec"]
    if protocol in PICTURES:
        del cases["track"], cases["limit"], cases["refused"], cases["copied"]
    return cases


async def test_viewers_are_told_why_not(house: House) -> None:
    async def one(protocol: str, reason: str, name: str) -> str:
        """What is wrong with the answer; empty if nothing is."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(SOON_SECONDS):
                answer = await PROTOCOLS[protocol](house, name, reason == "track")
        except TimeoutError:
            return f"{protocol}, {reason}: silence"
        except (OSError, aiohttp.ClientError, asyncio.IncompleteReadError, AssertionError) as error:
            return f"{protocol}, {reason}: {error!r}"
        right = answer.status in STATUS[reason] | {asking.LATE} or protocol == "rtmp"
        if right and re.search(WORDS[reason], answer.words, re.IGNORECASE):
            return ""
        return f"{protocol}, {reason} after {time.monotonic() - began:.1f} s: {answer}"

    found = await asyncio.gather(
        *(
            one(protocol, reason, name)
            for protocol in PROTOCOLS
            for reason, name in _cases(protocol).items()
        )
    )
    assert not [line for line in found if line], "\n".join(filter(None, found))
