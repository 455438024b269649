"""Follows PAT and PMT in a transport stream that goes by (ISO/IEC 13818-1 2.4.4).

Role: know which elementary streams the wanted programs have, and find the byte at which a demuxer
must start anew because they changed. FFmpeg's demuxer finds streams that appear later, but PyAV
does not hand them over.

A demuxer that starts anew loses what it has read of a picture, so where the tracks of before go on
the cut waits for the next random access point of the video; the new demuxer gets the tables first.
Where a PID got another codec there is nothing to wait for. Pure.

A table of several packets is read where these are in one piece of the data; a PMT of more than 30
elementary streams may therefore be noticed at its repetition only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from media_streamer.media.mux.psi import crc32

PACKET_BYTES = 188
SYNC = 0x47
PAT_PID = 0
MAX_DELAY_BYTES = 8 * 1024 * 1024
"""A cut that waits for a random access point waits no longer than this: 6 s of 10 Mbit/s."""

BYTES_PER_UNIT, FREE_UNITS = 256, 64
"""More units than these in a piece of data are counted."""
_START_CODE = b"\x00\x00\x01"
_PICTURES = {
    0x1B: re.compile(rb"\x00\x00\x01[\x01\x21\x41\x61\x05\x25\x45\x65][\x80-\xff]"),
    0x24: re.compile(rb"\x00\x00\x01[\x00-\x2b].[\x80-\xff]", re.DOTALL),
}
"""How the first slice of a picture begins, by stream type: that of the first macroblock (H.264
7.3.3), or with first_slice_segment_in_pic_flag (H.265 7.3.6.1)."""

MEDIA_TYPES = frozenset({0x01, 0x02, 0x03, 0x04, 0x06, 0x0F, 0x10, 0x11, 0x1B, 0x24, 0x81, 0x87})
"""Types of table 2-34 (ATSC A/53 part 3 for the last two) that can be video or sound."""
VIDEO_TYPES = frozenset({0x01, 0x02, 0x10, 0x1B, 0x24})

Streams = frozenset[tuple[int, int]]
"""(PID, stream type) of elementary streams."""


@dataclass(frozen=True, slots=True)
class _Table:
    packets: bytes
    """As they were sent, for the demuxer that starts anew."""
    streams: Streams = frozenset()


class TsWatch:
    """The tables of one source. `programs`: the wanted ones, all if there are none."""

    def __init__(self, programs: frozenset[int] = frozenset()) -> None:
        self._programs = programs
        self._rest = b""
        self._pat = b""
        self._pmt_pids: dict[int, int] = {}
        """PID of the PMT -> program."""
        self._tables: dict[int, _Table] = {}
        """PID of the PMT -> what it said last."""
        self._demuxed: Streams | None = None
        """What the running demuxer knows."""
        self._waited = 0
        self._cut_for: Streams = frozenset()
        """What the last cut was made for: there is no second one for the same."""
        self.named: set[int] = set()
        """PIDs that the tables named for the running demuxer, of all programs: it keeps each."""
        self._all_pmts: set[int] = set()
        self._kinds: dict[int, int] = {}
        """PID -> type of all elementary streams that were named, of all programs."""
        self._units: dict[int, int] = {}
        """PID -> units of the picture, where they come close together."""
        self.pats = 0
        """PATs that were seen."""
        self.desyncs = 0
        """Times that packets did not begin where the last one ended."""
        self.programs_lost = 0
        """Wanted programs that a PAT no longer named."""
        self._fed = False

    @property
    def streams(self) -> Streams:
        """Elementary streams of the wanted programs."""
        return frozenset().union(*(table.streams for table in self._tables.values()))

    @property
    def pids(self) -> frozenset[int]:
        """Their PIDs."""
        return frozenset(pid for pid, _ in self.streams)

    @property
    def units(self) -> int:
        """NAL units of a picture, where they are many."""
        return max(self._units.values(), default=0)

    @property
    def has_programs(self) -> bool:
        """A PAT was seen, so that `pids` says something."""
        return bool(self._pat)

    def settle(self, pids: frozenset[int]) -> None:
        """A demuxer was opened, and has found streams of these PIDs."""
        streams = self.streams
        found = frozenset(item for item in streams if item[0] in pids)
        self._demuxed = streams if streams == self._cut_for else found
        self._waited = 0
        self.named = {*self._all_pmts, *(pid for pid, _ in streams)}

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The bytes for the running demuxer; with a cut, those that the next one starts with."""
        data = self._rest + data
        start = _aligned(data)
        if start != 0 and self._fed:  # where a stream begins, one packet may be half gone
            self.desyncs += 1
        self._fed = True
        if start is None:
            # Noise: the demuxer finds its way by itself.
            self._rest = b""
            return data, None
        end = start + (len(data) - start) // PACKET_BYTES * PACKET_BYTES
        self._rest = data[end:]
        data = data[:end]
        changed_at = self._read_tables(data, start)
        self._count_units(data, start)
        demuxed = self._demuxed
        if demuxed is None or self.streams == demuxed or not self.streams:
            return data, None
        cut = self._find_cut(data, start if changed_at is None else changed_at, demuxed)
        if cut is None:
            self._waited += len(data)
            return data, None
        self._demuxed, self._cut_for = None, self.streams
        tables = self._pat + b"".join(table.packets for table in self._tables.values())
        return data[:cut], tables + data[cut:] + self.rest()

    def rest(self) -> bytes:
        """What is left at the end of the source."""
        rest, self._rest = self._rest, b""
        return rest

    def _count_units(self, data: bytes, start: int) -> None:
        """FFmpeg takes 4 KiB for each unit of a picture, of however few bytes: where there are
        many, those of each picture are counted."""
        if data.count(_START_CODE) <= len(data) // BYTES_PER_UNIT + FREE_UNITS:
            self._units.clear()
            return
        for at in range(start, len(data), PACKET_BYTES):
            pid = int.from_bytes(data[at + 1 : at + 3]) & 0x1FFF
            begins = _PICTURES.get(self._kinds.get(pid, 0))
            if begins is None:
                continue
            packet = data[at + 4 : at + PACKET_BYTES]
            last = max((found.end() for found in begins.finditer(packet)), default=-1)
            before = self._units.get(pid, 0) if last < 0 else 0
            self._units[pid] = before + packet.count(_START_CODE, max(last, 0))

    # Tables

    def _read_tables(self, data: bytes, start: int) -> int | None:
        """Take over new tables; where the first one that changed begins."""
        changed: int | None = None
        for at in _starts(data, start, PAT_PID):
            packets, section = _section(data, at, PAT_PID)
            if section and section[0] == 0x00:
                self.pats += 1
                if packets != self._pat:
                    self._take_pat(packets, section)
        for pid in list(self._all_pmts):
            for at in _starts(data, start, pid):
                packets, section = _section(data, at, pid)
                if not section or section[0] != 0x02:
                    continue
                found = dict(_entries(section))
                self._kinds |= found
                self.named |= found.keys()
                wanted = pid in self._pmt_pids
                if wanted and self._take_pmt(pid, packets, section):
                    changed = at if changed is None else min(changed, at)
        return changed

    def _take_pat(self, packets: bytes, section: bytes) -> None:
        programs = {
            int.from_bytes(section[at + 2 : at + 4]) & 0x1FFF: int.from_bytes(section[at : at + 2])
            for at in range(8, len(section) - 4, 4)
        }
        self._pat = packets
        self._all_pmts = {pid for pid, number in programs.items() if number}
        self.named |= self._all_pmts
        before = set(self._pmt_pids.values())
        self._pmt_pids = {
            pid: number
            for pid, number in programs.items()
            if number and (not self._programs or number in self._programs)
        }
        self.programs_lost += len(before - set(self._pmt_pids.values()))
        self._tables = {pid: table for pid, table in self._tables.items() if pid in self._pmt_pids}

    def _take_pmt(self, pid: int, packets: bytes, section: bytes) -> bool:
        """True if the elementary streams are others than before."""
        if int.from_bytes(section[3:5]) != self._pmt_pids[pid]:
            return False  # several programs may share a PID
        old = self._tables.get(pid)
        streams = _elementary_streams(section)
        self._tables[pid] = _Table(packets, streams)
        return old is None or old.streams != streams

    # The cut

    def _find_cut(self, data: bytes, begin: int, demuxed: Streams) -> int | None:
        types = dict(demuxed)
        if any(types.get(pid, kind) != kind for pid, kind in self.streams):
            return begin  # another codec: what follows is nothing for the running demuxer
        leading = [pid for pid, kind in self.streams if kind in VIDEO_TYPES and pid in types]
        if not leading or self._waited > MAX_DELAY_BYTES:
            return begin
        found = (
            at for pid in leading for at in _starts(data, begin, pid) if _is_random_access(data, at)
        )
        return min(found, default=None)


