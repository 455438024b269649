"""The client's side of RTSP: URLs, login, staying alive, what a server may send."""

import asyncio
import contextlib
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer import digest
from media_streamer.protocols.rtsp.client import (
    MAX_UNANSWERED,
    Redirected,
    Refused,
    RtspClient,
    RtspUrl,
)
from media_streamer.protocols.rtsp.message import MessageReader, Request, write_response

from tests.support.rtsp_camera import Camera, until


def test_urls() -> None:
    found = RtspUrl.of("rtsp://us%40er:pa%3Ass@h/app/key?token=1")
    assert (found.host, found.port, found.tls) == ("h", 554, False)
    assert (found.user, found.password) == ("us@er", "pa:ss")
    assert found.url == "rtsp://h/app/key?token=1"
    assert "pa" not in repr(found)
    assert RtspUrl.of("rtsps://[::1]").port == 322
    for url, words in (
        ("rtsp:///name", "lacks a host"),
        ("rtsp://u:secret@/x", "lacks a host"),
        ("rtsp://h:x/name", "cannot be read"),
        ("rtsp://h/" + "x" * 9000, "too long"),
        ("http://u:secret@h/", "not rtsp"),
        ("/path", "not rtsp"),
    ):
        with pytest.raises(ValueError, match=words) as refused:
            RtspUrl.of(url)
        assert "secret" not in str(refused.value)


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.closed = self.aborted = False
        self._reader = MessageReader()
        self.sent: list[Request] = []

    def write(self, data: bytes) -> None:
        self.sent += [one for one in self._reader.feed(data) if isinstance(one, Request)]

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted


def client_on(wire: Wire, login: str = "") -> RtspClient:
    client = RtspClient(RtspUrl.of(f"rtsp://{login}h/live"))
    client.transport = cast(asyncio.Transport, wire)
    return client


async def ask(client: RtspClient, *answers: bytes) -> object:
    """Ask once; the answers come one after the other."""
    task = asyncio.ensure_future(client.ask("DESCRIBE", "rtsp://h/live"))
    for answer in answers:
        for _ in range(10):  # rounds of the loop, until it asks again
            await asyncio.sleep(0)
        client.data_received(answer)
    async with asyncio.timeout(10):
        return await task


async def test_digest_is_preferred_and_counted() -> None:
    wire = Wire()
    client = client_on(wire, "me:pass@")
    challenges = [
        'Basic realm="c"',
        'Digest realm="c", nonce="n", algorithm=SHA-256, qop="auth"',
    ]
    refusal = write_response(401, "1", {"WWW-Authenticate": challenges})
    await ask(client, refusal, write_response(200, "2", {"Session": "s"}))
    await ask(client, write_response(200, "3"))
    for count, request in enumerate(wire.sent[1:], 1):
        found = digest.parse(request.headers.text("authorization"))
        assert found is not None
        assert found.scheme == "digest"
        assert found.fields["nc"] == f"{count:08x}"
        wanted = digest.response("me", "c", "pass", "DESCRIBE", found.fields["uri"], found.fields)
        assert found.fields["response"] == wanted
    assert "authorization" not in wire.sent[0].headers


async def test_two_challenges_in_one_field() -> None:
    wire = Wire()
    client = client_on(wire, "me:pass@")
    both = 'Basic realm="c", Digest realm="c", nonce="n"'
    await ask(client, write_response(401, "1", {"WWW-Authenticate": both}),
              write_response(200, "2"))  # fmt: skip
    assert wire.sent[1].headers.text("authorization").startswith("Digest")


async def test_a_wrong_password_is_tried_once() -> None:
    wire = Wire()
    client = client_on(wire, "me:pass@")
    challenge = {"WWW-Authenticate": 'Digest realm="c", nonce="n"'}
    with pytest.raises(Refused, match="401") as refused:
        await ask(client, write_response(401, "1", challenge), write_response(401, "2", challenge))
    assert refused.value.status == 401
    assert len(wire.sent) == 2


async def test_a_redirection_has_its_address() -> None:
    client = client_on(Wire())
    with pytest.raises(Redirected) as found:
        await ask(client, write_response(302, "1", {"Location": "rtsp://other/x"}))
    assert found.value.location == "rtsp://other/x"


async def test_an_answer_without_its_number() -> None:
    await ask(client_on(Wire()), b"RTSP/1.0 100 Continue\r\nCSeq: 1\r\n\r\nRTSP/1.0 200 OK\r\n\r\n")


async def test_staying_alive_in_the_servers_way() -> None:
    async with Camera() as camera:
        loop = asyncio.get_running_loop()
        url = RtspUrl.of(camera.url)
        _, client = await loop.create_connection(lambda: RtspClient(url), url.host, url.port)
        await client.ask("OPTIONS", url.url)
        client.stay_alive()  # the camera has told a time-out of 2 s
        await until(lambda: "GET_PARAMETER" in camera.methods, "the way that the camera knows")
        assert camera.methods[:2] == ["OPTIONS", "OPTIONS"]
        camera.answer = lambda request: write_response(454, request.cseq)
        assert "knows the session no more" in await asyncio.wait_for(client.lost, 30)
        client.close()
        client.transport.abort()


async def test_what_a_server_asks() -> None:
    client = client_on(Wire())
    client.data_received(b"GET_PARAMETER * RTSP/1.0\r\nCSeq: 8\r\n\r\n")
    assert not client.lost.done()
    client.data_received(b"TEARDOWN * RTSP/1.0\r\nCSeq: 9\r\n\r\n")
    assert "ended the session" in client.lost.result()


async def test_what_is_never_answered_is_forgotten() -> None:
    client = client_on(Wire())
    tasks = [asyncio.ensure_future(client.ask("OPTIONS", "*")) for _ in range(3 * MAX_UNANSWERED)]
    await asyncio.sleep(0)
    assert len(client._unanswered) <= MAX_UNANSWERED
    client.connection_lost(None)
    for task in tasks:
        with pytest.raises(Refused, match="closed the connection"):
            await task


ANSWERS = (
    b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: a;timeout=9\r\n\r\n",
    b"RTSP/1.0 401 No\r\nCSeq: 1\r\nWWW-Authenticate: Digest nonce\r\n\r\n",
    b"RTSP/1.0 302 Moved\r\nLocation: rtsp://[\r\n\r\n",
    b"$\x00\x00\x04abcd",
    b"OPTIONS * RTSP/1.0\r\n\r\n",
)


@given(
    pieces=st.lists(st.one_of(st.sampled_from(ANSWERS), st.binary(max_size=40)), max_size=8),
    cut=st.integers(1, 50),
)
def test_whatever_comes_ends_the_question_or_leaves_it_open(pieces: list[bytes], cut: int) -> None:
    async def run() -> None:
        client = client_on(Wire(), "me:pass@")
        task = asyncio.ensure_future(client.ask("DESCRIBE", "rtsp://h/live"))
        data = b"".join(pieces)
        for at in range(0, len(data), cut):
            await asyncio.sleep(0)
            client.data_received(data[at : at + cut])
        client.connection_lost(None)
        with contextlib.suppress(Refused, ConnectionResetError):
            await asyncio.wait_for(task, 10)
        assert client.lost.done()

    asyncio.run(run())
