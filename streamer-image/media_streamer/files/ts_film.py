"""Films in transport streams: where their key frames lie, and what is between two of them.

A transport stream has no index, so one is made when a file is seen first, and kept
(`kept_indexes`): from a key frame on, as many bytes are passed over as a few seconds take, and the
next one is looked for, so that a part of the file is read and no more. Blocks on the disk.

A file that loses the grid of its packets ends there for us; of several programs the first plays.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

import numpy as np

from media_streamer.files.disk import Changed, Read
from media_streamer.files.kept_indexes import kept_marks
from media_streamer.files.movie import MAX_SECONDS, MAX_TRACKS, Movie
from media_streamer.files.names import Identity
from media_streamer.files.outline import (
    MAX_STRETCH_BYTES,
    Found,
    Mark,
    increasing,
    measured,
    outlined,
)
from media_streamer.files.outlined import Described, movie_of
from media_streamer.files.tables import BadFile
from media_streamer.files.ts_frames import (
    TICKS,
    Description,
    cannot_be_key,
    describe,
    is_key,
    is_video,
    pictures,
    sounds,
)
from media_streamer.files.ts_grid import PACKET_BYTES, Grid, find_grid
from media_streamer.files.ts_packets import (
    WRAP,
    Packets,
    Pes,
    Stream,
    begins,
    packets_of,
    payload,
    pes_of,
    pids,
    program,
)

HEAD_BYTES = 2 * 1024 * 1024
"""From the begin on, in which there is a table and a frame of each track."""
STEP_BYTES = 256 * 1024
PASSED_SECONDS = 3.0
"""From a key frame to where the next one is looked for."""
MAX_SCAN_SECONDS = 300.0
MANY_MARKS, LEAST_PACKETS = 2000, 1400
"""From so many key frames on, those that follow each other within 256 kB are not all taken."""
KEY_PACKETS = 24
"""Of a picture that are looked at to see whether it is a key frame."""
MORE_BYTES = 256 * 1024
MAX_MORE_BYTES = 8 * 1024 * 1024
"""Behind a stretch, for the ends of what begins in it."""


def read_transport_stream(read: Read, size: int, identity: Identity | None = None) -> Movie:
    """What is in a file of `size` bytes. `identity`: under which its index is kept.

    Raises BadFile, Changed, OSError.
    """
    head = read(0, min(size, HEAD_BYTES))
    grid = find_grid(head)
    if grid is None:
        raise BadFile("it is no transport stream")
    packets = packets_of(grid, head[grid.begin :])
    streams, left_out = _played(program(packets))
    main = streams[0]
    marks = kept_marks(identity, lambda: increasing(list(_scan(read, size, grid, main))))
    if not marks:
        raise BadFile("there is no picture in the file at which decoding can start")
    film = TransportFilm(grid, streams, marks, size)
    film, more = _described(film, read)
    left_out += more
    outline = outlined(film, read, size, len(film.streams))
    if outline.end - outline.base > MAX_SECONDS * TICKS:
        raise BadFile(f"it is longer than {MAX_SECONDS} s")
    tracks = [
        Described(
            "video" if is_video(stream.codec) else "audio",
            said.entry,
            stream.language,
            film.rates.get(stream.pid, 0.0),
            said.codec,
        )
        for stream, said in zip(film.streams, film.described, strict=True)
    ]
    return movie_of(outline, tracks, size, left_out, ())


def _played(found: Sequence[Stream]) -> tuple[list[Stream], list[str]]:
    kept = sorted((one for one in found if one.codec), key=lambda one: not is_video(one.codec))
    left_out = [
        f"PID {one.pid}: streams of type 0x{one.kind:02x} are not played"
        for one in found
        if not one.codec
    ]
    if not kept:
        raise BadFile("the file has no track that can be played: " + "; ".join(left_out[:4]))
    left_out += [f"PID {one.pid}: only {MAX_TRACKS} are played" for one in kept[MAX_TRACKS:]]
    return kept[:MAX_TRACKS], left_out


def _described(film: "TransportFilm", read: Read) -> tuple["TransportFilm", list[str]]:
    """The same film with the tracks that can be described by their first frames."""
    found, _ = film.elementary(read, 0, measured(film, film.size))
    streams, said, left_out, rates = [], [], [], {}
    for stream, own in zip(film.streams, found, strict=True):
        try:
            said.append(describe(stream.codec, own))
        except BadFile as error:
            left_out.append(f"PID {stream.pid}: {error}")
            continue
        streams.append(stream)
        stamps = sorted({one.pts for one in own if one.pts is not None})
        if is_video(stream.codec) and len(stamps) > 1:
            step = median(b - a for a, b in pairwise(stamps))
            rates[stream.pid] = round(TICKS / step, 3)
    if not streams:
        raise BadFile("the file has no track that can be played: " + "; ".join(left_out[:4]))
    made = TransportFilm(film.grid, streams, film.marks, film.size)
    made.described, made.rates = said, rates
    return made, left_out


def _scan(read: Read, size: int, grid: Grid, main: Stream) -> Iterator[Mark]:
    """Key frames of a track, one in a few seconds. Raises BadFile, OSError."""
    at, last, count = grid.begin, -1, 0
    began, first = time.monotonic(), None
    while at + PACKET_BYTES <= size:
        if time.monotonic() - began > MAX_SCAN_SECONDS:
            raise BadFile("to look for its key frames takes too long")
        data = read(at, min(STEP_BYTES, size - at))
        packets = packets_of(grid, data)
        is_last = at + len(data) >= size
        place, stamp, done = _first_key(packets, main, is_last)
        if stamp is None:
            at += max(1, done) * grid.stride
            continue
        found = at + place * grid.stride
        last = stamp if last < 0 else last + (stamp - last) % WRAP
        yield Mark(found, last)
        count += 1
        if first is None:
            first, passed = (found, last), 1
        else:
            rate = (found - first[0]) / max(1, last - first[1])
            passed = round(rate * TICKS * PASSED_SECONDS / grid.stride)
        passed = min(passed, MAX_STRETCH_BYTES // 4 // grid.stride)
        at = found + max(passed, 1 if count < MANY_MARKS else LEAST_PACKETS) * grid.stride


def _first_key(packets: Packets, main: Stream, is_last: bool) -> tuple[int, int | None, int]:
    """Number of the packet in which the first key frame begins, its time stamp, and up to which
    packet there is none."""
    numbers = np.flatnonzero(pids(packets) == main.pid)
    own = packets[numbers]
    if not is_video(main.codec):
        for first in np.flatnonzero(begins(own)):
            found = pes_of(own[first : first + 1], [0])
            if found and found[0].pts is not None:
                return int(numbers[first]), found[0].pts, 0
        return 0, None, len(packets)
    firsts = np.flatnonzero(begins(own))
    for number, first in enumerate(firsts):
        if cannot_be_key(main.codec, own[first].tobytes()):
            continue
        stop = firsts[number + 1] if number + 1 < len(firsts) else len(own)
        if stop == len(own) and stop - first < KEY_PACKETS and not is_last and first > 0:
            return 0, None, int(numbers[first])  # the rest of it comes with what is read next
        data, _ = payload(own[first : min(stop, first + KEY_PACKETS)])
        stamp = pes_of(own[first : first + 1], [0])
        if stamp and stamp[0].pts is not None and is_key(main.codec, data):
            return int(numbers[first]), stamp[0].pts, 0
    return 0, None, len(packets)


class TransportFilm:
    """The media of a file (`outline.Container`)."""

    ticks = TICKS
    end_time = 0

    def __init__(
        self, grid: Grid, streams: Sequence[Stream], marks: Sequence[Mark], size: int
    ) -> None:
        self.grid = grid
        self.streams = streams
        self.marks = marks
        self.size = size
        self.described: Sequence[Description] = ()
        self.rates: dict[int, float] = {}
        """Pictures a second, by PID."""

    def read_stretch(self, read: Read, first: int, end: int) -> list[list[Found]]:
        """See `outline.Container`."""
        time = self.marks[first].time
        found, more = self.elementary(read, first, end)
        made = []
        for stream, said, own, rest in zip(self.streams, self.described, found, more, strict=True):
            if is_video(stream.codec):
                made.append(pictures(stream.codec, own, time, said.known))
            else:
                made.append(sounds(stream.codec, own, rest, time))
        return made

    def elementary(self, read: Read, first: int, end: int) -> tuple[list[list[Pes]], list[bytes]]:
        """What begins between two marks, of each stream, and what follows that."""
        begin = self.marks[first].place
        stop = self.marks[end].place if end < len(self.marks) else self.size
        if not 0 < stop - begin <= MAX_STRETCH_BYTES:
            raise BadFile("its key frames are too far apart")
        more = MORE_BYTES
        while True:
            wanted = min(self.size, stop + more) - begin
            data = read(begin, wanted)
            if len(data) < stop - begin:
                raise Changed("the file is shorter than it was")
            found, rests, whole = self._split(data, stop - begin)
            if whole or begin + wanted >= self.size or more >= MAX_MORE_BYTES:
                return found, rests
            more *= 4

    def _split(self, data: bytes, stop: int) -> tuple[list[list[Pes]], list[bytes], bool]:
        packets = packets_of(self.grid, data)
        all_pids = pids(packets)
        found, rests, whole = [], [], True
        for stream in self.streams:
            numbers = np.flatnonzero(all_pids == stream.pid)
            places = [int(number) * self.grid.stride for number in numbers]
            pes = pes_of(packets[numbers], places)
            own = [one for one in pes if one.place < stop]
            behind = [one for one in pes if one.place >= stop]
            # A frame of sound may end in what follows.
            enough = bool(behind) and behind[0].whole
            whole = whole and (not own or (own[-1].whole and (is_video(stream.codec) or enough)))
            found.append(own)
            rests.append(b"".join(one.data for one in behind[:2]))
        return found, rests, whole
