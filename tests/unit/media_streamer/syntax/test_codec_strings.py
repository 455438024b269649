"""RFC 6381 strings of records that the tiny encodes of the other tests do not give."""

import contextlib

import pytest
from media_streamer.syntax import boxes
from media_streamer.syntax.codec_strings import codec_string, decoder_config


def init(handler: bytes, kind: bytes, child: bytes, payload: bytes) -> bytes:
    fixed = bytes(78 if handler == b"vide" else 28)
    entry = boxes.box(kind, fixed, boxes.box(child, payload))
    stsd = boxes.full_box(b"stsd", 0, 0, (1).to_bytes(4, "big"), entry)
    hdlr = boxes.full_box(b"hdlr", 0, 0, bytes(4), handler, bytes(13))
    stbl = boxes.box(b"minf", boxes.box(b"stbl", stsd))
    return boxes.box(b"moov", boxes.box(b"trak", boxes.box(b"mdia", hdlr, stbl)))


def test_a_cut_off_esds_is_refused_in_words() -> None:
    """Found by the fuzzer: what a publisher sends may end anywhere."""
    whole = esds(0x40, b"\x12\x10")
    for end in range(len(whole)):
        for flags in (0x00, 0x40, 0xE0):
            cut = bytearray(whole[:end])
            if end > 8:
                cut[8] = flags
            with contextlib.suppress(ValueError):
                decoder_config(bytes(cut))


def esds(object_type: int, specific: bytes) -> bytes:
    info = bytes((5, 0x80, 0x80, 0x80, len(specific))) + specific
    config = bytes((4, 13 + len(info), object_type)) + bytes(12) + info
    return bytes(4) + bytes((3, 3 + len(config), 0, 1, 0)) + config


@pytest.mark.parametrize(
    ("handler", "kind", "child", "payload", "expected"),
    [
        (b"vide", b"avc1", b"avcC", bytes.fromhex("0164002a"), "avc1.64002a"),
        # Main 10, high tier, level 5.1, progressive and frame-only constraint.
        (
            b"vide",
            b"hvc1",
            b"hvcC",
            bytes.fromhex("0122200000009000000000009900"),
            "hvc1.2.4.H153.90",
        ),
        # Profile space B, no constraints.
        (
            b"vide",
            b"hvc1",
            b"hvcC",
            bytes.fromhex("01816000000000000000000078"),
            "hvc1.B1.6.L120",
        ),
        (b"vide", b"av01", b"av1C", bytes.fromhex("8108c000"), "av01.0.08H.10"),
        (b"vide", b"av01", b"av1C", bytes.fromhex("814d6000"), "av01.2.13M.12"),
        (b"soun", b"mp4a", b"esds", esds(0x40, b"\x11\x90"), "mp4a.40.2"),
        (b"soun", b"mp4a", b"esds", esds(0x40, b"\x2b\x92\x08\x00"), "mp4a.40.5"),
        (b"soun", b"mp4a", b"esds", esds(0x40, b"\xf9\x46\x00"), "mp4a.40.42"),
        (b"soun", b"mp4a", b"esds", esds(0x6B, b""), "mp4a.6B"),
        (b"soun", b"ec-3", b"dec3", b"", "ec-3"),
    ],
)
def test_strings(handler: bytes, kind: bytes, child: bytes, payload: bytes, expected: str) -> None:
    assert codec_string(init(handler, kind, child, payload)) == expected


def test_broken_descriptors_are_refused() -> None:
    with pytest.raises(ValueError, match="esds"):
        decoder_config(bytes(4) + b"\x06\x01\x02")
    with pytest.raises(ValueError, match="ends early"):
        codec_string(init(b"soun", b"mp4a", b"esds", esds(0x40, b"\x11")))
    with pytest.raises(ValueError, match="vvc1"):
        codec_string(init(b"vide", b"vvc1", b"vpcC", b""))


def test_vp9_says_profile_level_and_depth() -> None:
    record = bytes((1, 0, 0, 0, 2, 31, 0xA2, 2, 2, 2, 0, 0))
    assert codec_string(init(b"vide", b"vp09", b"vpcC", record)) == "vp09.02.31.10"
