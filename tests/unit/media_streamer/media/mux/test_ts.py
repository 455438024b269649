"""Transport packets: any frame size comes back byte by byte."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.frame import TIME_BASE, Frame, Track
from media_streamer.media.mux.ts import PCR_LEAD, TsMuxer
from msgspec.structs import replace

VIDEO = Track(0, "v1", "video", "mpeg2video", b"", "mp4v.61")
AUDIO = Track(1, "a1", "audio", "mp2", b"", "mp4a.6B")
AV1 = Track(2, "v2", "video", "av1", b"", "av01.0.00M.08")
STEP = 3600


def payloads(data: bytes, pid: int) -> tuple[list[bytes], list[int]]:
    """PES packets of a PID and the counters of its packets."""
    found: list[bytes] = []
    counters = []
    assert len(data) % 188 == 0
    for at in range(0, len(data), 188):
        packet = data[at : at + 188]
        assert packet[0] == 0x47
        if (packet[1] & 0x1F) << 8 | packet[2] != pid:
            continue
        begin = 4
        if packet[3] & 0x20:
            begin = 5 + packet[4]
            assert begin <= 188
        if packet[3] & 0x10:
            counters.append(packet[3] & 15)
            if packet[1] & 0x40:
                found.append(b"")
            found[-1] += packet[begin:]
    return found, counters


@given(
    st.lists(
        st.tuples(st.integers(0, 800), st.booleans(), st.integers(0, 3)), min_size=1, max_size=12
    )
)
def test_every_size_survives(frames: list[tuple[int, bool, int]]) -> None:
    muxer = TsMuxer([VIDEO, AUDIO])
    data, sent = b"", []
    for index, (size, key, reorder) in enumerate(frames):
        payload = bytes((index,)) * size
        dts = index * STEP
        frame = Frame(0, dts, dts + reorder * STEP, STEP, key, payload)
        data += muxer.mux(frame, key)
        sent.append((payload, reorder))
    found, counters = payloads(data, 0x100)
    assert counters == [index & 15 for index in range(len(counters))]
    assert len(found) == len(sent)
    for pes, (payload, reorder) in zip(found, sent, strict=True):
        assert pes[:4] == b"\x00\x00\x01\xe0"
        assert pes[8] == (10 if reorder else 5)
        assert pes[9 + pes[8] :] == payload
        assert int.from_bytes(pes[4:6], "big") == len(pes) - 6


def test_large_frames_leave_the_length_open() -> None:
    payload = bytes(range(256)) * 400
    data = TsMuxer([VIDEO]).mux(Frame(0, 0, 0, STEP, True, payload), True)
    (pes,), _ = payloads(data, 0x100)
    assert pes[4:6] == b"\x00\x00"
    assert pes[14:] == payload


@given(st.integers(0, 2**34))
def test_time_stamps_wrap_at_33_bits(dts: int) -> None:
    data = TsMuxer([VIDEO]).mux(Frame(0, dts, dts, STEP, True, b"x"), True)
    (pes,), _ = payloads(data, 0x100)
    stamp = (pes[9] >> 1 & 7) << 30 | pes[10] << 22 | (pes[11] >> 1) << 15
    stamp |= pes[12] << 7 | pes[13] >> 1
    assert stamp == (dts + PCR_LEAD) % 2**33


def test_tables_before_boundaries_and_every_400_ms() -> None:
    muxer = TsMuxer([VIDEO, AUDIO])
    with_tables = [
        index
        for index in range(60)
        if muxer.mux(Frame(0, index * STEP, index * STEP, STEP, index == 25, b"x"), index == 25)[
            1:3
        ]
        == b"\x40\x00"
    ]
    assert with_tables == [0, 10, 20, 25, 35, 45, 55]


def test_rare_pictures_get_clock_packets_between_them() -> None:
    muxer = TsMuxer([VIDEO, AUDIO])
    muxer.mux(Frame(0, 0, 0, TIME_BASE, True, b"x"), True)
    data = b"".join(
        muxer.mux(Frame(1, dts, dts, 2160, True, b"s"), False)
        for dts in range(2160, TIME_BASE, 2160)
    )
    clocks = [
        int.from_bytes(data[at + 6 : at + 12], "big") >> 15
        for at in range(0, len(data), 188)
        if data[at + 1 : at + 3] == b"\x01\x00"
    ]
    assert clocks
    assert all(b - a <= TIME_BASE // 10 for a, b in zip([0, *clocks], clocks, strict=False))


def test_new_tracks_go_on_with_the_counters() -> None:
    first = TsMuxer([VIDEO])
    data = first.mux(Frame(0, 0, 0, STEP, True, bytes(500)), True)
    second = TsMuxer([VIDEO, AUDIO], first)
    data += second.mux(Frame(0, STEP, STEP, STEP, True, bytes(500)), True)
    for pid in (0, 0x1000, 0x100):
        _, counters = payloads(data, pid)
        assert counters == list(range(len(counters)))
        assert len(counters) >= 2


def test_tracks_without_a_mapping_are_left_out() -> None:
    muxer = TsMuxer([AV1, AUDIO])
    assert muxer.left_out == [AV1]
    assert muxer.mux(Frame(2, 0, 0, STEP, True, b"x"), True) == b""
    assert muxer.mux(Frame(1, 0, 0, STEP, True, b"x"), False)[1:3] == b"\x40\x00"
    assert TsMuxer([AV1]).mux(Frame(2, 0, 0, STEP, True, b"x"), True) == b""


def test_more_tracks_than_a_pmt_holds_are_left_out() -> None:
    tracks = [replace(AUDIO, number=index, language="eng") for index in range(40)]
    muxer = TsMuxer([VIDEO, *[replace(track, number=track.number + 1) for track in tracks]])
    assert 0 < len(muxer.left_out) < 40
    assert muxer.left_out[0].number == 40
    assert muxer.mux(Frame(0, 0, 0, STEP, True, b"x"), True)
    assert muxer.mux(Frame(40, 0, 0, STEP, True, b"x"), False) == b""
