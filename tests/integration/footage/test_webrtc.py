"""Watching by WHEP with aiortc, a client that is not ours; refusals in words."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription

from tests.support.streamer import until
from tests.support.webrtc_offers import browser

from .conftest import FilmStreamer, Launch

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
SECONDS = 40


class Watcher:
    """A peer that receives; counts what it decodes."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.peer = RTCPeerConnection()
        self.frames: dict[str, list[Any]] = {"video": [], "audio": []}
        self.location = ""
        self.head: Mapping[str, str] = {}
        self.change: Callable[[str], str] = str
        """What becomes of the server's answer on its way."""
        self._session = session
        self._tasks: list[asyncio.Task[None]] = []
        self.peer.on("track", self._on_track)

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._tasks.append(asyncio.create_task(self._read(track)))

    async def _read(self, track: MediaStreamTrack) -> None:
        while True:
            self.frames[track.kind].append(await track.recv())

    async def watch(self, base: str, path: str, *kinds: str) -> None:
        for kind in kinds or ("video", "audio"):
            self.peer.addTransceiver(kind, "recvonly")
        await self.peer.setLocalDescription(await self.peer.createOffer())
        offer = self.peer.localDescription.sdp
        async with self._session.post(base + path, data=offer, headers=SDP) as answer:
            text = await answer.text()
            assert answer.status == 201, text
            self.head = answer.headers
            self.location = base + answer.headers["Location"]
        await self.peer.setRemoteDescription(RTCSessionDescription(self.change(text), "answer"))

    async def sees(self, kind: str, count: int) -> None:
        async def seen() -> bool:
            return len(self.frames[kind]) >= count

        await until(seen, f"{count} of {kind}", SECONDS)

    async def close(self) -> None:
        await self.peer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def watcher(streamer: FilmStreamer) -> AsyncIterator[Watcher]:
    one = Watcher(streamer.session)
    yield one
    await one.close()


@pytest.fixture
async def whep(streamer: FilmStreamer) -> FilmStreamer:
    streamer.write(
        "auth_backend gate { allow token t0ken; }\n"
        "stream film { input file://vod/bigbuckbunny.mp4; }\n"
        "stream test { input fake://fake; }\n"
        "auth_backend open { allow default; }\n"
        "stream one { input fake://fake; on_play auth://open max_sessions=1; }\n"
        "stream shut { input fake://fake; on_play auth://gate; }\n"
        "stream hls_only { input fake://fake; protocols hls; }\n"
    )
    await streamer.serve()
    return streamer


async def ask(
    streamer: FilmStreamer, name: str, body: str = browser(), **headers: str
) -> tuple[int, dict[str, Any]]:
    url = f"{streamer.base}/{name}/whep"
    async with streamer.session.post(url, data=body, headers=SDP | headers) as answer:
        if answer.status == 201:
            return 201, {"sdp": await answer.text(), **answer.headers}
        assert answer.content_type == "application/problem+json", await answer.text()
        return answer.status, await answer.json()


async def test_a_killed_media_worker_is_survived(whep: FilmStreamer, watcher: Watcher) -> None:
    await whep.running("test")
    await watcher.watch(whep.base, "/test/whep")
    await watcher.sees("video", 20)
    killed = whep.worker("media")
    assert killed is not None
    os.kill(killed, signal.SIGKILL)

    async def replaced() -> bool:
        return whep.worker("media") not in (killed, None)

    await until(replaced, "another media worker", SECONDS)
    seen = {kind: len(frames) for kind, frames in watcher.frames.items()}
    await watcher.sees("video", seen["video"] + 50)
    await watcher.sees("audio", seen["audio"] + 50)
    assert watcher.peer.connectionState == "connected"
    stamps = [frame.pts for frame in watcher.frames["video"]]
    assert stamps == sorted(stamps)
    _, sessions = await whep.api("GET", "/sessions?name=test&proto=webrtc")
    assert [one["id"] for one in sessions["sessions"]] == [watcher.head["X-Sid"]]


async def test_film_is_watched_with_sound(whep: FilmStreamer, watcher: Watcher) -> None:
    await whep.running("film")
    await watcher.watch(whep.base, "/film/whep")
    await watcher.sees("video", 30)
    await watcher.sees("audio", 50)
    picture = watcher.frames["video"][0]
    assert (picture.width, picture.height) == (1280, 720)
    sound = watcher.frames["audio"][-1]
    assert (sound.sample_rate, sound.layout.name) == (48_000, "stereo")
    _, sessions = await whep.api("GET", "/sessions?proto=webrtc")
    (session,) = sessions["sessions"]
    assert (session["name"], session["id"]) == ("film", watcher.head["X-Sid"])

    async def counted() -> bool:
        _, found = await whep.api("GET", "/sessions?proto=webrtc")
        return bool(found["sessions"][0]["bytes"] > 100_000)

    await until(counted, "bytes of the session")


