"""What an SRT caller sends, byte by byte (draft-sharabayko-srt 3.2)."""

import struct

PLAY_DEMO = b"#!::r=demo,m=request"
_WISH = struct.pack(">HHIII", 1, 3, 0x010500, 0xBF, 120 << 16 | 120)
"""SRT_CMD_HSREQ: version, flags, latencies."""


def induction() -> bytes:
    return _handshake(4, 1, 0, 1500, 8192)


def cookie_of(answer: bytes) -> int:
    """To an induction."""
    return int.from_bytes(answer[44:48])


def number_of(answer: bytes) -> int:
    """Of the socket that answers, to a conclusion: where packets go from now on."""
    return int.from_bytes(answer[40:44])


def drop_request(number: int, first: int, last: int) -> bytes:
    """Packets that are not sent any more (3.2.9)."""
    return struct.pack(">HHIIIII", 0x8007, 0, 1, 0, number, first, last)


def stream_id(text: bytes, words: int | None = None) -> bytes:
    """SRT_CMD_SID; `words`: what it says of its length."""
    text += b"\0" * (-len(text) % 4)
    turned = b"".join(text[at : at + 4][::-1] for at in range(0, len(text), 4))
    return struct.pack(">HH", 5, len(turned) // 4 if words is None else words) + turned


def extensions(words: int | None = None) -> bytes:
    return _WISH + stream_id(PLAY_DEMO, words)


def conclusion(cookie: int, mss: int, window: int, extension: bytes | None = None) -> bytes:
    """`mss`: datagrams in bytes; `window` in packets."""
    return _handshake(5, -1, cookie, mss, window, extensions() if extension is None else extension)


def _handshake(
    version: int, kind: int, cookie: int, mss: int, window: int, extension: bytes = b""
) -> bytes:
    flags = 2 if version == 4 else 5
    body = struct.pack(">IHHIIIiII", version, 0, flags, 1, mss, window, kind, 77, cookie)
    return b"\x80\0\0\0" + bytes(12) + body + b"\1\0\0\x7f" + bytes(12) + extension
