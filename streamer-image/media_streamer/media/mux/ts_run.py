"""MPEG-TS of many frames at once, for segments that are made whole.

A frame at a time costs 9 us, most of it for small arrays and bytes. Here only what differs is done
frame by frame: its bytes, with what stands before them and with stuffing, are laid out in rows of
184; one copy then puts all rows into packets, and arrays give them their headers.

Invariant: byte for byte what `TsMuxer.mux` writes for the same frames.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from media_streamer.media.mux import psi
from media_streamer.media.mux.ts import (
    MASK_33,
    MAX_PES_LENGTH,
    NEVER,
    PAYLOAD,
    PCR_INTERVAL,
    PCR_LEAD,
    TABLE_INTERVAL,
    ElementaryStream,
    TsMuxer,
)
from media_streamer.syntax.nal import put_start_codes
from media_streamer.wire.frame import Run

Numbers = npt.NDArray[np.int64]
STUFFING = (b"", b"\x00", *(bytes((n - 1, 0)) + b"\xff" * (n - 2) for n in range(2, PAYLOAD + 1)))
"""An adaptation field of that many bytes (2.4.3.4)."""
_PLAIN = 0x4700_0010
"""A header with payload only (table 2-2),"""
_FIELD = 0x20
"""with an adaptation field before it,"""
_BEGINS = 0x40_0000
"""at the begin of a PES packet."""
TURN_ROWS = 700
"""Rows that are laid out before they become packets."""


class _Laid(NamedTuple):
    """A run with all that is known before its frames are cut into packets."""

    stream: ElementaryStream
    run: Run
    ends: Sequence[int]
    prefixes: Sequence[bytes]
    heads: bytes
    """Of PES packets, `_HEAD` bytes each."""
    head_sizes: Sequence[int]


_HEAD = 19
_PCR_FIELD = 8


class TsRunMuxer(TsMuxer):
    """`TsMuxer` with `mux_runs`."""

    def mux_runs(self, runs: Sequence[Run]) -> memoryview:
        """Transport packets of the frames of all tracks, given in the order of the tracks.

        They follow each other by DTS; the first one is at a boundary. Raises ValueError and
        IndexError for samples that are broken.
        """
        laid = [
            _lay(self._streams[number], run)
            for number, run in enumerate(runs)
            if number in self._streams
        ]
        if not laid:
            return memoryview(b"")
        times = np.concatenate([np.asarray(one.run.dts, np.int64) for one in laid])
        counts = [len(one.run.dts) for one in laid]
        whose = np.repeat(np.arange(len(laid)), counts)
        which = np.concatenate([np.arange(count) for count in counts])
        order = np.argsort(times, kind="stable")
        rows = _Rows(sum(map(_most_rows, laid)))
        for number, index in zip(whose[order].tolist(), which[order].tolist(), strict=True):
            self._frame(rows, laid[number], index)
        return rows.packets()

    def _frame(self, rows: "_Rows", one: _Laid, index: int) -> None:
        stream, run, ends, prefixes, heads, head_sizes = one
        dts = run.dts[index]
        if not (rows.frames and 0 <= dts - self._tables_at < TABLE_INTERVAL):
            self._tables_at = dts
            for packet in self._tables():
                rows.add_packet(packet)
        field = b""
        if stream.track.number == self._pcr_track:
            field = self._pcr_field(dts, 0x50 if run.keys[index] else 0x10)
        elif stream.begins_anew:
            field = b"\x01\x80"
        elif dts - self._pcr > PCR_INTERVAL and self._pcr > NEVER:
            rows.add_packet(self._pcr_packet(dts))
        stream.begins_anew = False
        at = index * _HEAD
        head, prefix = heads[at : at + head_sizes[index]], prefixes[index]
        end, size = ends[index], run.sizes[index]
        used = len(field) + len(head) + len(prefix) + size
        count = -(-used // PAYLOAD)
        spare = count * PAYLOAD - used
        data, body = run.data, rows.body
        last = PAYLOAD - spare
        if count == 1:
            if field:
                field = bytes((field[0] + spare,)) + field[1:] + b"\xff" * spare
            else:
                field = STUFFING[spare]
            body += (field, head, prefix, data[end - size : end])
        elif size >= last:
            cut = end - last
            body += (field, head, prefix, data[end - size : cut], STUFFING[spare], data[cut:end])
        else:
            pes = b"".join((head, prefix, data[end - size : end]))
            body += (field, pes[:-last], STUFFING[spare], pes[-last:])
        rows.add(stream, count, bool(field), spare > 0)


class _Rows:
    """Rows of 184 bytes that become packets, and whose they are."""

    def __init__(self, most: int) -> None:
        """`most`: there will not be more of them."""
        self.body: list[bytes | memoryview] = []
        """What comes next."""
        self.frames = 0
        self._made = np.empty((most, psi.PACKET_BYTES), np.uint8)
        self._count = self._written = 0
        self._firsts: list[int] = []
        """Row with which each frame begins,"""
        self._counts: list[int] = []
        """how many it has,"""
        self._headers: list[int] = []
        """the header of all of its packets,"""
        self._counters: list[int] = []
        """the counter of its first one,"""
        self._fields: list[int] = []
        """and rows that have an adaptation field."""
        self._whole: list[tuple[int, int]] = []
        """Headers of packets that came whole, by their row."""

    def add(self, stream: ElementaryStream, count: int, field: bool, spare: bool) -> None:
        """The rows of a frame. `field`: its first one has an adaptation field; `spare`: its last
        one has stuffing."""
        row, counter = self._count, stream.counter
        self._firsts.append(row)
        self._counts.append(count)
        self._headers.append(_PLAIN | stream.pid << 8)
        self._counters.append(counter)
        if field:
            self._fields.append(row)
        if spare and count > 1:
            self._fields.append(row + count - 1)
        stream.counter = counter + count & 15
        self._count = row + count
        self.frames += 1
        if self._count - self._written >= TURN_ROWS:
            self._write()

    def add_packet(self, packet: bytes) -> None:
        self.body.append(packet[4:])
        self._whole.append((self._count, int.from_bytes(packet[:4], "big")))
        self._count += 1

    def packets(self) -> memoryview:
        """All of them."""
        self._write()
        counts = np.asarray(self._counts, np.int64)
        firsts = np.asarray(self._firsts, np.int64)
        before = np.cumsum(counts) - counts
        number = np.arange(counts.sum())
        counters = np.repeat(np.asarray(self._counters, np.int64) - before, counts) + number & 15
        headers = np.empty(self._count, ">u4")
        rows = np.repeat(firsts - before, counts) + number
        headers[rows] = np.repeat(np.asarray(self._headers, np.int64), counts) | counters
        headers[firsts] |= _BEGINS
        headers[np.asarray(self._fields, np.int64)] |= _FIELD
        for row, header in self._whole:
            headers[row] = header
        made = self._made[: self._count]
        made[:, :4] = headers.view(np.uint8).reshape(-1, 4)
        return made.reshape(-1).data

    def _write(self) -> None:
        """Some rows at a time: they lie in the processor's cache then."""
        written, self._written = self._written, self._count
        rows = np.frombuffer(b"".join(self.body), np.uint8).reshape(-1, PAYLOAD)
        self._made[written : self._count, 4:] = rows
        self.body.clear()


