"""Matroska files without FFmpeg: elements as a test wants them."""

from collections.abc import Sequence

from tests.support.films import AVC

CLUSTER = 0x1F43B675
UNKNOWN = b"\x01" + b"\xff" * 7


def number(value: int) -> bytes:
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")


def size(length: int) -> bytes:
    return (length | 1 << 28).to_bytes(4, "big")


def element(kind: int, *parts: bytes, said: bytes | None = None) -> bytes:
    """An element; `said` in place of its size."""
    payload = b"".join(parts)
    return number(kind) + (size(len(payload)) if said is None else said) + payload


def block(
    track: int, time: int, data: bytes, *, key: bool = True, flags: int = 0, duration: int = 0
) -> bytes:
    """A SimpleBlock, or a group for one that has a duration."""
    head = bytes((0x80 | track,)) + time.to_bytes(2, "big", signed=True)
    if duration:
        return element(0xA0, element(0xA1, head, bytes((flags,)), data),
                       element(0x9B, number(duration)))  # fmt: skip
    return element(0xA3, head, bytes((flags | 0x80 * key,)), data)


def cluster(time: int, *blocks: bytes, said: bytes | None = None) -> bytes:
    return element(CLUSTER, element(0xE7, number(time)), *blocks, said=said)


def picture(number_: int = 1, *more: bytes) -> bytes:
    """A track of H.264."""
    return _track(number_, 1, b"V_MPEG4/ISO/AVC", element(0x63A2, AVC[8:]),
                  element(0xE0, element(0xB0, number(64)), element(0xBA, number(48))),
                  *more)  # fmt: skip


def sound(number_: int = 2, *more: bytes, codec: bytes = b"A_AAC") -> bytes:
    """A track of AAC, 48 kHz, mono."""
    return _track(number_, 2, codec, element(0x63A2, b"\x11\x88"), *more)


def text(number_: int = 3, *more: bytes, codec: bytes = b"S_TEXT/UTF8") -> bytes:
    """A track of subtitles."""
    return _track(number_, 17, codec, *more)


def _track(number_: int, kind: int, codec: bytes, *more: bytes) -> bytes:
    said = (element(0xD7, number(number_)), element(0x83, bytes((kind,))), element(0x86, codec))
    return element(0xAE, *said, *more)


def matroska(tracks: Sequence[bytes], clusters: Sequence[bytes], *, cues: bool = True) -> bytes:
    """A file; with `cues`, each cluster begins with a key frame of track 1 of its time."""
    head = element(0x1A45DFA3, element(0x4282, b"matroska"))
    before = element(0x1549A966, element(0x2AD7B1, number(1_000_000)))
    before += element(0x1654AE6B, *tracks)
    index = _cues(clusters, len(before)) if cues else b""
    if cues:  # its own size moves what it names: numbers have four bytes
        index = _cues(clusters, len(before) + len(index))
    return head + element(0x18538067, before, index, *clusters, said=UNKNOWN)


def _cues(clusters: Sequence[bytes], at: int) -> bytes:
    points = []
    for one in clusters:
        begin = one.index(b"\xe7") + 1
        time = int.from_bytes(one[begin + 4 : begin + 4 + (one[begin + 3])], "big")
        place = element(0xF1, at.to_bytes(4, "big"))
        points.append(
            element(0xBB, element(0xB3, number(time)), element(0xB7, element(0xF7, b"\1"), place))
        )
        at += len(one)
    return element(0x1C53BB6B, *points)


def plain_matroska(*, cues: bool = True, seconds: int = 4) -> bytes:
    """Two pictures and two sounds a second, a text at each even second."""
    clusters = [
        cluster(
            1000 * n,
            block(1, 0, b"key%d" % n),
            block(2, 0, b"sound"),
            block(1, 500, b"other", key=False),
            block(2, 500, b"sound"),
            *([block(3, 0, b"Words <i>here</i>", duration=900)] if n % 2 == 0 else []),
        )
        for n in range(seconds)
    ]
    return matroska([picture(), sound(), text()], clusters, cues=cues)
