"""MPEG-TS writer (ISO/IEC 13818-1): one continuous stream that HTTP-TS and HLS share.

Each frame becomes one PES packet and comes out at once as whole transport packets. PAT and PMT
stand before every boundary (video key frame or forced), so the bytes from boundary to boundary are
an HLS segment as they are, with continuity counters that go on from segment to segment.

The payload is cut into packets by numpy: 3 us for 10 kB against 10 us in a Python loop.
"""

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from media_streamer.media.frame import TIME_BASE, Frame, Track
from media_streamer.media.mux import psi
from media_streamer.media.mux.ts_payload import payload, payload_of

HEADER = bytes((0x47, psi.NULL_PID >> 8, psi.NULL_PID & 0xFF, 0x10)).ljust(
    psi.PACKET_BYTES, b"\xff"
)
"""What a viewer gets first: a null packet, because tables stand before each boundary anyway and
once more in front of them would break the continuity counter."""

TABLE_INTERVAL = TIME_BASE * 2 // 5
"""400 ms; ETSI TR 101 290 asks for PAT and PMT every 500 ms."""
PCR_INTERVAL = TIME_BASE * 6 // 100
"""60 ms; 13818-1 2.7.2 asks for a PCR every 100 ms, and the next frame may be 32 ms away (AC-3)."""
PCR_LEAD = TIME_BASE * 3 // 10
"""300 ms between PCR and DTS: sound may come that much behind the picture."""

NEVER = -(2**62)
MASK_33 = 2**33 - 1
_PRIVATE_STREAM_1 = 0xBD
PAYLOAD = 184
MAX_PES_LENGTH = 0xFFFF

log = logging.getLogger(__name__)

Headers = npt.NDArray[np.uint8]


class TsMuxer:
    """Writes the frames of a set of tracks; tracks whose codec TS cannot carry are left out."""

    header = HEADER

    def __init__(
        self,
        tracks: Sequence[Track],
        previous: "TsMuxer | None" = None,
        *,
        in_pieces: bool = False,
    ) -> None:
        """`previous` wrote the same output for other tracks: its counters go on. `in_pieces`: what
        comes before is written by others, so each PID says that its counter begins anew (2.4.3.5).
        """
        self._version: int = previous._version + 1 if previous else 0
        self._table_counter: int = previous._table_counter if previous else 0
        counters = previous._counters() if previous else {}
        self.left_out: list[Track] = []
        self.reasons: dict[int, str] = {}
        self._streams: dict[int, ElementaryStream] = {}
        for track in tracks:
            pid = psi.FIRST_PID + len(self._streams)
            try:
                stream = ElementaryStream(track, pid, counters.get(pid, 0), in_pieces)
            except ValueError as error:
                self.reasons[track.number] = str(error)
                self.left_out.append(track)
            else:
                self._streams[track.number] = stream
        carried = [stream.track for stream in self._streams.values()]
        self._pat = self._pmt = b""
        self._pcr_track = -1
        self._pcr_pid = psi.NULL_PID
        if carried:
            clock = next((track for track in carried if track.kind == "video"), carried[0])
            self._pcr_track = clock.number
            self._pcr_pid = self._streams[clock.number].pid
            self._pat = psi.pat()
            self._pmt = self._describe()
        self._tables_at = self._pcr = NEVER
        self._discontinuity = True

    def _describe(self) -> bytes:
        """The PMT; the last tracks are left out where all do not fit."""
        while True:
            pids = [(stream.pid, stream.track) for stream in self._streams.values()]
            try:
                return psi.pmt(pids, self._pcr_pid, self._version)
            except ValueError:
                _, last = self._streams.popitem()
                self.left_out.append(last.track)
                self.reasons[last.track.number] = "its tables are full"

    def _counters(self) -> dict[int, int]:
        return {stream.pid: stream.counter for stream in self._streams.values()}

    def discontinuity(self) -> None:
        """The clock jumps with the next frame: say so in the next PCR."""
        self._discontinuity = True

    def mux(self, frame: Frame, boundary: bool) -> bytes:
        """Transport packets of a frame; b"" for a track that is left out.

        `boundary` puts PAT and PMT in front; they also come every `TABLE_INTERVAL`.
        """
        return b"".join(self.pieces(frame, boundary))

    def pieces(self, frame: Frame, boundary: bool) -> list[bytes | memoryview]:
        """The same, not yet put together."""
        stream = self._streams.get(frame.track)
        if stream is None:
            if boundary:
                self._tables_at = NEVER
            return []
        out: list[bytes | memoryview] = []
        dts = frame.dts
        if boundary or not 0 <= dts - self._tables_at < TABLE_INTERVAL:
            self._tables_at = dts
            out += self._tables()
        field = b""
        if frame.track == self._pcr_track:
            field = self._pcr_field(dts, 0x50 if frame.key else 0x10)
        elif stream.begins_anew:
            field = b"\x01\x80"
        elif dts - self._pcr > PCR_INTERVAL and self._pcr > NEVER:
            out.append(self._pcr_packet(dts))
        stream.begins_anew = False
        stream.packets(stream.pes(frame), field, out)
        return out

    def _tables(self) -> tuple[bytes, bytes]:
        counter = self._table_counter
        self._table_counter = counter + 1 & 15
        return (
            psi.packet(psi.PAT_PID, self._pat, counter),
            psi.packet(psi.PMT_PID, self._pmt, counter),
        )

    def _pcr_field(self, dts: int, flags: int) -> bytes:
        """Adaptation field with a PCR (2.4.3.4); the PCR never goes back."""
        if self._discontinuity:
            self._discontinuity = False
            self._pcr = dts
            flags |= 0x80
        else:
            self._pcr = max(dts, self._pcr + 1)
        base = (self._pcr & MASK_33) << 15 | 0x7E00
        return bytes((7, flags)) + base.to_bytes(6, "big")

    def _pcr_packet(self, dts: int) -> bytes:
        """A packet with nothing but a PCR, for pictures that are far apart."""
        stream = self._streams[self._pcr_track]
        # Without payload the counter stays where it is (2.4.3.3).
        counter = stream.counter - 1 & 15
        header = bytes((0x47, stream.pid >> 8, stream.pid & 0xFF, 0x20 | counter, 183))
        return header + self._pcr_field(dts, 0x10)[1:].ljust(183, b"\xff")


