"""RTSP messages: whatever the pieces they come in, and whatever strangers send."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.protocols.rtsp.message import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    Interleaved,
    Message,
    MessageError,
    MessageReader,
    Request,
    Response,
    write_interleaved,
    write_request,
    write_response,
)

STREAM = b"".join(
    (
        write_request("ANNOUNCE", "rtsp://h/a", {"CSeq": "1"}, b"v=0\r\n"),
        write_interleaved(0, b"rtp packet"),
        b"\r\n",
        write_response(404, "2", reason="There is no stream 'x'"),
        b"OPTIONS * RTSP/1.0\nCSeq: 3\n\n",
    )
)


def check(messages: list[Message]) -> None:
    announce, packet, answer, options = messages
    assert isinstance(announce, Request)
    assert (announce.method, announce.url, announce.cseq, announce.body) == (
        "ANNOUNCE",
        "rtsp://h/a",
        "1",
        b"v=0\r\n",
    )
    assert packet == Interleaved(0, b"rtp packet")
    assert isinstance(answer, Response)
    assert (answer.status, answer.reason) == (404, "There is no stream 'x'")
    assert isinstance(options, Request)
    assert options.cseq == "3"


@given(st.lists(st.integers(1, 30), max_size=20))
def test_pieces_do_not_matter(sizes: list[int]) -> None:
    reader = MessageReader()
    messages: list[Message] = []
    position = 0
    for size in sizes:
        messages += reader.feed(STREAM[position : position + size])
        position += size
    messages += reader.feed(STREAM[position:])
    check(messages)


@given(st.binary(max_size=200))
def test_garbage_raises_only_its_own_error(data: bytes) -> None:
    for start in (b"", b"DESCRIBE rtsp://h/ RTSP/1.0\r\n"):
        with contextlib.suppress(MessageError):
            list(MessageReader().feed(start + data + b"\r\n\r\n"))


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"a" * MAX_HEAD_BYTES,
        b"PLAY * RTSP/1.0\r\n" + b"x: y\r\n" * 100 + b"\r\n",
        b"PLAY * RTSP/1.0\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1),
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"PLAY *\r\n\r\n",
        b"RTSP/1.0 abc\r\n\r\n",
    ],
)
def test_what_is_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        list(MessageReader().feed(data))


def test_a_strangers_text_starts_no_header_of_its_own() -> None:
    data = write_response(400, "1\r\nX: evil", {"Session": "a\nY: evil"}, reason="no\r\nZ: evil")
    (answer,) = MessageReader().feed(data)
    assert isinstance(answer, Response)
    assert set(answer.headers) == {"cseq", "session"}


def test_the_body_of_a_tunnel_is_left_to_it() -> None:
    reader = MessageReader()
    head = b"POST /a HTTP/1.0\r\nContent-Length: 32767\r\nx-sessioncookie: c\r\n\r\n"
    (request,) = reader.feed(head)
    assert isinstance(request, Request)
    assert request.version == "HTTP/1.0"
    assert request.headers.text("X-SessionCookie") == "c"
    assert reader.rest() == b""
