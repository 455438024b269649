"""What FFmpeg may see of a transport stream: whole packets of wanted programs, and tables of ours.

FFmpeg's demuxer keeps 0.1 to 6 MiB for each PID that a table names, and, once it has found none,
for each on which a PES packet begins; it takes tables whose check is wrong, and finds packets in
noise. So nothing passes that it could read otherwise than we do: packets stand one behind the
other, and a PAT or PMT that is whole and right is written anew, with the wanted programs and what
can be media. All else is left out. What comes before the tables is held until they are there. Pure.

(ISO/IEC 13818-1 2.4.4; of the PIDs below 0x20 EN 300 468, 5.1.3.)
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from media_streamer.media.mux import psi
from media_streamer.media.mux.psi import NULL_PID, PACKET_BYTES, PAT_PID, SYNC, crc32

HELD_BYTES = 1024 * 1024
"""Without tables within these the first `GUESSED_PIDS` pass, and FFmpeg finds out what they are; of
a source of which programs are wanted nothing does: they may be those of others."""
GUESSED_PIDS = 16
PATIENT_PATS = 3
"""A program that is not described between the first PAT and this one is not waited for."""
MAX_SECTION_BYTES = 1024
FIRST_PID = 0x20
"""Below it tables have their PIDs."""

NO_MEDIA = frozenset({0x05, *range(0x08, 0x0F), *range(0x14, 0x1A), 0x86})
"""Stream types (table 2-34) of sections, carousels, metadata and cues (SCTE 35)."""

HDMV, OF_DISCS = b"\x05\x04HDMV", frozenset({0x86})
"""With this registration (2.6.8) it is the sound of a disc, DTS-HD, and no cue."""

_PAT, _PMT = 0x00, 0x02


@dataclass(frozen=True, slots=True)
class Table:
    """A PAT or PMT among what passes."""

    at: int
    """Where its packets begin."""
    pid: int
    packets: bytes
    section: bytes


@dataclass(slots=True)
class Passed:
    """Whole packets, and the tables among them in their order."""

    data: bytearray = field(default_factory=bytearray)
    tables: list[Table] = field(default_factory=list)


class _Sections:
    """Those of a PID, packet by packet."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._is_open = False
        self._counter = -1
        self.last = b""
        """The last one that was whole and right: it comes again and again."""

    def feed(self, packet: bytes) -> Iterator[bytes]:
        """Sections that end in this packet; one whose check is wrong is none."""
        counter, before = packet[3] & 15, self._counter
        payload = _payload(packet)
        if not payload:
            return
        self._counter = counter
        begins = packet[1] & 0x40
        if not begins and counter == before:  # sent twice (2.4.3.3)
            return
        if counter != (before + 1) % 16:
            self._is_open = False
        if begins:
            begin = 1 + payload[0]
            if self._is_open:
                self._data += payload[1:begin]
                yield from self._whole()
            self._data, self._is_open = bytearray(payload[begin:]), True
        elif self._is_open:
            self._data += payload
        yield from self._whole()

    def _whole(self) -> Iterator[bytes]:
        while self._is_open and len(self._data) >= 3:
            size = 3 + (int.from_bytes(self._data[1:3]) & 0x0FFF)
            if self._data[0] == 0xFF or size > MAX_SECTION_BYTES:  # stuffing follows, or noise
                self._is_open = False
                return
            if len(self._data) < size:
                return
            section = bytes(self._data[:size])
            del self._data[:size]
            if size >= 12 and section[5] & 1 and (section == self.last or not crc32(section)):
                self.last = section
                yield section


class PacketGrid:
    """Whole packets in what one reader gets of a stream."""

    def __init__(self) -> None:
        self._rest = b""
        self._fed = False
        self.desyncs = 0
        """Times that packets did not begin where the last one ended."""

    def feed(self, data: bytes) -> bytes:
        """Whole packets, one behind the other; what lies between them is left out."""
        data = self._rest + data
        count = len(data) // PACKET_BYTES
        end = count * PACKET_BYTES
        if data[:end:PACKET_BYTES].count(SYNC) == count:
            self._fed = self._fed or count > 0
            self._rest = data[end:]
            return data[:end]
        pieces: list[bytes] = []
        at = 0
        while len(data) - at >= PACKET_BYTES:
            if data[at] != SYNC:
                # Where a stream begins, one packet may be half gone.
                self.desyncs += self._fed
                at = _next_packet(data, at)
                continue
            begin = at
            while len(data) - at >= PACKET_BYTES and data[at] == SYNC:
                at += PACKET_BYTES
            pieces.append(data[begin:at])
            self._fed = True
        self._rest = data[at:]
        return b"".join(pieces)


