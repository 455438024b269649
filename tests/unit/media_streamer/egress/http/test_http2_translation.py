"""Requests of HTTP/2 as HTTP/1.1, and answers back, however they are cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.egress.http.http2.translation import (
    END,
    AnswerReader,
    BadAnswer,
    BadRequest,
    Head,
    Part,
    to_http1,
)

PSEUDO = [(b":method", b"GET"), (b":path", b"/a?b=c"), (b":authority", b"host:1")]


def test_a_request() -> None:
    request = to_http1(
        [*PSEUDO, (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"te", b"trailers"),
         (b"host", b"other"), (b"x-any", b"\xff \t")],
        has_body=False,
    )  # fmt: skip
    assert request.head == (
        b"GET /a?b=c HTTP/1.1\r\nhost: host:1\r\nx-any: \xff \t\r\ncookie: a=1; b=2\r\n\r\n"
    )
    assert not request.chunked
    assert not request.is_head


def test_bodies() -> None:
    post = [(b":method", b"POST"), *PSEUDO[1:]]
    assert to_http1(post, has_body=True).head.endswith(b"transfer-encoding: chunked\r\n\r\n")
    known = to_http1([*post, (b"content-length", b"3")], has_body=True)
    assert not known.chunked
    assert b"content-length: 3\r\n" in known.head
    assert to_http1([(b":method", b"HEAD"), *PSEUDO[1:]], has_body=False).is_head


@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=24)), max_size=6))
def test_no_header_becomes_a_line_of_its_own(headers: list[tuple[bytes, bytes]]) -> None:
    try:
        head = to_http1([*PSEUDO, *headers], has_body=False).head
    except BadRequest:
        return
    lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert len(lines) <= len(headers) + 3
    assert not any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines)


@pytest.mark.parametrize(
    "change",
    [
        {b":path": b"/a HTTP/1.1"}, {b":path": b"a"}, {b":path": b""}, {b":method": b"G T"},
        {b":method": b""}, {b":method": b"CONNECT"}, {b"x-a": b"b\r\nc: d"}, {b"x a": b"b"},
        {b":authority": b"h\nx: y"},
    ],
)  # fmt: skip
def test_what_cannot_be_written(change: dict[bytes, bytes]) -> None:
    with pytest.raises(BadRequest):
        to_http1({**dict(PSEUDO), **change}.items(), has_body=False)


def read(data: bytes, cuts: list[int], *, is_head: bool = False) -> tuple[AnswerReader, list[Part]]:
    reader = AnswerReader(is_head)
    parts: list[Part] = []
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for begin, end in itertools.pairwise(edges):
        parts += reader.feed(data[begin:end])
    return reader, parts


def body_of(parts: list[Part]) -> bytes:
    return b"".join(part for part in parts if isinstance(part, bytes))


CUTS = st.lists(st.integers(0, 400), max_size=12)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), CUTS)
def test_answers_in_chunks(chunks: list[bytes], cuts: list[int]) -> None:
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n"
    data += b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    _, parts = read(data, cuts)
    assert parts[0] == Head([(b":status", b"200"), (b"x-a", b"b")])
    assert parts[-1] == END
    assert parts.count(END) == 1
    assert body_of(parts) == b"".join(chunks)


@given(st.binary(max_size=60), CUTS)
def test_answers_of_known_length(body: bytes, cuts: list[int]) -> None:
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 206 Part\r\nContent-Length: %d\r\n" % len(body)
    _, parts = read(data + b"Connection: close\r\n\r\n" + body, cuts)
    length = str(len(body)).encode()
    assert parts[0] == Head([(b":status", b"206"), (b"content-length", length)])
    assert (body_of(parts), parts[-1]) == (body, END)


@given(st.binary(max_size=60), CUTS)
def test_answers_that_end_with_the_connection(body: bytes, cuts: list[int]) -> None:
    reader, parts = read(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body, cuts)
    assert reader.is_open
    assert body_of(parts) == body
    assert END not in parts


@pytest.mark.parametrize("status", [b"204 No", b"304 Not", b"200 OK"])
def test_answers_without_a_body(status: bytes) -> None:
    data = b"HTTP/1.1 %b\r\nContent-Length: 5\r\n\r\n" % status
    _, parts = read(data, [], is_head=status.startswith(b"200"))
    assert parts[-1] == END
    assert not body_of(parts)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 204 No\r\n\r\nmore",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40000,
    ],
)
def test_what_is_no_answer(data: bytes) -> None:
    with pytest.raises(BadAnswer):
        read(data, [])