def _aligned(data: bytes) -> int | None:
    """Where packets begin; None if that cannot be told. Quick where it is at the start."""
    count = len(data) // PACKET_BYTES
    if data[: count * PACKET_BYTES : PACKET_BYTES].count(SYNC) == count:
        return 0
    for offset in range(min(PACKET_BYTES, len(data))):
        column = data[offset::PACKET_BYTES]
        # The end of the data follows the last disturbance.
        if len(column) >= 3 and column.count(SYNC) == len(column):
            return offset
    return None


def _starts(data: bytes, start: int, pid: int) -> list[int]:
    """Packets of `pid` in which a section or a PES packet starts."""
    header = bytes((SYNC, 0x40 | pid >> 8, pid & 0xFF))
    found = []
    at = data.find(header, start)
    while at >= 0:
        if (at - start) % PACKET_BYTES == 0:
            found.append(at)
        at = data.find(header, at + 1)
    return found


def _payload(packet: bytes) -> bytes:
    control = packet[3] >> 4 & 3
    if not control & 1:
        return b""
    return packet[5 + packet[4] :] if control & 2 else packet[4:]


def _section(data: bytes, at: int, pid: int) -> tuple[bytes, bytes]:
    """The packets and the section that starts at `at`; empty if it is broken or incomplete."""
    packets = data[at : at + PACKET_BYTES]
    payload = _payload(packets)
    if not payload or payload[0] >= len(payload):
        return b"", b""
    section = payload[1 + payload[0] :]
    while len(section) < 3 or len(section) < 3 + (int.from_bytes(section[1:3]) & 0x0FFF):
        at += PACKET_BYTES
        packet = data[at : at + PACKET_BYTES]
        if not packet:
            return b"", b""
        if int.from_bytes(packet[1:3]) & 0x1FFF != pid:
            continue
        if packet[1] & 0x40:
            return b"", b""
        packets += packet
        section += _payload(packet)
    section = section[: 3 + (int.from_bytes(section[1:3]) & 0x0FFF)]
    current = len(section) >= 12 and section[5] & 1
    return (packets, section) if current and not crc32(section) else (b"", b"")


def _elementary_streams(pmt: bytes) -> Streams:
    return frozenset((pid, kind) for pid, kind in _entries(pmt) if kind in MEDIA_TYPES)


def _entries(pmt: bytes) -> Iterator[tuple[int, int]]:
    """PID and type of each elementary stream of a PMT."""
    at = 12 + (int.from_bytes(pmt[10:12]) & 0x0FFF)
    while at + 5 <= len(pmt) - 4:
        yield int.from_bytes(pmt[at + 1 : at + 3]) & 0x1FFF, pmt[at]
        at += 5 + (int.from_bytes(pmt[at + 3 : at + 5]) & 0x0FFF)


def _is_random_access(data: bytes, at: int) -> bool:
    """`random_access_indicator` of the adaptation field."""
    return bool(data[at + 3] & 0x20 and data[at + 4] and data[at + 5] & 0x40)