class TsGate:
    """Of one source. `programs` and `pids` of streams: the wanted ones, all if there are none."""

    def __init__(
        self, programs: frozenset[int] = frozenset(), pids: frozenset[int] = frozenset()
    ) -> None:
        self._programs, self._pids = programs, pids
        self._grid = PacketGrid()
        self._held: bytearray | None = bytearray()
        """Packets that came before the tables; None once these are there."""
        self._sections: dict[int, _Sections] = {PAT_PID: _Sections()}
        self._parts: dict[int, dict[int, int]] = {}
        """Number of a section of the PAT -> its programs -> PIDs of their PMTs."""
        self._version = -1
        self.programs: dict[int, int] = {}
        """Wanted programs of the PAT -> PID of the PMT."""
        self._described: dict[int, frozenset[int]] = {}
        """Program -> PIDs of its streams."""
        self._open: set[int] = set()
        """PIDs whose packets pass."""
        self._guessed: set[int] = set()
        """Of a source without tables."""
        self._counters: dict[int, int] = {}
        self.has_pat = False
        """A PAT was seen as a whole."""
        self.has_found = False
        """And one that named a wanted program."""
        self.pats = 0
        """Times that one began."""
        self.programs_lost = 0
        """Wanted programs that a PAT no longer named."""

    @property
    def desyncs(self) -> int:
        """Times that packets did not begin where the last one ended."""
        return self._grid.desyncs

    def beside(self) -> Self:
        """For another reader of the same source: it knows the same, and reads tables by itself."""
        other = copy.deepcopy(self, {id(self._guessed): self._guessed})
        other._grid = PacketGrid()
        if other._held is not None:
            other._held = bytearray()
        return other

    def feed(self, data: bytes) -> Passed:
        """What passes of some bytes."""
        return self.take(self._grid.feed(data))

    def take(self, data: bytes) -> Passed:
        """What passes of whole packets, of a reader that has a grid of its own."""
        out = Passed()
        run = 0
        open_, sections = self._open, self._sections
        for at, high, low in zip(
            range(0, len(data), PACKET_BYTES), data[1::PACKET_BYTES], data[2::PACKET_BYTES],
            strict=True,
        ):  # fmt: skip
            pid = (high & 0x1F) << 8 | low
            if pid in open_ and pid not in sections:
                continue
            self._pass(data[run:at], out)
            run = at + PACKET_BYTES
            if pid in sections:
                self._read_table(pid, data[at:run], out)
            elif self._held is not None and pid != NULL_PID:
                self._held += data[at:run]
        self._pass(data[run:], out)
        if self._held is not None and len(self._held) > HELD_BYTES:
            self._let_go(out)
        return out

    def finish(self) -> Passed:
        """What is left at the end of the source: packets that were held."""
        out = Passed()
        if self._held is not None:
            self._let_go(out)
        return out

    def _pass(self, data: bytes, out: Passed) -> None:
        if self._held is None:
            out.data += data
        else:
            self._held += data

    # Tables

    def _read_table(self, pid: int, packet: bytes, out: Passed) -> None:
        for section in self._sections[pid].feed(packet):
            if pid == PAT_PID and section[0] == _PAT:
                self._take_pat(section, out)
            elif pid != PAT_PID and section[0] == _PMT:
                self._take_pmt(pid, section, out)

    def _take_pat(self, section: bytes, out: Passed) -> None:
        number, last = section[6], section[7]
        self.pats += number == 0
        if section[5] != self._version:
            self._version = section[5]
            self._parts.clear()
        self._parts = {one: named for one, named in self._parts.items() if one <= last}
        self._parts[number] = {
            program: pid
            for program, pid in psi.programs(section)
            if not self._programs or program in self._programs
        }
        if number == last and len(self._parts) > last:
            named = {p: pid for part in self._parts.values() for p, pid in part.items()}
            self.programs_lost += len(self.programs.keys() - named.keys())
            self.programs, self.has_pat = named, True
            self.has_found |= bool(named)
            for pid in self._sections.keys() - {PAT_PID, *named.values()}:
                del self._sections[pid]
            for pid in named.values():
                self._sections.setdefault(pid, _Sections())
            self._described = {p: pids for p, pids in self._described.items() if p in named}
            self._reopen()
            self._write_pat(section, out)
        if self._held is not None and self._described and self.pats >= PATIENT_PATS:
            self._let_go(out)

    def _write_pat(self, section: bytes, out: Passed) -> None:
        # So many fit a section.
        wanted = list(self.programs.items())[: (MAX_SECTION_BYTES - 12) // 4]
        body = b"".join(p.to_bytes(2) + (0xE000 | pid).to_bytes(2) for p, pid in wanted)
        if body:
            self._write(PAT_PID, section, body, out)

    def _take_pmt(self, pid: int, section: bytes, out: Passed) -> None:
        program = int.from_bytes(section[3:5])
        if self.programs.get(program) != pid:  # several may share a PID
            return
        begin = 12 + (int.from_bytes(section[10:12]) & 0x0FFF)
        if begin > len(section) - 4:
            return
        kept = bytearray()
        pids = set()  # a PID for the clock alone is nothing that FFmpeg needs
        no_media = NO_MEDIA - OF_DISCS if HDMV in section[12:begin] else NO_MEDIA
        for stream, kind, entry in entries(section):
            if kind in no_media or stream in (PAT_PID, NULL_PID) or stream in self._sections:
                continue
            if self._pids and stream not in self._pids:
                continue
            pids.add(stream)
            kept += entry
        self._described[program] = frozenset(pids)
        self._reopen()
        self._write(pid, section, section[8:begin] + kept, out)
        if self._held is not None and self._described.keys() >= self.programs.keys():
            self._let_go(out)

    def _write(self, pid: int, table: bytes, body: bytes, out: Passed) -> None:
        """A table anew, with another body."""
        number, version = int.from_bytes(table[3:5]), table[5] >> 1
        section = psi.section(table[0], number, version, body)
        counter = self._counters.get(pid, 0)
        packets = psi.packet(pid, section, counter)
        self._counters[pid] = counter + len(packets) // PACKET_BYTES
        out.tables.append(Table(len(out.data), pid, packets, section))
        out.data += packets

    def _reopen(self) -> None:
        self._open.clear()
        self._open.update(*self._described.values())

    # What came before the tables

    def _let_go(self, out: Passed) -> None:
        held, self._held = self._held or bytearray(), None
        guess = not self._programs and not self.pats
        for at in range(0, len(held), PACKET_BYTES):
            pid = int.from_bytes(held[at + 1 : at + 3]) & 0x1FFF
            if guess and len(self._guessed) < GUESSED_PIDS and pid >= FIRST_PID:
                self._guessed.add(pid)
            if guess and pid in self._guessed:
                self._open.add(pid)
            if pid in self._open:
                out.data += held[at : at + PACKET_BYTES]


def entries(pmt: bytes) -> Iterator[tuple[int, int, bytes]]:
    """PID, type and bytes of each elementary stream of a PMT; one that reaches beyond it is not."""
    at = 12 + (int.from_bytes(pmt[10:12]) & 0x0FFF)
    while at + 5 <= len(pmt) - 4:
        end = at + 5 + (int.from_bytes(pmt[at + 3 : at + 5]) & 0x0FFF)
        if end > len(pmt) - 4:
            return
        yield int.from_bytes(pmt[at + 1 : at + 3]) & 0x1FFF, pmt[at], pmt[at:end]
        at = end


def _payload(packet: bytes) -> bytes:
    control = packet[3] >> 4 & 3
    if not control & 1:
        return b""
    return packet[5 + packet[4] :] if control & 2 else packet[4:]


def _next_packet(data: bytes, at: int) -> int:
    """Where packets go on: another one follows, or cannot be there yet."""
    while (at := data.find(SYNC, at + 1)) >= 0:
        following = at + PACKET_BYTES
        if following >= len(data) or data[following] == SYNC:
            return at
    return len(data)
