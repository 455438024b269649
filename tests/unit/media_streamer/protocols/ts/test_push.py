"""MPEG-TS in an endless POST: the coding of the body, and what servers may answer."""

import asyncio

import pytest
from media_streamer.outgoing.target import Target
from media_streamer.protocols.ts.push import (
    MAX_ANSWER_BYTES,
    ChunkedFraming,
    HttpPusher,
    request_head,
)


def test_the_body_is_in_chunks_and_never_ends_by_itself() -> None:
    framing = ChunkedFraming()
    assert framing.chunk(bytes(300), False) == b"12c\r\n" + bytes(300) + b"\r\n"
    assert framing.header(b"") == b""


def test_the_head_asks_first_and_carries_the_login() -> None:
    head = request_head(Target.of("http://u:p%40w@host:81/a b?x=1")).decode()
    assert head.startswith("POST /a%20b?x=1 HTTP/1.1\r\nHost: host:81\r\n")
    assert "\r\nExpect: 100-continue\r\n" in head
    assert "\r\nAuthorization: Basic dTpwQHc=\r\n" in head
    assert head.endswith("\r\n\r\n")


class Transport(asyncio.Transport):
    closed = False

    def write(self, data: object) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def pusher() -> HttpPusher:
    made = HttpPusher(b"")
    made.connection_made(Transport())
    return made


async def test_an_invitation_comes_before_the_answer() -> None:
    one = pusher()
    for byte in b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n":
        assert not one.invited.done()
        one.data_received(bytes([byte]))
    assert one.invited.done()
    assert not one.lost.done()
    one.data_received(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert await one.lost == "the server answers 204"


@pytest.mark.parametrize(
    ("answer", "counter"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "errors_401"),
        (b"HTTP/1.0 404 x\r\nA: b\r\n\r\n", "errors_404"),
        (b"HTTP/1.1 503 x\r\n\r\n", "errors_500"),
        (b"HTTP/1.1 302 x\r\nLocation: http://169.254.169.254/\r\n\r\n", "errors_connection_lost"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "errors_connection_lost"),
        (b"x" * (MAX_ANSWER_BYTES + 1), "errors_connection_lost"),
    ],
)
async def test_what_ends_it_is_counted(answer: bytes, counter: str) -> None:
    one = pusher()
    one.data_received(answer)
    assert one.lost.done()
    assert one.failure().counter == counter
    assert one.transport.is_closing()
    one.data_received(b"more")  # and later bytes change nothing


async def test_a_redirect_is_told_with_the_way_out() -> None:
    one = pusher()
    one.data_received(b"HTTP/1.1 307 x\r\nLocation: http://other/\r\n\r\n")
    assert await one.lost == (
        "the server answers 307: redirects are not followed, push to where it leads"
    )
