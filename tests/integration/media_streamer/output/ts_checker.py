"""A strict reader of MPEG-TS: what a hardware decoder or an analyser (ETSI TR 101 290) minds."""

from dataclasses import dataclass, field
from itertools import pairwise

PACKET = 188
PAT_PID = 0
NULL_PID = 0x1FFF
CLOCK = 90_000
MAX_PCR_GAP = CLOCK // 10
MAX_TABLE_GAP = CLOCK // 2


@dataclass
class Pes:
    """A PES packet: where it starts, its time stamps and payload."""

    pid: int
    position: int
    random_access: bool
    data: bytearray = field(default_factory=bytearray)

    @property
    def pts(self) -> int:
        return _stamp(self.data, 9)

    @property
    def dts(self) -> int:
        return _stamp(self.data, 14) if self.data[7] & 0x40 else self.pts

    @property
    def payload(self) -> bytes:
        return bytes(self.data[9 + self.data[8] :])


@dataclass
class TsReport:
    """What was found; `problems` is empty for a clean stream."""

    problems: list[str] = field(default_factory=list)
    pes: list[Pes] = field(default_factory=list)
    pcr: list[tuple[int, int, bool]] = field(default_factory=list)
    """(packet, value in 90 kHz, discontinuity)"""
    tables: list[int] = field(default_factory=list)
    """Packets that hold a PAT."""
    stream_types: dict[int, int] = field(default_factory=dict)
    versions: list[int] = field(default_factory=list)


def check_ts(data: bytes) -> TsReport:
    """Read `data` from its first packet to its last."""
    report = TsReport()
    problem = report.problems.append
    if len(data) % PACKET:
        problem(f"{len(data)} bytes are not whole packets")
    counters: dict[int, int] = {}
    open_pes: dict[int, Pes] = {}
    pmt_pid = pcr_pid = -1
    for number in range(len(data) // PACKET):
        packet = data[number * PACKET : (number + 1) * PACKET]
        if packet[0] != 0x47:
            problem(f"packet {number}: no sync byte")
            continue
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        if pid == NULL_PID:
            continue
        start, control, counter = packet[1] & 0x40, packet[3] >> 4 & 3, packet[3] & 15
        position, flags = 4, 0
        if control & 2:
            length = packet[4]
            position = 5 + length
            flags = packet[5] if length else 0
            if (control == 2 and length != 183) or length > 183:
                problem(f"packet {number}: adaptation field of {length} bytes")
            if flags & 0x10:
                value = int.from_bytes(packet[6:12], "big") >> 15
                if pid == pcr_pid:
                    report.pcr.append((number, value, bool(flags & 0x80)))
        expected = counters.get(pid)
        if expected is not None:
            expected = expected + 1 & 15 if control & 1 else expected
            if counter != expected:
                problem(f"packet {number}: PID {pid} counter {counter}, expected {expected}")
        counters[pid] = counter
        payload = packet[position:]
        if not control & 1:
            continue
        if pid in (PAT_PID, pmt_pid):
            section = payload[1:]
            size = 3 + ((section[1] & 0x0F) << 8 | section[2])
            if crc32(section[:size]) != 0:
                problem(f"packet {number}: CRC of PID {pid}")
            if pid == PAT_PID:
                report.tables.append(number)
                pmt_pid = (section[10] & 0x1F) << 8 | section[11]
            else:
                pcr_pid = _read_pmt(section[:size], report)
        elif pid not in report.stream_types:
            problem(f"packet {number}: PID {pid} before a PMT names it")
        elif start:
            if payload[:3] != b"\x00\x00\x01":
                problem(f"packet {number}: no PES start code")
            open_pes[pid] = Pes(pid, number, bool(flags & 0x40), bytearray(payload))
            report.pes.append(open_pes[pid])
        elif pid in open_pes:
            open_pes[pid].data += payload
        else:
            problem(f"packet {number}: PID {pid} starts within a PES packet")
    _check_pes(report)
    _check_clock(report)
    return report


def _read_pmt(section: bytes, report: TsReport) -> int:
    report.versions.append(section[5] >> 1 & 31)
    report.stream_types.clear()
    position = 12 + ((section[10] & 0x0F) << 8 | section[11])
    while position < len(section) - 4:
        pid = (section[position + 1] & 0x1F) << 8 | section[position + 2]
        report.stream_types[pid] = section[position]
        position += 5 + ((section[position + 3] & 0x0F) << 8 | section[position + 4])
    return (section[8] & 0x1F) << 8 | section[9]


def _check_pes(report: TsReport) -> None:
    last: dict[int, int] = {}
    for pes in report.pes:
        length = int.from_bytes(pes.data[4:6], "big")
        if length and length + 6 != len(pes.data):
            report.problems.append(
                f"packet {pes.position}: PES of {len(pes.data)} bytes, not {length + 6}"
            )
        if pes.pid in last and not 0 < (pes.dts - last[pes.pid]) % 2**33 < 2**32:
            report.problems.append(f"packet {pes.position}: DTS of PID {pes.pid} goes back")
        last[pes.pid] = pes.dts


def _check_clock(report: TsReport) -> None:
    """PCR every 100 ms, PAT every 500 ms (of PCR time), no PES due before its clock."""
    problem = report.problems.append
    for (_, before, _), (number, value, jump) in pairwise(report.pcr):
        if not jump and not 0 < (value - before) % 2**33 <= MAX_PCR_GAP:
            problem(f"packet {number}: PCR {value} follows {before}")
    times = {number: value for number, value, _ in report.pcr}
    known = sorted(times)
    jumps = [number for number, _, jump in report.pcr if jump]
    seen: list[tuple[int, int]] = []
    for table in report.tables:
        following = next((number for number in known if number > table), None)
        if following is not None:
            seen.append((following, times[following]))
    for (first, before), (second, after) in pairwise(seen):
        if any(first < jump <= second for jump in jumps):
            continue
        if (after - before) % 2**33 > MAX_TABLE_GAP:
            problem(f"PAT at {after} follows one at {before}")
    for pes in report.pes:
        clock = [times[number] for number in known if number <= pes.position]
        if clock and (pes.dts - clock[-1]) % 2**33 > 2**32:
            problem(f"packet {pes.position}: PID {pes.pid} comes after its DTS")


def _stamp(data: bytearray, at: int) -> int:
    return (
        (data[at] >> 1 & 7) << 30
        | data[at + 1] << 22
        | (data[at + 2] >> 1) << 15
        | data[at + 3] << 7
        | data[at + 4] >> 1
    )


def crc32(data: bytes) -> int:
    """CRC-32/MPEG-2, bit by bit; 0 over a section with its CRC."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    return value
