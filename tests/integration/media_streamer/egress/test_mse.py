"""MSE-LD over a WebSocket of a real worker process; the messages are those of a real output."""

import asyncio
import base64
import json
import time
from contextlib import asynccontextmanager

import aiohttp
import pytest
from media_streamer.syntax import boxes
from media_streamer.wire.control import CloseSession

from .test_hls import get

WAIT_SECONDS = 30.0


class Viewer:
    """An open WebSocket; fragments and messages are taken in order."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.fragments: list[bytes] = []
        self.messages: list[dict] = []

    async def step(self) -> None:
        message = await self.socket.receive(timeout=WAIT_SECONDS)
        if message.type is aiohttp.WSMsgType.BINARY:
            self.fragments.append(message.data)
        elif message.type is aiohttp.WSMsgType.TEXT:
            self.messages.append(json.loads(message.data))
        else:
            raise EOFError(message)

    async def until(self, condition) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while not condition():
                await self.step()

    async def answer(self, command: str) -> dict:
        """The next message that is no description of tracks."""
        await self.socket.send_str(command)
        seen = len(self.messages)
        await self.until(lambda: any(m["type"] != "mse_init_segment" for m in self.messages[seen:]))
        return next(m for m in self.messages[seen:] if m["type"] != "mse_init_segment")


@asynccontextmanager
async def watch(egress, query: str = ""):
    url = f"{egress.url}/live/mse_ld{query}"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        yield Viewer(socket)


def track_of(fragment: bytes) -> int:
    return fragment[47]


def moment_of(fragment: bytes) -> float:
    seconds, micro = (int.from_bytes(fragment[at : at + 4], "big") for at in (92, 96))
    return seconds + micro / 1e6


async def test_tracks_are_described_then_each_frame_is_a_fragment(egress, source, wait_until):
    async with watch(egress) as viewer:
        await viewer.until(lambda: len(viewer.fragments) > 100)
        (told,) = viewer.messages
        assert told["type"] == "mse_init_segment"
        assert [track["content"] for track in told["tracks"]] == ["video", "audio"]
        assert [track["codec"] for track in told["metadata"]["tracks"]] == ["h264", "aac"]
        for track in told["tracks"]:
            init = base64.b64decode(track["payload"])
            assert boxes.track_id(init) == track["id"]
        assert {track_of(fragment) for fragment in viewer.fragments} == {1, 2}
        first = next(f for f in viewer.fragments if track_of(f) == 1)
        assert [kind for kind, _, _ in boxes.boxes(first)] == [b"moof", b"mdat"]
        assert first[56] == 2, "it begins with a picture that depends on none"
        assert abs(moment_of(viewer.fragments[-1]) - time.time()) < 60
        sent = sum(map(len, viewer.fragments[:100]))
        await wait_until(lambda: any(one.bytes > sent for one in egress.reports.values()))
    await wait_until(lambda: egress.closed)
    (left,) = egress.closed.values()
    assert left.reason == "client closed"
    assert [question.proto for question in egress.questions] == ["mseld"]


async def test_it_pauses_and_goes_on_at_a_key_frame(egress, source):
    async with watch(egress) as viewer:
        await viewer.until(lambda: len(viewer.fragments) > 10)
        assert (await viewer.answer("pause"))["event"] == "paused"
        seen = len(viewer.fragments)
        with pytest.raises(TimeoutError):
            await viewer.socket.receive(timeout=0.5)
        assert (await viewer.answer("resume"))["event"] == "resumed"
        await viewer.until(lambda: len(viewer.fragments) > seen + 10)
        video = next(f for f in viewer.fragments[seen:] if track_of(f) == 1)
        assert video[56] == 2
        assert (await viewer.answer(""))["event"] == "switched_to_live"
    assert len(egress.questions) == 1


async def test_what_cannot_be_done_is_said(egress, source):
    async with watch(egress) as viewer:
        assert (await viewer.answer("play_from=1700000000"))["error"] == "no_archive"
        assert (await viewer.answer("dance"))["error"] == "unknown_command"
        await viewer.socket.send_str(json.dumps({"stats": [1, 2]}))
        assert (await viewer.answer("live"))["event"] == "switched_to_live"
        seen = len(viewer.fragments)
        await viewer.until(lambda: len(viewer.fragments) > seen + 10)
    status, body, _ = await get(f"{egress.url}/live/mse_ld?from=1700000000")
    assert (status, b"recorded" in body) == (404, True)
    status, body, _ = await get(f"{egress.url}/live/mse_ld")
    assert (status, b"WebSocket" in body) == (426, True)


async def test_tracks_are_chosen_and_switched(egress, source):
    async with watch(egress, "?tracks=a1") as viewer:
        await viewer.until(lambda: len(viewer.fragments) > 20)
        assert [track["content"] for track in viewer.messages[0]["tracks"]] == ["audio"]
        assert (await viewer.answer("set_tracks=v1"))["event"] == "tracks_switched"
        await viewer.until(lambda: viewer.messages[-1]["type"] == "mse_init_segment")
        assert [track["content"] for track in viewer.messages[-1]["tracks"]] == ["video"]


async def test_refusals_come_before_the_websocket(egress, source):
    egress.denied["live"] = {"status": 403, "code": "denied", "title": "Not for you"}
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with watch(egress):
            pass
    assert caught.value.status == 403
    assert (await get(f"{egress.url}/live/mse_ld"))[1] == b"Not for you\n"


async def test_a_session_that_is_ended_is_told_and_closed(egress, source, wait_until):
    async with watch(egress) as viewer:
        await viewer.until(lambda: viewer.fragments)
        await viewer.answer("pause")
        await wait_until(lambda: egress.reports)
        (identifier,) = egress.reports
        egress.peer.notify(CloseSession(identifier, "limit"))
        with pytest.raises(EOFError):
            await viewer.until(lambda: False)
        assert viewer.messages[-1] == {
            "type": "event", "event": "stream_unavailable", "reason": "limit", "static": True,
        }  # fmt: skip
        assert viewer.socket.close_code == 1001


async def test_a_command_that_is_too_long_ends_it(egress, source, wait_until):
    async with watch(egress) as viewer:
        await viewer.until(lambda: viewer.fragments)
        await viewer.socket.send_str("x" * 20_000)
        with pytest.raises(EOFError):
            await viewer.until(lambda: False)
        assert viewer.socket.close_code == 1009
    await wait_until(lambda: egress.closed)
