"""Canonical payloads from real encoders through real demuxers."""

import io
from collections.abc import Callable

import av
import pytest
from media_streamer.media.canonical import Canonicalizer
from media_streamer.syntax import nal, obu

X264 = {"preset": "ultrafast", "x264-params": "bframes=0"}


def convert(data: bytes, index: int = 0) -> tuple[list[bytes], list[bool]]:
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams[index]
        canonicalizer = Canonicalizer.of(stream)
        payloads, changes = [], []
        for packet in container.demux(stream):
            payload = canonicalizer.packet(packet)
            if packet.size:
                assert payload is not None
                payloads.append(payload)
                changes.append(canonicalizer.changed)
    return payloads, changes


@pytest.mark.parametrize(("codec", "name"), [("libx264", "h264"), ("libx265", "hevc")])
@pytest.mark.parametrize("container", ["mpegts", "flv", "mp4", "matroska"])
def test_same_payload_from_every_container(
    make_media: Callable[..., bytes], codec: str, name: str, container: str
) -> None:
    options = {"preset": "ultrafast", "x265-params": "log-level=none:bframes=0"}
    if codec == "libx264":
        options = X264
    payloads, changes = convert(make_media(container, codec, options=options))
    assert len(payloads) == 8
    assert not any(changes)
    types = nal.NAL_TYPES[name]
    for payload in payloads:
        kinds = [u[0] >> types.shift & types.mask for u in nal.split_length_prefixed(payload)]
        assert types.slices.intersection(kinds)
        assert types.dropped.isdisjoint(kinds)
        assert types.parameter_sets.isdisjoint(kinds), "the track's init carries them"
    if container != "mpegts":
        reference, _ = convert(make_media("mpegts", codec, options=options))
        assert slices(name, payloads) == slices(name, reference)


def slices(codec: str, payloads: list[bytes]) -> list[list[bytes]]:
    """Slices of each picture: some muxers move the encoder's SEI into the extradata."""
    types = nal.NAL_TYPES[codec]
    return [
        [
            unit
            for unit in nal.split_length_prefixed(payload)
            if unit[0] >> types.shift & types.mask in types.slices
        ]
        for payload in payloads
    ]


def test_adts_is_stripped(make_media: Callable[..., bytes]) -> None:
    from_ts, changes = convert(make_media("mpegts", audio="aac"))
    from_mp4, _ = convert(make_media("mp4", audio="aac"))
    assert from_ts == from_mp4
    assert not any(changes)


def test_change_of_picture_size_is_seen_once(make_media: Callable[..., bytes]) -> None:
    small = make_media("h264", "libx264", options=X264)
    large = make_media("h264", "libx264", options=X264, size=(128, 96))
    _, changes = convert(small + large + small)
    assert [index for index, changed in enumerate(changes) if changed] == [8, 16]


def test_change_of_sampling_frequency_is_seen(make_media: Callable[..., bytes]) -> None:
    first = make_media("adts", audio="aac", frames=10)
    second = make_media("adts", audio="aac", frames=10, sample_rate=44100)
    payloads, changes = convert(first + second)
    assert sum(changes) == 1
    assert all(payloads)


def test_av1_loses_temporal_delimiters(make_media: Callable[..., bytes]) -> None:
    options = {"preset": "12", "svtav1-params": "lp=1"}
    payloads, changes = convert(make_media("obu", "libsvtav1", options=options))
    assert payloads
    assert not any(changes)
    kinds = [[kind for kind, _ in obu.split(payload)] for payload in payloads]
    assert all(obu.TEMPORAL_DELIMITER not in found for found in kinds)
    assert obu.SEQUENCE_HEADER in kinds[0]


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@pytest.mark.parametrize("data", [b"\x00", b"\xff" * 64, b"\x00\x00\x00\xff\x65", b"\x12\x7f"])
def test_garbage_gives_nothing_or_bytes_but_no_error(codec: str, data: bytes) -> None:
    context = av.CodecContext.create(codec, "r")
    if codec == "h264":
        context.extradata = b"\x01\x42\x00\x1e\xff\xe0\x00\x00"

    class Stream:
        codec_context = context

    result = Canonicalizer.of(Stream()).packet(av.Packet(data))  # type: ignore[arg-type]
    assert result is None or isinstance(result, bytes)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_broken_record_describes_nothing(codec: str) -> None:
    """It is the description of the track that fails, with words; not whoever takes its frames."""
    one = Canonicalizer(codec, b"\1" + b"\xff" * 30)
    assert one.convert(b"\0\0\0\1\x65") is not None
    assert not one.fault
    assert one.convert(b"\xff\xff\xff\xff\x65") is None
    assert "NAL unit ends at byte" in one.fault