class ElementaryStream:
    """One track on its PID: PES packets, and their cut into transport packets."""

    def __init__(self, track: Track, pid: int, counter: int, begins_anew: bool) -> None:
        self.track = track
        self.pid = pid
        self.counter = counter
        """Continuity counter of the next packet with payload."""
        self.begins_anew = begins_anew
        self.stream_id = _stream_id(track)
        self.payload = payload_of(track)
        self._rows = _packet_headers(pid, 16 + 64)

    def pes(self, frame: Frame) -> bytes:
        """PES packet of a frame (2.4.3.6), PTS always and DTS where it differs."""
        pts = frame.pts + PCR_LEAD
        if frame.pts == frame.dts:
            stamps = _stamp(0x21, pts)
            flags = 0x80
        else:
            stamps = _stamp(0x31, pts) + _stamp(0x11, frame.dts + PCR_LEAD)
            flags = 0xC0
        prefix, data = payload(self.payload, frame)
        length = 3 + len(stamps) + len(prefix) + len(data)
        if length > MAX_PES_LENGTH:
            # Only video may leave its length open; longer sound does not occur.
            length = 0
        head = b"\x00\x00\x01%c%c%c\x84%c%c" % (
            self.stream_id,
            length >> 8,
            length & 0xFF,
            flags,
            len(stamps),
        )
        return b"".join((head, stamps, prefix, data))

    def packets(self, pes: bytes, field: bytes, out: list[bytes | memoryview]) -> None:
        """Append the transport packets of a PES packet; `field` is the first's adaptation field."""
        counter, total = self.counter, len(pes)
        high, low = 0x40 | self.pid >> 8, self.pid & 0xFF
        if total <= PAYLOAD - len(field):
            out.append(_stuffed(high, low, counter, field, pes))
            self.counter = counter + 1 & 15
            return
        position = PAYLOAD - len(field)
        control = 0x30 if field else 0x10
        out.append(bytes((0x47, high, low, control | counter)) + field + pes[:position])
        counter = counter + 1 & 15
        full = (total - position) // PAYLOAD
        if full:
            if len(self._rows) < counter + full:
                self._rows = _packet_headers(self.pid, 2 * (counter + full))
            cut = np.empty((full, psi.PACKET_BYTES), np.uint8)
            cut[:, :4] = self._rows[counter : counter + full]
            payload = np.frombuffer(pes, np.uint8, full * PAYLOAD, position)
            cut[:, 4:] = payload.reshape(full, PAYLOAD)
            out.append(cut.reshape(-1).data)
            counter = counter + full & 15
            position += full * PAYLOAD
        if position < total:
            out.append(_stuffed(high & 0x1F, low, counter, b"", pes[position:]))
            counter = counter + 1 & 15
        self.counter = counter


def _packet_headers(pid: int, count: int) -> Headers:
    """Headers of `count` packets with payload only, their counters running from 0."""
    rows = np.empty((count, 4), np.uint8)
    rows[:] = (0x47, pid >> 8, pid & 0xFF, 0x10)
    rows[:, 3] |= np.arange(count, dtype=np.uint8) & 15
    return rows


def _stuffed(high: int, low: int, counter: int, field: bytes, payload: bytes) -> bytes:
    """The last packet of a PES packet: stuffing bytes fill the adaptation field (2.4.3.4)."""
    spare = PAYLOAD - len(field) - len(payload)
    if field:
        field = bytes((field[0] + spare,)) + field[1:] + b"\xff" * spare
    elif spare == 1:
        field = b"\x00"
    elif spare:
        field = bytes((spare - 1, 0)) + b"\xff" * (spare - 2)
    control = 0x30 if field else 0x10
    return bytes((0x47, high, low, control | counter)) + field + payload


def _stamp(prefix: int, ticks: int) -> bytes:
    """PTS or DTS in 33 bits with marker bits (2.4.3.7)."""
    return bytes(
        (
            prefix | ticks >> 29 & 0x0E,
            ticks >> 22 & 0xFF,
            ticks >> 14 & 0xFE | 1,
            ticks >> 7 & 0xFF,
            ticks << 1 & 0xFE | 1,
        )
    )


def _stream_id(track: Track) -> int:
    if track.codec in ("ac3", "eac3", "opus"):
        return _PRIVATE_STREAM_1
    return 0xE0 if track.kind == "video" else 0xC0
