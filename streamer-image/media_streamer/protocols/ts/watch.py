"""Follows PAT and PMT in a transport stream that goes by (ISO/IEC 13818-1 2.4.4).

Role: know which elementary streams the wanted programs have, and find the byte at which a demuxer
must start anew because they changed. FFmpeg's demuxer finds streams that appear later, but PyAV
does not hand them over. What passes at all, `gate` says.

A demuxer that starts anew loses what it has read of a picture, so where the tracks of before go on
the cut waits for the next random access point of the video; the new demuxer gets the tables first.
Where a PID got another codec there is nothing to wait for. Pure.
"""

import copy
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from media_streamer.media.mux.psi import PACKET_BYTES, PAT_PID, SYNC, programs
from media_streamer.protocols.ts.gate import Passed, Table, TsGate, entries

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
SOUND_TYPES = frozenset(
    {0x03, 0x04, 0x06, 0x0F, 0x11, 0x80, 0x81, 0x82, 0x84, 0x87, 0xC1, 0xC2, 0xCF}
)
"""What costs FFmpeg little: sounds, and private data, which may be one (EN 300 468, annex D); the
last three are sounds of HLS with SAMPLE-AES."""
_VIDEO_REGISTRATIONS = tuple(
    b"\x05\x04" + name for name in (b"HEVC", b"VVC ", b"VC-1", b"drac", b"BBCD", b"AV01")
)
VIDEO_TYPES = frozenset({0x01, 0x02, 0x10, 0x1B, 0x24})

Streams = frozenset[tuple[int, int]]
"""(PID, stream type) of elementary streams."""


@dataclass(frozen=True, slots=True)
class _Described:
    packets: bytes
    """For the demuxer that starts anew."""
    streams: Streams = frozenset()


