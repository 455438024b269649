"""When the pictures of an HLS source were made, by its EXT-X-PROGRAM-DATE-TIME (RFC 8216, 4.3.2.6).

FFmpeg's demuxer tells no such time with a packet, and may have read ahead by segments. So each
segment that it opens leaves its date and the stamp of its first frames here, which the packets are
known by when they come; between two of them time goes on as their stamps do. Pure.

Who knows no stamps (packed audio) has the date of the first segment for the first packet.
"""

from datetime import UTC, datetime

from media_streamer.syntax.boxes import boxes, find

MAX_AGE_SECONDS = 300.0
"""A live playlist is played some segments before its end. What is older is no live source, or the
clocks of the two machines are not set."""
MAX_AHEAD_SECONDS = 1.0
MAX_STEP_SECONDS = 10.0
"""A clock that jumps by more is another one (as in `media.timeline`)."""
MAX_CORRECTION_SECONDS = 0.5
"""Clocks drift apart by milliseconds from one segment to the next: more means that a stamp of
another track is alike."""
MAX_SEGMENTS = 64
"""That FFmpeg may have opened and not handed on."""
HEAD_BYTES = 16 * 1024
_STAMPS = (1 << 33) - 1
_PACKET = 188
_SYNC, _PES = 0x47, b"\0\0\1"


class SourceClock:
    """One opening of a source. Not thread-safe."""

    def __init__(self) -> None:
        self._dates: dict[int, float] = {}
        """By the stamp of a first frame."""
        self._first: float | None = None
        """Date of the first segment."""
        self._offset: float | None = None
        """Unix time at stamp 0 of the source."""
        self._last = 0.0
        self._begun = False

    def opened(self, date: float | None, head: bytes) -> None:
        """A segment begins with `head`; `date`: Unix time of its first frame, if that is told."""
        if date is None:
            return
        if self._first is None:
            self._first = date
        for stamp in first_stamps(head[:HEAD_BYTES]):
            self._dates.pop(stamp, None)
            self._dates[stamp] = date
        while len(self._dates) > 2 * MAX_SEGMENTS:
            del self._dates[next(iter(self._dates))]

    def age(self, dts: int, seconds_per_tick: float, now: float, *, may_begin: bool) -> float:
        """Seconds since a packet with `dts` was made; 0 if nobody says, or it cannot be right.

        `may_begin`: segments may begin with such a packet (a key frame; sound, where that is all).
        """
        at = dts * seconds_per_tick
        if self._begun and abs(at - self._last) > MAX_STEP_SECONDS:
            self._offset = None
        elif not self._begun and self._first is not None:
            self._offset = self._first - at
        if may_begin and (date := self._dates.get(dts & _STAMPS)) is not None:
            offset, known = date - at, self._offset
            if not self._begun or known is None or abs(offset - known) < MAX_CORRECTION_SECONDS:
                self._offset = offset
        self._begun, self._last = True, at
        if self._offset is None:
            return 0.0
        age = now - at - self._offset
        return age if -MAX_AHEAD_SECONDS < age < MAX_AGE_SECONDS else 0.0


def read_date(text: str) -> float | None:
    """ISO 8601 as Unix time; UTC where it does not say."""
    try:
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def first_stamps(head: bytes) -> set[int]:
    """DTS of the first frame of each track that a segment begins with, as the tracks count.

    Of a transport stream 33 bits, of fragmented MP4 as many of its decode time.
    """
    if head[:1] == bytes((_SYNC,)):
        return set(_transport_stamps(head).values())
    try:
        return set(_fragment_stamps(head))
    except ValueError:
        return set()  # FFmpeg will say what is wrong with it, if anything is


def _transport_stamps(head: bytes) -> dict[int, int]:
    """By PID (ISO/IEC 13818-1 2.4.3.2, 2.4.3.6)."""
    found: dict[int, int] = {}
    for at in range(0, len(head) - _PACKET + 1, _PACKET):
        packet = head[at : at + _PACKET]
        pid = int.from_bytes(packet[1:3], "big") & 0x1FFF
        if packet[0] != _SYNC or not packet[1] & 0x40 or pid in found:
            continue
        begin = 5 + packet[4] if packet[3] & 0x20 else 4
        pes = packet[begin:]
        if len(pes) < 19 or pes[:3] != _PES or not pes[7] & 0x80:
            continue
        stamp = pes[14:19] if pes[7] & 0x40 else pes[9:14]
        high, mid, low = stamp[0] >> 1 & 7, stamp[1] << 8 | stamp[2], stamp[3] << 8 | stamp[4]
        found[pid] = high << 30 | mid >> 1 << 15 | low >> 1
    return found


def _fragment_stamps(head: bytes) -> list[int]:
    """Of the first fragment (ISO/IEC 14496-12 8.8.12)."""
    found = []
    for kind, begin, end in boxes(head):
        if kind == b"moof":
            for inner, first, last in boxes(head, begin, end):
                if inner == b"traf" and (time := find(head[first:last], b"tfdt")):
                    stamp = time[4:12] if time[0] else time[4:8]
                    found.append(int.from_bytes(stamp, "big") & _STAMPS)
            break
    return found
