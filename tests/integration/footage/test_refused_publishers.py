"""Publishers who cannot be taken are told why, in each protocol's words and soon; so is the log.

A table of protocols and reasons, driven by what a client of each protocol really says.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import aiohttp
import pytest

from tests.support import asking
from tests.support.asking import Answer
from tests.support.certificates import make_chain
from tests.support.ports import free_port
from tests.support.streamer import until
from tests.support.webrtc_offers import browser

from .conftest import FilmStreamer

SOON_SECONDS = 12.0
SDP = {"Content-Type": "application/sdp"}
# Of no other test that has this streamer: the log says a refusal once a minute for each stream.
NAMES = {
    "unknown": "unheard",
    "no publish input": "pulled",
    "no password": "closed",
    "backend": "gated",
    "taken": "taken",
    "disabled": "off",
    "codec": "free",
}
STATUS = {
    "unknown": {404},
    "no publish input": {403},
    "no password": {401, 403},
    "backend": {401, 403},
    "taken": {409},
    "disabled": {404},
    "codec": {406, 415},
}
WORDS = {
    "unknown": "no stream",
    "no publish input": "takes no publisher",
    "no password": "password",
    "backend": "denied|refused|allowed|token",
    "taken": "another publisher|already_published",
    "disabled": "disabled",
    "codec": "codec",
}


@dataclass
class House:
    """The streamer and its ports."""

    streamer: FilmStreamer
    rtmps: int
    rtsp: int
    srt: int


Ask = Callable[[House, str, str], Awaitable[Answer]]
"""Ask to publish a stream, with words behind its name."""


async def rtmp(house: House, name: str, query: str) -> Answer:
    return await asking.rtmp(house.streamer.rtmp_port, name + query, "publish")


async def rtmps(house: House, name: str, query: str) -> Answer:
    return await asking.rtmp(house.rtmps, name + query, "publish", tls=True)


async def rtsp(house: House, name: str, query: str) -> Answer:
    codec = "H263" if name == "free" else "H264"
    return await asking.rtsp(house.rtsp, name + query, "publish", codec)


async def srt(house: House, name: str, query: str) -> Answer:
    stream_id = f"#!::r={name},m=publish,{query.removeprefix('?').replace('&', ',')}"
    answer = await asking.srt(house.srt, stream_id, may_be_late=True)
    return Answer(answer.status, house.streamer.log)


async def whip(house: House, name: str, query: str) -> Answer:
    url = f"{house.streamer.base}/{name}/whip{query}"
    offer = browser("sendonly")
    if name == "free":
        offer = offer.replace("H264", "H263").replace("AV1", "H263").replace("VP8", "H263")
    async with house.streamer.session.post(url, data=offer, headers=SDP) as answer:
        if answer.status < 400:
            return Answer(answer.status, "")
        return Answer(answer.status, (await answer.json(content_type=None))["title"])


def ts(method: str) -> Ask:
    async def ask(house: House, name: str, query: str) -> Answer:
        return await asking.http_ts(house.streamer.http_port, f"/{name}/mpegts{query}", method)

    return ask


PROTOCOLS: dict[str, Ask] = {
    "rtmp": rtmp,
    "rtmps": rtmps,
    "rtsp": rtsp,
    "srt": srt,
    "webrtc": whip,
    "tshttp": ts("POST"),
    "tshttp PUT": ts("PUT"),
}
DESCRIBED = {"rtsp", "webrtc"}
"""Say their codecs before they are let in."""


@pytest.fixture
async def house(streamer: FilmStreamer) -> AsyncIterator[House]:
    made = House(streamer, free_port(), free_port(), free_port())
    make_chain(streamer.directory)
    streamer.write(
        f"rtmps 127.0.0.1:{made.rtmps} {{ certificate streamer.crt;"
        " certificate_key streamer.key; }\n"
        f"rtsp 127.0.0.1:{made.rtsp};\nsrt 127.0.0.1:{made.srt};\n"
        "auth_backend gate { allow token t0ken; }\n"
        "stream pulled { input fake://fake; }\n"
        "stream closed { input publish://; password pa55word; }\n"
        "stream gated { input publish://; on_publish auth://gate; }\n"
        "stream taken { input publish://; }\n"
        "stream off { input publish://; disabled; }\n"
        "stream free { input publish://; }\n"
    )
    await streamer.serve()
    _, writer = await asyncio.open_connection("127.0.0.1", streamer.http_port)
    writer.write(b"POST /taken/mpegts HTTP/1.1\r\nHost: x\r\nContent-Length: 1880000\r\n\r\n")
    writer.write(10 * (b"\x47\x1f\xff\x10" + bytes(184)))

    async def has_begun() -> bool:
        _, found = await streamer.api("GET", "/sessions?name=taken")
        return any(one.get("first_byte_at") for one in found["sessions"])

    try:
        await until(has_begun, "the first publisher sends")
        yield made
    finally:
        writer.close()


async def test_publishers_are_told_why_not(house: House) -> None:
    async def one(protocol: str, reason: str, name: str) -> str:
        """What is wrong with the answer; empty if nothing is."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(SOON_SECONDS):
                answer = await PROTOCOLS[protocol](house, name, "?token=me")
        except TimeoutError:
            return f"{protocol}, {reason}: silence"
        except (OSError, aiohttp.ClientError, asyncio.IncompleteReadError, AssertionError) as error:
            return f"{protocol}, {reason}: {error!r}"
        right = answer.status in STATUS[reason] | {asking.LATE} or protocol.startswith("rtmp")
        if right and re.search(WORDS[reason], answer.words, re.IGNORECASE):
            return ""
        return f"{protocol}, {reason} after {time.monotonic() - began:.1f} s: {answer}"

    async def is_logged(line: re.Pattern[str], before: int) -> bool:
        async def said() -> bool:
            return line.search(house.streamer.log[before:]) is not None

        with contextlib.suppress(AssertionError):
            return bool(await until(said, "it is logged", SOON_SECONDS))
        return False

    # One after the other: which line of the log is whose.
    found: list[str] = []
    for protocol in PROTOCOLS:
        for reason, name in NAMES.items():
            if reason == "codec" and protocol not in DESCRIBED:
                continue
            before = len(house.streamer.log)
            found.append(await one(protocol, reason, name))
            about = re.compile(rf"\b{name}\b.*({WORDS[reason]})", re.IGNORECASE)
            if not await is_logged(about, before):
                said = house.streamer.log[before:]
                found.append(f"{protocol}, {reason}: the log says {said!r}")
    assert not list(filter(None, found)), "\n".join(filter(None, found))
    assert "pa55word" not in house.streamer.log
