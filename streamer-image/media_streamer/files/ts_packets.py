"""Transport streams as files: packets, tables and what PES packets carry (ISO/IEC 13818-1). Pure.

Packets of 188 bytes, or of 192 and 204 as recorders write them, are looked at all at once by numpy:
a film has millions. What is no packet is passed over.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from media_streamer.files.tables import BadFile
from media_streamer.files.ts_grid import PACKET_BYTES, SYNC, Grid

_PAT, _PMT = 0x00, 0x02
WRAP = 1 << 33
_CODECS = {0x01: "mpeg2video", 0x02: "mpeg2video", 0x03: "mpa", 0x04: "mpa", 0x0F: "aac",
           0x1B: "h264", 0x24: "hevc", 0x81: "ac3", 0x87: "eac3"}  # fmt: skip
"""By stream type; `mpa`: MP2 or MP3, as its frames say (table 2-34, ATSC A/53 part 3)."""
_PRIVATE = 0x06
_BY_DESCRIPTOR = {0x6A: "ac3", 0x7A: "eac3"}
"""Of private streams (ETSI EN 300 468, annex D)."""
_REGISTRATION, _LANGUAGE = 0x05, 0x0A
_REGISTERED = {b"HEVC": "hevc", b"AC-3": "ac3", b"EAC3": "eac3"}
VIDEOS = ("h264", "hevc", "mpeg2video")

Packets = npt.NDArray[np.uint8]


class Stream(NamedTuple):
    """An elementary stream of the program."""

    pid: int
    codec: str
    """Empty: it is not played."""
    language: str
    kind: int
    """Its stream type."""


class Pes(NamedTuple):
    """A PES packet."""

    place: int
    """Of its first transport packet, in bytes of what was read."""
    pts: int | None
    dts: int | None
    data: bytes
    whole: bool
    """All of it was there."""


def packets_of(grid: Grid, data: bytes) -> Packets:
    """Rows of 188 bytes; `data` begins with a packet."""
    whole = len(data) // grid.stride
    if len(data) - whole * grid.stride >= PACKET_BYTES:
        data, whole = data.ljust((whole + 1) * grid.stride, b"\0"), whole + 1
    rows = np.frombuffer(data, np.uint8, whole * grid.stride).reshape(whole, grid.stride)
    return rows[:, :PACKET_BYTES]


def pids(packets: Packets) -> npt.NDArray[np.uint16]:
    """Of each packet; 0xFFFF for what is none."""
    found = ((packets[:, 1] & 0x1F).astype(np.uint16) * 256 + packets[:, 2]).astype(np.uint16)
    found[(packets[:, 0] != SYNC) | (packets[:, 1] & 0x80 != 0)] = 0xFFFF
    return found


def begins(packets: Packets) -> npt.NDArray[np.bool_]:
    """Whether a PES packet or a section begins in each."""
    found: npt.NDArray[np.bool_] = packets[:, 1] & 0x40 != 0
    return found


def payload(packets: Packets) -> tuple[bytes, npt.NDArray[np.int64]]:
    """What the packets carry, and where in it each one's part begins; the end as the last."""
    control = packets[:, 3] >> 4 & 3
    offsets = np.where(control == 3, 5 + packets[:, 4].astype(np.int64), 4)
    offsets = np.minimum(np.where(control & 1, offsets, PACKET_BYTES), PACKET_BYTES)
    ends = np.concatenate(([0], np.cumsum(PACKET_BYTES - offsets)))
    plain = bool((offsets == 4).all())
    if plain:
        return packets[:, 4:].tobytes(), ends
    mask = np.arange(PACKET_BYTES) >= offsets[:, None]
    return packets[mask].tobytes(), ends