class TsWatch:
    """The tables of one source. `programs` and `pids`: the wanted ones, all if there are none."""

    def __init__(
        self, programs: frozenset[int] = frozenset(), pids: frozenset[int] = frozenset()
    ) -> None:
        self.gate = TsGate(programs, pids)
        self._pat = b""
        self._tables: dict[int, _Described] = {}
        """Program -> what its PMT said last."""
        self._demuxed: Streams | None = None
        """What the running demuxer knows."""
        self._waited = 0
        self._cut_for: Streams = frozenset()
        """What the last cut was made for: there is no second one for the same."""
        self.named: set[int] = set()
        """PIDs that the tables named for the running demuxer: it keeps each."""
        self._kinds: dict[int, int] = {}
        """PID -> type of all elementary streams that were named."""
        self._hidden_videos: set[int] = set()
        """PIDs of those that a registration makes one."""
        self._units: dict[int, int] = {}
        """PID -> units of the picture, where they come close together."""

    @property
    def streams(self) -> Streams:
        """Elementary streams of the wanted programs."""
        return frozenset().union(*(table.streams for table in self._tables.values()))

    @property
    def pids(self) -> frozenset[int]:
        """Their PIDs."""
        return frozenset(pid for pid, _ in self.streams)

    @property
    def videos(self) -> int:
        """Of what was named for the running demuxer, all that is no sound."""
        kinds, hidden = self._kinds, self._hidden_videos
        return sum(
            pid in kinds and (kinds[pid] not in SOUND_TYPES or pid in hidden) for pid in self.named
        )

    @property
    def units(self) -> int:
        """NAL units of a picture, where they are many."""
        return max(self._units.values(), default=0)

    @property
    def has_programs(self) -> bool:
        """A PAT was seen, so that `pids` says something."""
        return self.gate.has_pat

    def beside(self) -> Self:
        """For another reader of the same source: what tables named is counted for all of them."""
        other = copy.copy(self)
        other.gate = self.gate.beside()
        other._tables = dict(self._tables)
        other._units = dict(self._units)
        return other

    def settle(self, pids: frozenset[int]) -> None:
        """A demuxer was opened, and has found streams of these PIDs."""
        streams = self.streams
        found = frozenset(item for item in streams if item[0] in pids)
        self._demuxed = streams if streams == self._cut_for else found
        self._waited = 0
        self.named = {*self.gate.programs.values(), *(pid for pid, _ in streams)}

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The bytes for the running demuxer; with a cut, those that the next one starts with."""
        return self._follow(self.gate.feed(data))

    def take(self, data: bytes) -> bytes:
        """The same of whole packets, for who follows no cuts."""
        return self._follow(self.gate.take(data))[0]

    def again(self, data: bytes) -> tuple[bytes, bytes | None]:
        """What a cut gave, for the demuxer that starts with it: its tables are known."""
        return data, None

    def finish(self) -> bytes:
        """What is left at the end of the source."""
        return self._follow(self.gate.finish())[0]

    def _follow(self, passed: Passed) -> tuple[bytes, bytes | None]:
        data = bytes(passed.data)
        changed_at = self._read_tables(passed.tables)
        self._count_units(data)
        demuxed = self._demuxed
        if demuxed is None or self.streams == demuxed or not self.streams:
            return data, None
        cut = self._find_cut(data, 0 if changed_at is None else changed_at, demuxed)
        if cut is None:
            self._waited += len(data)
            return data, None
        self._demuxed, self._cut_for = None, self.streams
        tables = self._pat + b"".join(table.packets for table in self._tables.values())
        return data[:cut], tables + data[cut:]

    def _count_units(self, data: bytes) -> None:
        """FFmpeg takes 4 KiB for each unit of a picture, of however few bytes: where there are
        many, those of each picture are counted."""
        if data.count(_START_CODE) <= len(data) // BYTES_PER_UNIT + FREE_UNITS:
            self._units.clear()
            return
        for at in range(0, len(data), PACKET_BYTES):
            pid = int.from_bytes(data[at + 1 : at + 3]) & 0x1FFF
            begins = _PICTURES.get(self._kinds.get(pid, 0))
            if begins is None:
                continue
            packet = data[at + 4 : at + PACKET_BYTES]
            last = max((found.end() for found in begins.finditer(packet)), default=-1)
            before = self._units.get(pid, 0) if last < 0 else 0
            self._units[pid] = before + packet.count(_START_CODE, max(last, 0))

    # Tables

    def _read_tables(self, tables: Iterable[Table]) -> int | None:
        """Take over new tables; where the first one that changed begins."""
        changed: int | None = None
        for table in tables:
            if table.pid == PAT_PID and table.section[0] == 0x00:
                self._pat = table.packets
                self.named.update(pid for _, pid in programs(table.section))
                wanted = self.gate.programs
                self._tables = {n: told for n, told in self._tables.items() if n in wanted}
            elif self._take_pmt(table) and changed is None:
                changed = table.at
        return changed

    def _take_pmt(self, table: Table) -> bool:
        """True if the elementary streams are others than before."""
        program = int.from_bytes(table.section[3:5])
        found = {pid: kind for pid, kind, _ in entries(table.section)}
        self._kinds |= found
        self._hidden_videos |= {pid for pid, _, entry in entries(table.section) if _is_video(entry)}
        self.named.update(found)
        if program not in self.gate.programs:  # a later table of the same bytes left it out
            return False
        old = self._tables.get(program)
        streams = frozenset(one for one in found.items() if one[1] in MEDIA_TYPES)
        self._tables[program] = _Described(table.packets, streams)
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


def _is_video(entry: bytes) -> bool:
    """Of private data, by a registration (2.6.8) that FFmpeg goes by."""
    return entry[0] == 0x06 and any(mark in entry[5:] for mark in _VIDEO_REGISTRATIONS)


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


def _is_random_access(data: bytes, at: int) -> bool:
    """`random_access_indicator` of the adaptation field."""
    return bool(data[at + 3] & 0x20 and data[at + 4] and data[at + 5] & 0x40)
