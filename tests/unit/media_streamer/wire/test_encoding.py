"""Texts of strangers: whatever bytes they hold, they cross, and stay apart."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.wire import encoding
from media_streamer.wire.control import AccessRequest, StreamsStats
from media_streamer.wire.peer import Call


def crossed(message: Call[AccessRequest]) -> AccessRequest:
    buffer = bytearray(b"before")
    encoding.append(message, buffer)
    assert buffer == b"before" + encoding.encode(message)
    return msgspec.msgpack.decode(buffer[6:], type=Call[AccessRequest]).request


@given(st.binary(max_size=40))
def test_any_bytes_of_a_header_cross(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    sent = Call(1, AccessRequest("live", "hls", "play", "::1", token=text, user_agent=text))
    got = crossed(sent)
    assert got.token == got.user_agent
    got.token.encode()  # plain Unicode: JSON, hashes and logs take it
    if data.decode("utf-8", "replace") == text:
        assert got.token == text


def test_different_bytes_stay_different() -> None:
    def token(data: bytes) -> str:
        text = data.decode("utf-8", "surrogateescape")
        return crossed(Call(1, AccessRequest("live", "hls", "play", "::1", token=text))).token

    assert token(b"\xff") == "\\udcff"
    assert len({token(bytes((byte,))) for byte in range(128, 256)}) == 128


def test_documents_may_hold_them_too() -> None:
    sent = StreamsStats({"a\ud800": {"inputs": [{"user_agent": "\udcff", "data": b"\xff"}]}})
    got = msgspec.msgpack.decode(encoding.encode(sent), type=StreamsStats)
    assert got.streams == {"a\\ud800": {"inputs": [{"user_agent": "\\udcff", "data": b"\xff"}]}}