def program(packets: Packets) -> list[Stream]:
    """The streams of the first program; raises BadFile."""
    all_pids = pids(packets)
    pmt_pid = next(
        (
            pid
            for section in _sections(packets, all_pids, 0)
            if section[0] == _PAT
            for pid in _programs(section)
        ),
        None,
    )
    if pmt_pid is None:
        raise BadFile("the transport stream names no program (PAT)")
    for section in _sections(packets, all_pids, pmt_pid):
        if section[0] == _PMT and (found := list(_streams(section))):
            return found
    raise BadFile("the program of the transport stream is not described (PMT)")


def _sections(packets: Packets, all_pids: npt.NDArray[np.uint16], pid: int) -> Iterator[bytes]:
    """The first section that begins in each packet of a PID."""
    own = packets[all_pids == pid][:64]
    data, places = payload(own)
    for number in np.flatnonzero(begins(own)):
        at = int(places[number])
        if at >= len(data):
            continue
        at += 1 + data[at]
        size = 3 + (int.from_bytes(data[at + 1 : at + 3], "big") & 0xFFF)
        section = data[at : at + size]
        if len(section) == size >= 12:
            yield section


def _programs(section: bytes) -> Iterator[int]:
    for at in range(8, len(section) - 7, 4):
        if int.from_bytes(section[at : at + 2], "big"):
            yield int.from_bytes(section[at + 2 : at + 4], "big") & 0x1FFF


def _streams(section: bytes) -> Iterator[Stream]:
    at = 12 + (int.from_bytes(section[10:12], "big") & 0xFFF)
    while at + 5 <= len(section) - 4:
        kind, pid = section[at], int.from_bytes(section[at + 1 : at + 3], "big") & 0x1FFF
        end = at + 5 + (int.from_bytes(section[at + 3 : at + 5], "big") & 0xFFF)
        codec, language = _CODECS.get(kind, ""), ""
        for tag, said in _descriptors(section[at + 5 : end]):
            if kind == _PRIVATE:
                codec = codec or _BY_DESCRIPTOR.get(tag, "")
                if tag == _REGISTRATION:
                    codec = codec or _REGISTERED.get(said[:4], "")
            if tag == _LANGUAGE and said[:3].isalpha():
                language = said[:3].decode("latin-1").lower()
        yield Stream(pid, codec, "" if language == "und" else language, kind)
        at = end


def _descriptors(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 2 <= len(data):
        end = at + 2 + data[at + 1]
        yield data[at], data[at + 2 : end]
        at = end


def pes_of(own: Packets, places: Sequence[int]) -> list[Pes]:
    """The PES packets of the packets of a PID; `places`: where each packet lies.

    What comes before the first begin is left out.
    """
    if not len(own):
        return []
    data, ends = payload(own)
    firsts = [int(number) for number in np.flatnonzero(begins(own))]
    found = []
    for number, first in enumerate(firsts):
        last = number + 1 == len(firsts)
        stop = len(data) if last else int(ends[firsts[number + 1]])
        one = _pes(data[int(ends[first]) : stop], int(places[first]), not last)
        if one is not None:
            found.append(one)
    return found


def _pes(data: bytes, place: int, whole: bool) -> Pes | None:
    """2.4.3.6; None for what is none."""
    if len(data) < 9 or data[:3] != b"\0\0\1" or data[6] >> 6 != 2:
        return None
    flags, begin = data[7] >> 6, 9 + data[8]
    pts = _stamp(data[9:14]) if flags & 2 and len(data) >= 14 else None
    dts = _stamp(data[14:19]) if flags == 3 and len(data) >= 19 else None
    size = int.from_bytes(data[4:6], "big")
    if size:
        whole = whole or len(data) >= 6 + size
        return Pes(place, pts, dts, data[begin : 6 + size], whole)
    return Pes(place, pts, dts, data[begin:], whole)


def _stamp(data: bytes) -> int:
    first, second, third = data[0] >> 1 & 7, data[1] << 8 | data[2], data[3] << 8 | data[4]
    return first << 30 | second >> 1 << 15 | third >> 1


def near(stamp: int, time: int) -> int:
    """A time stamp of 33 bits as the one next to `time`."""
    return time + (stamp - time + WRAP // 2) % WRAP - WRAP // 2
