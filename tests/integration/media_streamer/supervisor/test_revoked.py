"""Leave that is taken back ends whoever plays, by each protocol; and every address of a stream asks
the same leave, whatever it gives."""

import asyncio
import contextlib
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.fault_viewers import Viewer
from tests.support.ports import free_port
from tests.support.webrtc_offers import browser

from .conftest import Streamer, until

PROTOCOLS = ("ts", "rtmp", "rtsp", "srt", "webrtc", "hls", "llhls", "flv", "mse", "dash")
WORDY = {"rtmp", "mse"}
"""Who is refused hears so much that it looks like media here: their sessions tell."""
ENDS_SECONDS = 15.0
"""A second of the answer's life, a look of the supervisor, 3 s that a WebRTC player waits."""
QUIET_SECONDS = 2.0
SDP = {"Content-Type": "application/sdp"}


class MoreViewer(Viewer):
    """And by the protocols that nobody needs who counts gaps."""

    def _flv(self) -> Iterator[None]:
        return self._endless("flv", "")

    def _mse(self) -> Iterator[None]:
        lines = (
            "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )  # fmt: skip
        return self._endless("mse_ld", "".join(f"{line}\r\n" for line in lines))

    def _endless(self, form: str, more: str) -> Iterator[None]:
        with socket.create_connection((self._host, self._ports["http"]), 20) as sock:
            head = f"GET /{self._stream}/{form} HTTP/1.1\r\nHost: {self._host}\r\n{more}\r\n"
            sock.sendall(head.encode())
            if sock.recv(4096)[9:12] not in (b"200", b"101"):
                raise ConnectionError("refused")
            while sock.recv(1 << 18):
                yield

    def _dash(self) -> Iterator[None]:
        seen = ""
        while True:
            text = self._fetch(f"/{self._stream}/index.mpd")
            if "media=" in text and text != seen:
                seen = text
                yield
            time.sleep(0.2)


class Backend:
    """Lets in who brings the token `good`, and without one while it is `open`."""

    def __init__(self) -> None:
        self.open = True
        self.url = ""

    async def may(self, request: web.Request) -> web.Response:
        token = request.query.get("token", "")
        allowed = self.open if request.query["name"] == "live" else token == "good"
        headers = {"X-AuthDuration": "1"}
        return web.Response(status=200 if allowed else 403, headers=headers)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Backend"]:
        app = web.Application()
        app.router.add_get("/may", self.may)
        async with TestServer(app) as server:
            self.url = str(server.make_url("/may"))
            yield self


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with Backend().serving() as one:
        yield one


@pytest.fixture
async def ports(lent_streamer: Streamer, backend: Backend, tmp_path: Path) -> dict[str, int]:
    """Of a server with the streams `live` and `shut`."""
    found = {word: free_port() for word in ("rtmp", "rtsp", "srt")}
    listeners = "".join(f"{word} 127.0.0.1:{port};\n" for word, port in found.items())
    recorded = lent_streamer.directory / "revoked"
    lent_streamer.write(
        listeners
        + f"stream live {{ input fake://fake; segment_duration 1; on_play {backend.url}; }}\n"
        + f"stream shut {{ input fake://fake; segment_duration 1; on_play {backend.url};"
        f" dvr {recorded} 1h; }}\n"
    )
    await lent_streamer.serve()
    await lent_streamer.running("live")
    return {**found, "http": lent_streamer.http_port}


async def test_whoever_plays_ends(
    lent_streamer: Streamer, backend: Backend, ports: dict[str, int]
) -> None:
    viewers = {proto: MoreViewer(proto, "live", ports) for proto in PROTOCOLS}
    threads = [threading.Thread(target=one.watch, daemon=True) for one in viewers.values()]
    for thread in threads:
        thread.start()

    async def all_watch() -> bool:
        return all(viewer.has_media for viewer in viewers.values())

    async def nobody_gets_anything() -> bool:
        before = {proto: viewer.pieces for proto, viewer in viewers.items()}
        await asyncio.sleep(QUIET_SECONDS)
        still = [proto for proto, one in viewers.items() if one.pieces != before[proto]]
        return not set(still) - WORDY

    try:
        await until(all_watch, "all have media")
        backend.open = False
        await until(nobody_gets_anything, "nobody plays any more", ENDS_SECONDS)

        async def no_session() -> bool:
            _, answer = await lent_streamer.api("GET", "/sessions")
            return not [one for one in answer["sessions"] if one["name"] == "live"]

        await until(no_session, "no session is left", ENDS_SECONDS)
    finally:
        for viewer in viewers.values():
            viewer.ended.set()
    still = [proto for proto, viewer in viewers.items() if viewer.pieces == 0]
    assert not still


async def _get(streamer: Streamer, path: str, token: str) -> tuple[int, str]:
    joint = "&" if "?" in path else "?"
    url = f"{streamer.base}/shut/{path}{joint}token={token}"
    async with streamer.session.get(url, allow_redirects=False) as answer:
        if answer.headers.get("Content-Type", "") in ("video/mp2t", "video/x-flv"):
            return answer.status, ""
        return answer.status, await answer.text(errors="replace")


def _addresses(playlist: str) -> list[str]:
    return [line.partition("?")[0] for line in playlist.splitlines() if line and line[0] != "#"]


async def test_every_address_asks_the_same_leave(
    lent_streamer: Streamer, ports: dict[str, int]
) -> None:
    """Live, recorded, pictures, tables, segments by the names that a viewer with leave was told."""
    streamer = lent_streamer

    async def recorded() -> bool:
        ranges = (await streamer.stream("shut"))["stats"].get("dvr_info", {}).get("ranges")
        return bool(ranges) and ranges[-1]["duration"] >= 3

    await until(recorded, "three seconds are recorded")
    now = int(time.time())
    start = now - 3
    paths = [
        "index.m3u8", "index.fmp4.m3u8", "index.ll.m3u8", "video.m3u8", "mono.m3u8", "index.mpd",
        "mpegts", "flv", "preview.jpg", "preview.mp4", f"{start}.jpg", f"{start}-preview.jpg",
        f"{start}-preview.mp4", f"strip-{start}-2.jpg", f"strip-{start}-2.mp4", "media_info.json",
        "info.json", "recording_status.json", "embed.html",
        f"archive-{start}-2.mp4", f"archive-{start}-2.m3u8", f"archive-{start}-2.fmp4.m3u8",
        f"archive-{start}-2.mpd", f"archive-{start}-2.ts", f"index-{start}-2.m3u8",
        "rewind-5.m3u8", "timeshift_abs-{start}.m3u8", "timeshift_rel-2.m3u8",
        f"video-{start}-2.m3u8", f"index.m3u8?from={start}", f"mpegts?from={start}",
        f"index.mpd?from={start}", f"export-{start}-2.mp4",
    ]  # fmt: skip
    served = 0
    for path in [one.format(start=start) for one in paths]:
        good, text = await _get(streamer, path, "good")
        served += good == 200
        bad, _ = await _get(streamer, path, "bad")
        assert bad in (403, 404) if good != 200 else bad == 403, (path, good, bad)
        if not path.endswith("m3u8") or good != 200:
            continue
        for track in _addresses(text)[:2]:
            _, media = await _get(streamer, track, "good")
            folder = track.rpartition("/")[0]
            for segment in [track, *(f"{folder}/{one}" for one in _addresses(media)[-1:])]:
                status, _ = await _get(streamer, segment, "good")
                assert status == 200, (path, segment)
                assert (await _get(streamer, segment, "bad"))[0] == 403, segment
    assert served > 20


async def test_a_session_of_webrtc_is_its_owners(
    lent_streamer: Streamer, ports: dict[str, int]
) -> None:
    """Its address is its key: neither another stream's, nor a guess, nor no address opens it."""
    streamer = lent_streamer
    url = f"{streamer.base}/shut/whep?token="
    async with streamer.session.post(url + "bad", data=browser(), headers=SDP) as answer:
        assert answer.status == 403
    async with streamer.session.post(url + "good", data=browser(), headers=SDP) as answer:
        assert answer.status == 201
        path = answer.headers["Location"].removeprefix(streamer.base)
    assert re.fullmatch(r"/shut/whep/\d+-[A-Za-z0-9_-]{16,}", path), path
    name = path.rpartition("/")[2]
    guesses = [
        f"/live/whep/{name}", f"/shut/whip/{name}x", f"/shut/whep/{name[:-1]}",
        f"/shut/whep/{name}x", "/shut/whep/0-AAAAAAAAAAAAAAAA", "/shut/whep/0-",
        f"/shut/whep/{name.upper()}", f"/shut/whep/9{name}",
    ]  # fmt: skip
    for guess in guesses:
        for method in ("DELETE", "PATCH"):
            async with streamer.session.request(method, streamer.base + guess) as answer:
                assert answer.status in (400, 404, 405, 415, 503), (method, guess)
    _, told = await streamer.api("GET", "/sessions")
    assert [one["name"] for one in told["sessions"] if one["proto"] == "webrtc"] == ["shut"]
    async with streamer.session.delete(streamer.base + path) as answer:
        assert answer.status == 200