async def test_session_is_a_resource(whep: FilmStreamer, watcher: Watcher) -> None:
    await whep.running("one")
    await watcher.watch(whep.base, "/one/whep?token=me")
    await watcher.sees("video", 5)
    assert watcher.head["Location"].startswith("/one/whep/")
    session, url = whep.session, watcher.location

    trickled = "a=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"
    async with session.patch(url, data=trickled, headers=FRAGMENT) as answer:
        assert answer.status == 204
    again = f"a=ice-ufrag:abcd\r\na=ice-pwd:{'x' * 24}\r\n"
    stale = FRAGMENT | {"If-Match": '"else"'}
    async with session.patch(url, data=again, headers=stale) as answer:
        assert answer.status == 412
    fresh = FRAGMENT | {"If-Match": watcher.head["ETag"]}
    async with session.patch(url, data=again, headers=fresh) as answer:
        assert answer.status == 200
        assert "a=ice-ufrag:" in await answer.text()
        assert answer.headers["ETag"] != watcher.head["ETag"]
    async with session.patch(url, data=again, headers=SDP) as answer:
        assert answer.status == 415
    async with session.options(url) as answer:
        assert answer.status == 204
        assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
        assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]

    status, refused = await ask(whep, "one", Authorization="Bearer me")
    assert status == 403
    assert refused["title"] == "The user has 1 sessions already"
    async with session.delete(url) as answer:
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    async with session.delete(url) as answer:
        assert answer.status == 404

    async def over() -> bool:
        _, found = await whep.api("GET", "/sessions")
        return not found["sessions"]

    await until(over, "the session is over")


REFUSED = {
    "nope": (404, "There is no stream 'nope'"),
    "hls_only": (403, "The stream may not be played by webrtc"),
    "shut": (403, ""),
}


async def test_refusals_say_why(whep: FilmStreamer) -> None:
    for name, (expected, words) in REFUSED.items():
        status, problem = await ask(whep, name)
        assert (status, problem["status"]) == (expected, expected), (name, problem)
        assert words in problem["title"], (name, problem)
    await whep.running("test")
    status, problem = await ask(whep, "test", "hello")
    assert (status, problem["error"]) == (400, "bad_offer")
    status, problem = await ask(whep, "test", browser().replace("H264", "H263"))
    assert (status, problem["error"]) == (406, "codec_not_offered")
    assert "H264" in problem["title"]
    url = f"{whep.base}/test/whep"
    async with whep.session.post(url, data="x", headers={"Content-Type": "text/plain"}) as answer:
        assert answer.status == 415
    async with whep.session.post(url, data="v=0\r\n" * 20_000, headers=SDP) as answer:
        assert answer.status == 413
    async with whep.session.get(url) as answer:
        assert answer.status == 405


async def test_bearer_is_the_token(whep: FilmStreamer) -> None:
    await whep.running("shut")
    status, _ = await ask(whep, "shut", Authorization="Bearer t0ken")
    assert status == 201
    status, _ = await ask(whep, "shut", Authorization="Bearer other")
    assert status == 403


async def test_offers_that_nobody_makes_use_of_are_given_up(whep: FilmStreamer) -> None:
    await whep.running("film")
    answers = await asyncio.gather(*(ask(whep, "film") for _ in range(20)))
    assert {status for status, _ in answers} == {201}
    for _, head in answers:
        async with whep.session.delete(whep.base + head["Location"]) as answer:
            assert answer.status == 200

    async def over() -> bool:
        _, found = await whep.api("GET", "/sessions?proto=webrtc")
        return not found["sessions"]

    await until(over, "they are given up")


async def test_b_frames_are_said(
    streamer: FilmStreamer, watcher: Watcher, film: Path, tmp_path: Path, launch: Launch
) -> None:
    ffmpeg = await launch(
        "-i", film, "-t", 5, "-s", "320x180", "-c:v", "libx264", "-preset", "veryfast", "-bf", 2,
        "-g", 50, "-an", tmp_path / "b.mp4",
    )  # fmt: skip
    assert await asyncio.wait_for(ffmpeg.wait(), SECONDS) == 0
    streamer.write(f"vod own {{ storage {tmp_path}; }}\nstream b {{ input file://own/b.mp4; }}\n")
    await streamer.serve()
    await streamer.running("b")

    async def warned() -> bool:
        status, head = await ask(streamer, "b")
        assert status == 201
        return "B-frames" in head.get("X-Stream-Warning", "")

    await until(warned, "the second viewer is told")
    await watcher.watch(streamer.base, "/b/whep", "video")
    await watcher.sees("video", 5)
    assert "the video has B-frames" in streamer.log


async def test_a_session_is_found_by_whatever_worker(own_streamer: FilmStreamer) -> None:
    one = own_streamer
    one.write("stream test { input fake://fake; }\n")
    await one.serve(STREAMER_EGRESS_WORKERS="2")
    await one.running("test")
    owners: set[str] = set()
    async with asyncio.timeout(SECONDS):
        while len(owners) < 2:  # connections are spread by the kernel
            async with aiohttp.ClientSession() as session:
                url = f"{one.base}/test/whep"
                async with session.post(url, data=browser(), headers=SDP) as answer:
                    assert answer.status == 201
                    location = answer.headers["Location"]
            owners.add(location.rpartition("/")[2].partition("-")[0])
            statuses = []
            for _ in range(8):
                async with (
                    aiohttp.ClientSession() as session,
                    session.patch(one.base + location, data="a=mid:0", headers=FRAGMENT) as answer,
                ):
                    statuses.append(answer.status)
            assert statuses == [204] * 8
            async with (
                aiohttp.ClientSession() as session,
                session.delete(one.base + location) as answer,
            ):
                assert answer.status == 200