def _lay(stream: ElementaryStream, run: Run) -> _Laid:
    ends = np.cumsum(np.asarray(run.sizes, np.int64)).tolist()
    by, data = stream.payload, run.data
    begins = [0, *ends][: len(ends)]
    prefixes = [
        by.prefix(data[begin:end], key)
        for begin, end, key in zip(begins, ends, run.keys, strict=True)
    ]
    if by.is_annex_b:
        for begin, end in zip(begins, ends, strict=True):
            put_start_codes(data, begin, end)
    dts, pts = np.asarray(run.dts, np.int64), np.asarray(run.pts, np.int64)
    sizes = np.asarray(run.sizes, np.int64) + np.asarray([len(one) for one in prefixes], np.int64)
    heads, head_sizes = _heads(stream.stream_id, dts, pts, sizes)
    return _Laid(stream, run, ends, prefixes, heads, head_sizes)


def _most_rows(one: _Laid) -> int:
    """With tables and a packet for the PCR before each frame."""
    frames = len(one.run.dts)
    size = (one.ends[-1] if frames else 0) + sum(map(len, one.prefixes))
    return (size + frames * (_HEAD + _PCR_FIELD)) // PAYLOAD + frames * 4


def _heads(
    stream_id: int, dts: Numbers, pts: Numbers, sizes: Numbers
) -> tuple[bytes, Sequence[int]]:
    """Heads of PES packets and how long each is (2.4.3.6); `sizes`: of what follows them."""
    both = dts != pts
    stamps = np.where(both, 10, 5)
    lengths = 3 + stamps + sizes
    lengths[lengths > MAX_PES_LENGTH] = 0
    heads = np.empty((len(dts), _HEAD), np.uint8)
    heads[:, :4] = (0, 0, 1, stream_id)
    heads[:, 4] = lengths >> 8
    heads[:, 5] = lengths & 0xFF
    heads[:, 6] = 0x84
    heads[:, 7] = np.where(both, 0xC0, 0x80)
    heads[:, 8] = stamps
    heads[:, 9:14] = _stamps(pts + PCR_LEAD)
    heads[:, 9] |= np.where(both, 0x31, 0x21).astype(np.uint8)
    heads[:, 14:19] = _stamps(dts + PCR_LEAD)
    heads[:, 14] |= 0x11
    return heads.tobytes(), (9 + stamps).tolist()


def _stamps(ticks: Numbers) -> npt.NDArray[np.uint8]:
    """PTS or DTS in 33 bits with marker bits, without its prefix (2.4.3.7)."""
    ticks = ticks & MASK_33
    return np.stack(
        (
            ticks >> 29 & 0x0E,
            ticks >> 22 & 0xFF,
            ticks >> 14 & 0xFE | 1,
            ticks >> 7 & 0xFF,
            ticks << 1 & 0xFE | 1,
        ),
        axis=1,
    ).astype(np.uint8)
