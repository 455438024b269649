"""A transport stream under the names and numbers that a push asks for: program number, PIDs, the
signalling of AC-3, and the service that receivers list (`service`, `provider`). Pure.

The stream is muxed once for all; a push with wishes of its own changes the numbers in its packets,
writes the PAT and the PMT anew and puts an SDT (ETSI EN 300 468, 5.2.3) behind them. Media is not
touched.

Invariants: whole packets in, whole packets out; continuity counters stay whole; nothing leaves
before the first PMT has told what the PIDs are; no two tracks share a PID.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
from media_api.playback import MpegTsPids
from media_api.push import Ac3Mode, PushConfig

from media_streamer.egress.viewer import Delivery
from media_streamer.media.mux import psi

SDT_PID = 0x11
FIRST_FREE_PID = 0x20
"""Below it are the tables of DVB (EN 300 468, table 1)."""
TRANSPORT_STREAM_ID = 1
ORIGINAL_NETWORK_ID = 0xFF01
"""Of those that are for private use (ETSI TS 101 162)."""
_TELEVISION, _RADIO = 0x01, 0x02
_UTF_8 = b"\x15"
_VIDEO = {0x02: "mp2v", 0x1B: "h264", 0x24: "hevc"}
_CODECS = {**_VIDEO, 0x03: "mp2a", 0x0F: "aac", 0x06: "opus", 0x81: "ac3", 0x87: "eac3"}
_DVB_AC3 = {"ac3": b"\x6a\x01\x00", "eac3": b"\x7a\x01\x00"}
"""Descriptors of EN 300 468, annex D."""
_STEP_BYTES = psi.PACKET_BYTES
_MAX_NAMES_BYTES = 150
"""Of both names: the table is one packet."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    content: str
    track: int
    codec: str | None
    pid: int


@dataclass(frozen=True, slots=True)
class TsService:
    """What a push asks for. `program_number` and the PIDs are as in `media_api.push`."""

    program_number: int
    pmt: int
    pcr: int | None
    sdt: int
    chosen: tuple[_Chosen, ...]
    increments: bool
    ac3: Ac3Mode
    name: bytes
    provider: bytes
    has_sdt: bool

    @classmethod
    def of(cls, config: PushConfig) -> "TsService | None":
        """None if the stream may stay as it is. Raises ValueError with words for people."""
        asked = (config.pnr, config.pmt, config.pids, config.service, config.provider)
        ac3 = config.mpegts_ac3 or "keep"
        if all(one is None for one in asked) and ac3 == "keep":
            return None
        pids = config.pids or MpegTsPids()
        made = cls(
            config.pnr or psi.PROGRAM_NUMBER,
            _first(config.pmt, pids.pmt, psi.PMT_PID),
            pids.pcr,
            _first(pids.sdt, SDT_PID),
            tuple(_Chosen(m.content, m.track, m.codec, m.pid) for m in pids.media or ()),
            pids.default == "increment",
            ac3,
            _encoded(config.service),
            _encoded(config.provider),
            bool(config.service or config.provider or pids.sdt),
        )
        made._check()
        return made

    def _check(self) -> None:
        own = [self.pmt, *(one.pid for one in self.chosen)]
        if self.pcr is not None and self.pcr not in own:
            own.append(self.pcr)
        others = {one.pid for one in self.chosen if (one.content, one.track) != ("video", 1)}
        if self.pcr is not None and self.pcr in {self.pmt, *others}:
            # Packets of a clock alone would break the count of the others (H.222.0, 2.4.3.3).
            raise ValueError(f"PID {self.pcr} has something else: the clock (pcr) needs its own")
        for pid in own:
            if not FIRST_FREE_PID <= pid < psi.NULL_PID:
                raise ValueError(f"PID {pid} is not free for streams: use {FIRST_FREE_PID} to 8190")
        if self.sdt in own or not 0x10 <= self.sdt < psi.NULL_PID:
            raise ValueError(f"PID {self.sdt} cannot be that of the SDT")
        if twice := {pid for pid in own if own.count(pid) > 1}:
            raise ValueError(f"PID {min(twice)} is given twice")
        if len(self.name) + len(self.provider) > _MAX_NAMES_BYTES:
            raise ValueError(f"service and provider have {_MAX_NAMES_BYTES} bytes together at most")

    def section(self, version: int, has_video: bool) -> bytes:
        """The SDT, of this transport stream."""
        kind = _TELEVISION if has_video else _RADIO
        names = b"%c%b%c%b" % (len(self.provider), self.provider, len(self.name), self.name)
        service = b"\x48%c%c%b" % (len(names) + 1, kind, names)
        body = b"%b\xff%b\xfc%b%b" % (
            ORIGINAL_NETWORK_ID.to_bytes(2, "big"),
            self.program_number.to_bytes(2, "big"),
            (0x8000 | len(service)).to_bytes(2, "big"),  # running
            service,
        )
        return psi.section(0x42, TRANSPORT_STREAM_ID, version, body)


