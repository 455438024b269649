"""Samples that went through packets come out as they were; loss and garbage give less."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.rtp.packet import HEADER_BYTES, MAX_PACKET_BYTES
from media_streamer.rtp.payloads.aac import AacDepacketizer, AacPacketizer
from media_streamer.rtp.payloads.av1 import Av1Depacketizer, Av1Packetizer, leb128
from media_streamer.rtp.payloads.base import Depacketizer, Packetizer, Sample
from media_streamer.rtp.payloads.latm import LatmDepacketizer, audio_config
from media_streamer.rtp.payloads.nal_units import NalDepacketizer, NalPacketizer
from media_streamer.rtp.payloads.simple import (
    Ac3Depacketizer,
    Ac3Packetizer,
    MpegAudioDepacketizer,
    MpegAudioPacketizer,
    WholeDepacketizer,
    WholePacketizer,
    mpeg_audio_frame,
)
from media_streamer.rtp.payloads.vpx import (
    Vp8Packetizer,
    Vp9Packetizer,
    VpxDepacketizer,
    vp8_depacketizer,
    vp9_depacketizer,
)
from media_streamer.syntax import nal
from media_streamer.syntax.vpx import split

ROOM = MAX_PACKET_BYTES - HEADER_BYTES


def through(out: Packetizer, into: Depacketizer, data: bytes, key: bool = False) -> list[Sample]:
    payloads = out.packetize(data, key)
    assert all(0 < len(payload) <= ROOM for payload in payloads)
    samples: list[Sample] = []
    for number, payload in enumerate(payloads):
        samples += into.feed(payload, 1000, number == len(payloads) - 1)
    return samples


def h264_unit(kind: int, size: int) -> bytes:
    return bytes((0x60 | kind,)) + bytes(n % 251 for n in range(size))


def hevc_unit(kind: int, size: int) -> bytes:
    return bytes((kind << 1, 1)) + bytes(n % 251 for n in range(size))


sizes = st.lists(st.one_of(st.integers(1, 60), st.integers(1100, 5000)), min_size=1, max_size=8)


@given(sizes)
def test_h264_access_units(lengths: list[int]) -> None:
    data = nal.join_length_prefixed([h264_unit(1, size) for size in lengths])
    assert through(NalPacketizer("h264", []), NalDepacketizer("h264"), data) == [
        Sample(1000, data, False)
    ]


@given(sizes)
def test_hevc_access_units(lengths: list[int]) -> None:
    data = nal.join_length_prefixed([hevc_unit(1, size) for size in lengths])
    assert through(NalPacketizer("hevc", []), NalDepacketizer("hevc"), data) == [
        Sample(1000, data, False)
    ]


def test_parameter_sets_go_in_front_of_key_frames() -> None:
    sets = [h264_unit(7, 20), h264_unit(8, 5)]
    picture = nal.join_length_prefixed([h264_unit(5, 3000)])
    (sample,) = through(NalPacketizer("h264", sets), NalDepacketizer("h264"), picture, key=True)
    assert sample.key
    assert nal.split_length_prefixed(sample.data)[:2] == sets


def test_a_lost_fragment_leaves_a_damaged_sample() -> None:
    payloads = NalPacketizer("h264", []).packetize(
        nal.join_length_prefixed([h264_unit(1, 10), h264_unit(1, 5000)]), False
    )
    into = NalDepacketizer("h264")
    into.feed(payloads[0], 1, False)
    into.lose()
    samples = [s for p in payloads[2:] for s in into.feed(p, 1, p is payloads[-1])]
    assert [(s.intact, len(nal.split_length_prefixed(s.data))) for s in samples] == [(False, 1)]
    (after,) = into.feed(h264_unit(1, 4), 2, True)
    assert after.intact


def test_a_missing_marker_is_seen_by_the_next_time_stamp() -> None:
    into = NalDepacketizer("h264")
    assert into.feed(h264_unit(1, 4), 1, False) == []
    assert [s.timestamp for s in into.feed(h264_unit(5, 4), 2, True)] == [1, 2]


VP8_KEY = bytes.fromhex("b0b9009d012a4001f0000047")
VP9_KEY = bytes.fromhex("824983420013f00ef6063824")


@pytest.mark.parametrize(
    ("out", "make", "key"),
    [
        (Vp8Packetizer(), vp8_depacketizer, VP8_KEY),
        (Vp9Packetizer(), vp9_depacketizer, VP9_KEY),
    ],
    ids=["vp8", "vp9"],
)
@pytest.mark.parametrize("size", [0, 1200, 5000])
def test_vpx_frames(
    out: Packetizer, make: Callable[[], VpxDepacketizer], key: bytes, size: int
) -> None:
    """Key frames say so by themselves, whatever the sender says."""
    data = key + bytes(n % 251 for n in range(size))
    assert through(out, make(), data) == [Sample(1000, data, True)]
    other = b"\x87" + data[1:]
    assert through(out, make(), other) == [Sample(1000, other, False)]
    payloads, into = out.packetize(data, True), make()
    into.feed(payloads[0], 1, len(payloads) == 1)
    into.lose()
    assert into.feed(b"", 1, False) == [], "padding"
    samples = [s for p in payloads[2:] for s in into.feed(p, 1, p is payloads[-1])]
    assert [sample.intact for sample in samples] == [False] * (len(payloads) > 2)
    assert not through(out, into, data)[0].intact or size == 5000
    assert through(out, into, data)[0].intact


@pytest.mark.parametrize(
    ("head", "begins"),
    [
        ("10", True), ("90 80 05", True), ("90 80 8123", True), ("90 e0 8123 07 21", True),
        ("90 10 21", True), ("b0 20 21", True), ("11", False), ("00", False),
    ],
)  # fmt: skip
def test_vp8_descriptors(head: str, begins: bool) -> None:
    """Picture numbers of one and two bytes, layers, other partitions."""
    (sample,) = vp8_depacketizer().feed(bytes.fromhex(head) + VP8_KEY, 7, True)
    assert sample == Sample(7, VP8_KEY, True, begins)


@pytest.mark.parametrize(
    "head",
    ["08", "8c 05", "8c 8123", "ac 05 00 09", "9c 05", "dc 05 03 04", "8e 05 18 0140 00f0 01 04 01",
     "0a 00", "bc 8123 00"],
)  # fmt: skip
def test_vp9_descriptors(head: str) -> None:
    """Picture numbers, layers, references, the structure of a group."""
    (sample,) = vp9_depacketizer().feed(bytes.fromhex(head) + VP9_KEY, 7, True)
    assert sample == Sample(7, VP9_KEY, True)


def test_spatial_layers_are_one_picture() -> None:
    """A key frame whose second layer is one, too; then one layer alone, and one that is broken."""
    key, into = VP9_KEY + bytes(20), vp9_depacketizer()
    assert into.feed(bytes.fromhex("ac010009") + key[:12], 7, False) == []
    assert into.feed(bytes.fromhex("a4010009") + key[12:], 7, False) == []
    (sample,) = into.feed(bytes.fromhex("ac010209") + key, 7, True)
    assert (sample.key, sample.intact) == (True, True)
    hidden, shown = split(sample.data)
    assert (hidden[0], shown) == (0x80, key)
    assert into.feed(bytes.fromhex("ac020009") + key, 8, True) == [Sample(8, key, True)]
    into.feed(bytes.fromhex("ac030009") + key, 9, False)
    (sample,) = into.feed(bytes.fromhex("ac030009") + key, 9, True)
    assert not sample.intact, "two frames of one layer"
    into.feed(bytes.fromhex("ac030009") + key, 9, False)
    (sample,) = into.feed(bytes.fromhex("ac030209") + b"above", 9, True)
    assert not sample.intact


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_marker_on_each_packet_is_found_out(codec: str) -> None:
    """Slices of one picture stay together, whole or in fragments; so do parameter sets."""
    head, sets = (b"\x41", h264_unit(7, 9)) if codec == "h264" else (b"\x02\x01", hevc_unit(33, 9))
    picture = [sets, head + b"\x80first", head + b"\x40next", head + b"\x40" + bytes(3000)]
    into, found = NalDepacketizer(codec), []
    for stamp in range(4):
        payloads = NalPacketizer(codec, []).packetize(nal.join_length_prefixed(picture), False)
        units = [one for one in payloads if len(one) > 1]
        for payload in (sets, *picture[1:3], *units[-3:]):
            found += into.feed(payload, stamp, True)
    whole = nal.join_length_prefixed(picture)
    assert [sample.intact for sample in found] == [True, True, False, True, True]
    assert [sample.data for sample in found[3:]] == [whole, whole]


def test_pictures_of_one_time_stamp_stay_apart() -> None:
    into = NalDepacketizer("h264")
    found = [into.feed(b"\x41\x80picture", 7, True) for _ in range(5)]
    assert [len(one) for one in found] == [1] * 5


@given(st.binary(min_size=1, max_size=6000))
def test_aac_frames(data: bytes) -> None:
    assert through(AacPacketizer(), AacDepacketizer(), data) == [Sample(1000, data, True)]


def test_several_aac_frames_in_a_packet() -> None:
    frames = [b"a" * 10, b"b" * 20, b"c" * 5]
    head = b"".join((len(frame) << 3).to_bytes(2, "big") for frame in frames)
    payload = (16 * len(frames)).to_bytes(2, "big") + head + b"".join(frames)
    samples = AacDepacketizer().feed(payload, 0xFFFFFFFF, True)
    assert [(s.timestamp, s.data) for s in samples] == [
        (0xFFFFFFFF, frames[0]),
        (1023, frames[1]),
        (2047, frames[2]),
    ]


@given(st.binary(min_size=1, max_size=1000))
def test_opus_packets(data: bytes) -> None:
    assert through(WholePacketizer(), WholeDepacketizer(), data) == [Sample(1000, data, True)]


@given(st.binary(min_size=1, max_size=6000))
def test_ac3_frames(data: bytes) -> None:
    assert through(Ac3Packetizer(), Ac3Depacketizer(), data) == [Sample(1000, data, True)]


MP3 = b"\xff\xfb\x90\x00"
"""MPEG-1 layer 3, 128 kbit/s, 44.1 kHz: 417 bytes."""


def test_mpeg_audio_frames() -> None:
    assert mpeg_audio_frame(MP3) == (417, 2351)
    frame = MP3 + bytes(413)
    assert through(MpegAudioPacketizer(), MpegAudioDepacketizer(), frame) == [
        Sample(1000, frame, True)
    ]
    both = MpegAudioDepacketizer().feed(b"\0\0\0\0" + frame + frame, 5, True)
    assert [(s.timestamp, len(s.data)) for s in both] == [(5, 417), (5 + 2351, 417)]


def obu_unit(kind: int, size: int) -> bytes:
    body = bytes(n % 251 for n in range(size))
    return bytes((kind << 3 | 2,)) + leb128(size) + body


@given(st.lists(st.one_of(st.integers(0, 40), st.integers(1100, 5000)), min_size=1, max_size=6))
def test_av1_temporal_units(lengths: list[int]) -> None:
    data = b"".join(obu_unit(6, size) for size in lengths)
    assert through(Av1Packetizer(), Av1Depacketizer(), data) == [Sample(1000, data, False)]


def test_av1_key_frames_carry_the_sequence_header() -> None:
    header = obu_unit(1, 11)
    (sample,) = through(Av1Packetizer(header), Av1Depacketizer(), obu_unit(6, 3000), key=True)
    assert sample.key
    assert sample.data.startswith(header)


@pytest.mark.parametrize(
    "make",
    [
        lambda: NalDepacketizer("h264"),
        lambda: NalDepacketizer("hevc"),
        AacDepacketizer,
        Av1Depacketizer,
        vp8_depacketizer,
        vp9_depacketizer,
        MpegAudioDepacketizer,
        Ac3Depacketizer,
        WholeDepacketizer,
    ],
)
@given(st.lists(st.tuples(st.binary(max_size=64), st.integers(0, 3), st.booleans()), max_size=30))
def test_garbage_never_raises(make, packets: list[tuple[bytes, int, bool]]) -> None:  # type: ignore[no-untyped-def]
    depacketizer = make()
    total = 0
    for payload, timestamp, marker in packets:
        for sample in depacketizer.feed(payload, timestamp, marker):
            assert sample.data
            total += 1
    assert total <= 40 * len(packets)


@pytest.mark.parametrize(
    ("mux_config", "config"),
    [
        ("40002320adc0", "1190"),  # AAC-LC, 48 kHz, stereo
        ("40002420adca00", "1210"),  # AAC-LC, 44.1 kHz, stereo
        ("400056232a3fc0", "2b1195"),
    ],
)
def test_the_configuration_of_latm(mux_config: str, config: str) -> None:
    assert audio_config(bytes.fromhex(mux_config)).hex().startswith(config)


@pytest.mark.parametrize("mux_config", ["", "4000", "c00024203fc0", "410024203fc0", "40003e203fc0"])
def test_other_forms_of_latm_are_refused(mux_config: str) -> None:
    with pytest.raises(ValueError, match=r"StreamMuxConfig|MPEG-4"):
        audio_config(bytes.fromhex(mux_config))


@given(st.integers(1, 2000), st.integers(1, 5))
def test_elements_of_latm(size: int, pieces: int) -> None:
    into = LatmDepacketizer()
    data = bytes(n % 251 for n in range(size))
    element = b"\xff" * (size // 255) + bytes((size % 255,)) + data
    cut = max(1, len(element) // pieces)
    parts = [element[at : at + cut] for at in range(0, len(element), cut)]
    found = [s for n, p in enumerate(parts) for s in into.feed(p, 5, n == len(parts) - 1)]
    assert found == [Sample(5, data, True)]
    into.lose()
    assert into.feed(element[1:], 5, True) == []  # perhaps the rest of what was lost
    assert into.feed(element, 6, True) == [Sample(6, data, True)]


@given(st.lists(st.tuples(st.binary(max_size=40), st.booleans()), max_size=20))
def test_garbage_is_no_latm(payloads: list[tuple[bytes, bool]]) -> None:
    into = LatmDepacketizer()
    for payload, marker in payloads:
        for sample in into.feed(payload, 1, marker):
            assert sample.data
