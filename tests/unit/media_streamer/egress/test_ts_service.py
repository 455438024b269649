"""A transport stream under other numbers: media stays what it was, the tables say where it is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_api.push import PushConfig
from media_streamer.egress.ts_service import (
    FIRST_FREE_PID,
    Relabeler,
    TsService,
    frames_of,
)
from media_streamer.media.frame import Frame, Track
from media_streamer.media.mux import psi
from media_streamer.media.mux.ts import TsMuxer

VIDEO = Track(0, "v1", "video", "mpeg2video", b"", "mp4v.61")
AUDIO = Track(1, "a1", "audio", "mp2", b"", "mp4a.6B", language="eng")
AC3 = Track(2, "a2", "audio", "ac3", b"", "ac-3", language="deu")
STEP = 3600
PACKET = 188


def service(**options: Any) -> TsService:
    found = TsService.of(PushConfig.model_validate({"url": "udp://h:1", **options}))
    assert found is not None
    return found


def stream(count: int = 12, *tracks: Track) -> list[bytes]:
    """A piece of each frame, of all tracks in turn."""
    tracks = tracks or (VIDEO, AUDIO)
    muxer = TsMuxer(tracks)
    return [
        muxer.mux(
            Frame(track.number, n * STEP, n * STEP, STEP, n % 4 == 0, bytes((n,)) * (n * 97 % 900)),
            n % 4 == 0 and track is tracks[0],
        )
        for n in range(count)
        for track in tracks
    ]


def packets(data: bytes, pid: int) -> list[bytes]:
    assert len(data) % PACKET == 0
    cut = [data[at : at + PACKET] for at in range(0, len(data), PACKET)]
    assert all(one[0] == 0x47 for one in cut)
    return [one for one in cut if (one[1] & 0x1F) << 8 | one[2] == pid]


def media(data: bytes, pid: int) -> bytes:
    """What a PID carries."""
    out = b""
    for packet in packets(data, pid):
        if packet[3] & 0x10:
            out += packet[5 + packet[4] :] if packet[3] & 0x20 else packet[4:]
    return out


def counters(data: bytes, pid: int) -> list[int]:
    return [packet[3] & 15 for packet in packets(data, pid) if packet[3] & 0x10]


def sections(data: bytes, pid: int) -> list[bytes]:
    found = []
    for packet in packets(data, pid):
        section = packet[5 : 8 + (int.from_bytes(packet[6:8], "big") & 0x0FFF)]
        assert psi.crc32(section) == 0
        found.append(section)
    return found


def test_nothing_is_done_where_nothing_is_asked() -> None:
    plain = {"url": "udp://h:1", "bitrate": 2_000_000, "mpegts_ac3": "keep"}
    assert TsService.of(PushConfig.model_validate(plain)) is None


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_media_is_untouched_however_it_is_cut(sizes: list[int]) -> None:
    pieces = stream(16, VIDEO, AUDIO, AC3)
    source = b"".join(pieces)
    relabel = Relabeler(
        service(
            pnr=77,
            pids={
                "pmt": 0x200,
                "media": [
                    {"content": "video", "track": 1, "pid": 0x101},
                    {"content": "audio", "track": 2, "pid": 0x100, "codec": "ac3"},
                ],
            },
            service="Один",
            provider="Me",
        )
    )
    out, rest, turn = b"", source, 0
    while rest:
        size = sizes[turn % len(sizes)] * PACKET
        out, rest, turn = out + relabel(rest[:size]), rest[size:], turn + 1
    for before, after in ((0x100, 0x101), (0x102, 0x100)):
        assert media(out, after) == media(source, before)
        assert counters(out, after) == counters(source, before)
    free = next(pid for pid in range(0x101, 0x110) if pid not in (0x100, 0x101))
    assert media(out, free) == media(source, 0x101)  # its PID was given away
    assert all(one[8:12] == b"\x00\x4d\xe2\x00" for one in sections(out, 0))
    sdt = sections(out, 0x11)[0]
    assert b"\x48" in sdt
    assert b"\x15" + "Один".encode() in sdt
    assert counters(out, 0x11) == [n & 15 for n in range(len(sections(out, 0)))]
    pmt = sections(out, 0x200)[0]
    assert pmt[3:5] == b"\x00\x4d"
    assert b"ac-3" not in pmt
    assert b"AC-3" in pmt  # as it was: keep


def test_nothing_leaves_before_the_tables() -> None:
    pieces = stream(8)
    relabel = Relabeler(service(pmt=0x300))
    late = pieces[1]  # no table stands before it
    assert relabel(late) == b""
    assert packets(relabel(pieces[8]), 0x300)


def test_a_clock_on_a_pid_of_its_own() -> None:
    source = b"".join(stream(8))
    out = Relabeler(service(pids={"pcr": 0x1FF}))(source)
    clocks = packets(out, 0x1FF)
    times = [packet[6:12] for packet in packets(source, 0x100) if _has_clock(packet)]
    assert [packet[6:12] for packet in clocks] == times
    assert not any(_has_clock(packet) for packet in packets(out, 0x100))
    assert media(out, 0x100) == media(source, 0x100)
    assert (sections(out, psi.PMT_PID)[0][8] & 0x1F, sections(out, psi.PMT_PID)[0][9]) == (1, 0xFF)


def _has_clock(packet: bytes) -> bool:
    return bool(packet[3] & 0x20 and packet[4] and packet[5] & 0x10)


def test_dvb_signals_ac3_by_a_descriptor() -> None:
    source = b"".join(stream(4, VIDEO, AC3))
    pmt = sections(Relabeler(service(mpegts_ac3="system_b"))(source), psi.PMT_PID)[0]
    assert b"\x06\xe1\x01\xf0\x09\x6a\x01\x00\x0a\x04deu\x00" in pmt
    other = sections(Relabeler(service(mpegts_ac3="system_a"))(source), psi.PMT_PID)[0]
    assert b"\x81\xe1\x01\xf0\x0c\x05\x04AC-3" in other


def test_pids_that_count_on() -> None:
    pids = {"media": [{"content": "video", "track": 1, "pid": 500}], "default": "increment"}
    out = Relabeler(service(pids=pids))(b"".join(stream(4, VIDEO, AUDIO, AC3)))
    assert all(packets(out, pid) for pid in (500, 501, 502))
    last: dict[str, Any] = {
        "media": [{"content": "video", "track": 1, "pid": 8190}], "default": "increment",
    }  # fmt: skip
    out = Relabeler(service(pids=last))(b"".join(stream(4, VIDEO, AUDIO, AC3)))
    assert all(packets(out, pid) for pid in (8190, FIRST_FREE_PID, FIRST_FREE_PID + 1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pmt": 0}, "PID 0 is not free"),
        ({"pmt": 8191}, "PID 8191 is not free"),
        ({"pids": {"sdt": 4096}}, "PID 4096 cannot be that of the SDT"),
        ({"pids": {"media": [{"content": "video", "track": 1, "pid": 4096}]}}, "given twice"),
        ({"pids": {"pcr": 4096}}, "PID 4096 has something else"),
        (
            {"pids": {"pcr": 300, "media": [{"content": "audio", "track": 1, "pid": 300}]}},
            "PID 300 has something else",
        ),
        ({"service": "x" * 151}, "150 bytes"),
    ],
)
def test_what_cannot_be_is_said(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        service(**options)


def test_frames_are_counted() -> None:
    assert frames_of(b"".join(stream(12))) == 24
    assert frames_of(Relabeler(service(service="x"))(b"".join(stream(12)))) == 24
    assert frames_of(b"") == 0