def _first(*found: int | None) -> int:
    return next(one for one in found if one is not None)


def _encoded(text: str | None) -> bytes:
    """Text as EN 300 468, annex A has it."""
    if not text:
        return b""
    return text.encode() if text.isascii() else _UTF_8 + text.encode()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A track as the PMT lists it."""

    kind: int
    pid: int
    descriptors: bytes

    @property
    def codec(self) -> str:
        return _CODECS.get(self.kind, "")

    @property
    def content(self) -> str:
        return "video" if self.kind in _VIDEO else "audio"


class Relabeler:
    """One stream; its pieces come in order."""

    def __init__(self, service: TsService) -> None:
        self._service = service
        self._pids: npt.NDArray[np.uint16] | None = None
        """The new PID of each, once the PMT is known."""
        self._source = b""
        self._pmt = self._sdt = b""
        self._clock = psi.NULL_PID
        """Where the stream has its PCR, if that is to go elsewhere."""
        self._sdt_counter = 0

    def __call__(self, data: bytes) -> bytes:
        """The packets with their new numbers."""
        packets = np.frombuffer(data, np.uint8).reshape(-1, _STEP_BYTES)
        pids = (packets[:, 1] & 0x1F).astype(np.intp) << 8 | packets[:, 2]
        special = (pids == psi.PAT_PID) | (pids == psi.PMT_PID)
        if self._service.pcr is not None:
            has_field = (packets[:, 3] & 0x20 != 0) & (packets[:, 4] > 0)
            special |= has_field & (packets[:, 5] & 0x10 != 0)
        out: list[bytes] = []
        begin = 0
        for at in np.flatnonzero(special).tolist():
            out.append(self._moved(packets[begin:at], pids[begin:at]))
            packet = data[at * _STEP_BYTES : (at + 1) * _STEP_BYTES]
            pid = int(pids[at])
            if pid == psi.PAT_PID:
                out.append(self._pat(packet[3] & 0x0F))
            elif pid == psi.PMT_PID:
                out.append(self._tables(packet))
            else:
                out.append(self._timed(packet, packets[at : at + 1], pids[at : at + 1]))
            begin = at + 1
        out.append(self._moved(packets[begin:], pids[begin:]))
        return b"".join(out)

    def _moved(self, packets: npt.NDArray[np.uint8], pids: npt.NDArray[np.intp]) -> bytes:
        if self._pids is None or not len(pids):
            return b""
        new = self._pids[pids]
        moved = packets.copy()
        moved[:, 1] = packets[:, 1] & 0xE0 | (new >> 8).astype(np.uint8)
        moved[:, 2] = (new & 0xFF).astype(np.uint8)
        return moved.tobytes()

    def _pat(self, counter: int) -> bytes:
        service = self._service
        body = service.program_number.to_bytes(2, "big")
        body += (0xE000 | service.pmt).to_bytes(2, "big")
        section = psi.section(0x00, TRANSPORT_STREAM_ID, 0, body)
        return psi.packet(psi.PAT_PID, section, counter)

    def _tables(self, packet: bytes) -> bytes:
        """PMT, and the SDT where there is one."""
        section = packet[5 : 8 + (int.from_bytes(packet[6:8], "big") & 0x0FFF)]
        if section != self._source:
            self._source = section
            self._read(section)
        out = psi.packet(self._service.pmt, self._pmt, packet[3] & 0x0F)
        if self._sdt:
            out += psi.packet(self._service.sdt, self._sdt, self._sdt_counter)
            self._sdt_counter = self._sdt_counter + 1 & 0x0F
        return out

    def _read(self, section: bytes) -> None:
        """What the stream has, and what becomes of it."""
        service = self._service
        entries, clock = _entries(section)
        numbers = self._numbered(entries)
        table = np.arange(psi.NULL_PID + 1, dtype=np.uint16)
        for entry, number in zip(entries, numbers, strict=True):
            table[entry.pid] = number
        self._pids = table
        self._clock = clock if service.pcr not in (None, int(table[clock])) else psi.NULL_PID
        version = section[5] >> 1 & 0x1F
        pcr = service.pcr if service.pcr is not None else int(table[clock])
        body = [(0xE000 | pcr).to_bytes(2, "big"), b"\xf0\x00"]
        for entry, number in zip(entries, numbers, strict=True):
            kind, descriptors = entry.kind, entry.descriptors
            if service.ac3 == "system_b" and entry.codec in _DVB_AC3:
                kind, descriptors = 0x06, _DVB_AC3[entry.codec] + _without(descriptors, 0x05)
            body += [
                bytes((kind,)),
                (0xE000 | number).to_bytes(2, "big"),
                (0xF000 | len(descriptors)).to_bytes(2, "big"),
                descriptors,
            ]
        self._pmt = psi.section(0x02, service.program_number, version, b"".join(body))
        has_video = any(entry.content == "video" for entry in entries)
        self._sdt = service.section(version, has_video) if service.has_sdt else b""

    def _numbered(self, entries: Sequence[_Entry]) -> list[int]:
        """The PID of each track."""
        service = self._service
        seen = {"video": 0, "audio": 0}
        numbers: list[int | None] = []
        for entry in entries:
            seen[entry.content] += 1
            place = (entry.content, seen[entry.content])
            numbers.append(
                next(
                    (
                        one.pid
                        for one in service.chosen
                        if (one.content, one.track) == place and one.codec in (None, entry.codec)
                    ),
                    None,
                )
            )
        taken = {service.pmt, service.sdt, *(one.pid for one in service.chosen)}
        alone = service.pcr is not None and service.pcr not in {one.pid for one in service.chosen}
        if alone and service.pcr is not None:
            taken.add(service.pcr)
        found: list[int] = []
        for entry, number in zip(entries, numbers, strict=True):
            if number is None:
                first = found[-1] + 1 if service.increments and found else entry.pid
                free = chain(range(first, psi.NULL_PID), range(FIRST_FREE_PID, first))
                number = next(pid for pid in free if pid not in taken)
                taken.add(number)
            found.append(number)
        return found

    def _timed(self, packet: bytes, row: npt.NDArray[np.uint8], pid: npt.NDArray[np.intp]) -> bytes:
        """A packet with a PCR, which goes to a PID of its own."""
        if self._pids is None or int(pid[0]) != self._clock:
            return self._moved(row, pid)
        assert self._service.pcr is not None
        to = self._service.pcr
        head = bytes((0x47, to >> 8, to & 0xFF, 0x20, 183, packet[5] & 0xD0))
        clock = (head + packet[6:12]).ljust(_STEP_BYTES, b"\xff")
        rest = row.copy()
        rest[0, 5] &= 0xEF
        rest[0, 6:12] = 0xFF  # stuffing (2.4.3.4)
        return clock + self._moved(rest, pid)


def _entries(section: bytes) -> tuple[list[_Entry], int]:
    """The tracks of a PMT, and the PID of its clock."""
    clock = int.from_bytes(section[8:10], "big") & 0x1FFF
    at = 12 + (int.from_bytes(section[10:12], "big") & 0x0FFF)
    entries = []
    while at + 5 <= len(section) - 4:
        size = int.from_bytes(section[at + 3 : at + 5], "big") & 0x0FFF
        pid = int.from_bytes(section[at + 1 : at + 3], "big") & 0x1FFF
        entries.append(_Entry(section[at], pid, section[at + 5 : at + 5 + size]))
        at += 5 + size
    return entries, clock


def _without(descriptors: bytes, tag: int) -> bytes:
    """All descriptors but those of a kind."""
    out, at = b"", 0
    while at + 2 <= len(descriptors):
        end = at + 2 + descriptors[at + 1]
        if descriptors[at] != tag:
            out += descriptors[at:end]
        at = end
    return out


class RelabeledDelivery:
    """A transport whose stream gets other numbers on its way; see `egress/viewer.py`."""

    def __init__(self, transport: Delivery, service: TsService) -> None:
        self._transport = transport
        self._relabel = Relabeler(service)

    def write(self, data: bytes) -> None:
        if out := self._relabel(data):
            self._transport.write(out)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def abort(self) -> None:
        self._transport.abort()


def relabeled(transport: Delivery, service: TsService | None) -> Delivery:
    """The transport for a push that asks for `service`."""
    return transport if service is None else RelabeledDelivery(transport, service)


def frames_of(data: bytes) -> int:
    """How many frames begin in some whole packets: payload units outside the tables."""
    whole = len(data) // _STEP_BYTES
    packets = np.frombuffer(data, np.uint8, whole * _STEP_BYTES).reshape(-1, _STEP_BYTES)
    begins = packets[:, 1] & 0x40 != 0
    # Every PES packet begins with 00 00 01, after the adaptation field if there is one.
    after = np.where(packets[:, 3] & 0x20, 5 + packets[:, 4].astype(np.intp), 4)
    after = np.minimum(after, _STEP_BYTES - 3)
    rows = np.arange(len(packets))
    is_pes = (packets[rows, after] == 0) & (packets[rows, after + 2] == 1)
    return int(np.count_nonzero(begins & is_pes))
