"""Fills gaps of archives from the servers that their streams are taken from, in one thread.

What has to be filled is what the other server has, this one has not, and should have: nothing else
is put down, so a crash forgets nothing and does nothing twice. One file is asked for at a time, of
one stream after another, and what is asked for within `AGAIN_SECONDS` is not asked for again,
whatever came. Bounded: memory to a piece of a file, the rate to `RATE`, all streams together.

Recording and live know nothing of all this.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from media_rest.credentials import cluster_header

from media_streamer.archive.background import Background
from media_streamer.archive.declared import Declared
from media_streamer.archive.gaps import ASKED_MS, gaps, to_fill, wanted_time
from media_streamer.archive.library import Library
from media_streamer.archive.locks import read_locks
from media_streamer.archive.ranges import GAP_MS, Range, merge, total_ms, within
from media_streamer.archive.replica import ReplicaSource, install, part_path, read_left_out
from media_streamer.outgoing.addresses import reach_of_process
from media_streamer.outgoing.http import Body, HttpClient, Times
from media_streamer.outgoing.target import HttpError

log = logging.getLogger(__name__)

RATE = 25_000_000
"""Bytes a second of all streams together."""
PART_BYTES = 64 * 1024 * 1024
MIN_PART_BYTES = 1024 * 1024
MAX_PART_BYTES = 512 * 1024 * 1024
"""One segment may be larger than what is asked for, but not than this."""
MAX_LIST_BYTES = 8 * 1024 * 1024
PIECE_BYTES = 256 * 1024
SLOW_SECONDS, SLOW_RATE = 30.0, 4096
"""Who sends fewer bytes a second after so long holds up all other streams: it is let go."""
LOOK_SECONDS = 3.0
MAX_LOOK_SECONDS = 60.0
LOOK_SHARE = 50
"""At most this part of the time goes into looking at what is here."""
ASK_SECONDS = 60.0
"""The other server is asked again what it has of a gap that grows."""
AGAIN_SECONDS = 600.0
"""And of the same gaps, and for the same segments."""
FIRST_RETRY_SECONDS = 2.0
MAX_RETRY_SECONDS = 60.0
TIMES = Times(head=20.0, read=10.0)
NOT_FOUND = 404


@dataclass(slots=True)
class ReplicaFigures:
    """Of one stream; written by the thread, read by the event loop."""

    segments: int = 0
    bytes: int = 0
    duration_ms: int = 0
    """Filled since this server began."""
    errors: int = 0
    error: str = ""
    """Why nothing is filled now; empty: it is, or nothing is missing."""
    held_ms: int = 0
    missing_ms: int = 0
    """What the other server has and this one has not."""


@dataclass(slots=True)
class _Stream:
    declared: Declared
    source: ReplicaSource
    figures: ReplicaFigures = field(default_factory=ReplicaFigures)
    todo: list[Range] = field(default_factory=list)
    asked: list[tuple[float, Range]] = field(default_factory=list)
    """What was asked for of late, and when."""
    asked_gaps: frozenset[int] = frozenset()
    asked_at: float = -1e9
    """Which gaps the other server was asked about, and when."""
    due: float = 0.0
    took: float = 0.0
    """Seconds, to look at what is here."""
    pause: float = FIRST_RETRY_SECONDS


class Replicator(Background):
    """Runs until `close`."""

    def __init__(self, kept: Callable[[str], Iterable[Range]] = lambda _: ()) -> None:
        """`kept`: what episodes keep of the archive of a stream; asked in the thread."""
        super().__init__("archive fill")
        self._kept = kept
        self._library = Library()
        self._streams: dict[str, _Stream] = {}
        self._begin()

    # From the event loop

    def set_streams(self, streams: Mapping[str, Declared]) -> None:
        """Fill the gaps of these; all have `replica`."""
        with self._changed:
            made = {}
            for name, one in streams.items():
                assert one.replica is not None
                old = self._streams.get(name)
                if old is not None and old.source == one.replica:
                    made[name] = replace(old, declared=one)
                else:
                    made[name] = _Stream(one, one.replica)
            self._streams = made
            self._changed.notify()

    def figures(self, stream: str) -> ReplicaFigures | None:
        """None of a stream that it does not have."""
        found = self._streams.get(stream)
        return found.figures if found is not None else None

    # The thread

    def _run(self) -> None:
        while True:
            self._round()

    def _round(self) -> None:
        streams = self._streams
        for name, one in streams.items():
            self._turn(name, one)
        now = time.monotonic()
        due = min((one.due for one in streams.values()), default=now + LOOK_SECONDS)
        self._rest(due - now, lambda: self._streams is not streams)

    def _turn(self, name: str, one: _Stream) -> None:
        """Look what is missing of a stream, or fetch some of it. Raises Stopped."""
        self._check()
        if one.due > time.monotonic():
            return
        try:
            if one.todo:
                self._fill(name, one)
            else:
                one.todo = self._look(name, one)
                rest = min(MAX_LOOK_SECONDS, max(LOOK_SECONDS, LOOK_SHARE * one.took))
                one.due = time.monotonic() + (0.0 if one.todo else rest)
        except (HttpError, OSError, ValueError) as error:
            self._failed(name, one, str(error) or type(error).__name__)
        except Exception as error:
            log.exception("stream %s: gaps of its archive are not filled", name)
            self._failed(name, one, f"fault: {type(error).__name__}")
        else:
            if one.figures.error:
                log.info("stream %s: gaps of its archive are filled again", name)
            one.figures.error, one.pause = "", FIRST_RETRY_SECONDS

    def _failed(self, name: str, one: _Stream, words: str) -> None:
        self._check()
        figures = one.figures
        if words != figures.error:
            log.error(
                "stream %s: gaps of its archive are not filled from %s: %s; it is tried again",
                name, one.source.host, words,
            )  # fmt: skip
        figures.error, figures.errors = words, figures.errors + 1
        one.todo, one.asked_at = [], -1e9
        one.due = time.monotonic() + one.pause
        one.pause = min(2 * one.pause, MAX_RETRY_SECONDS)

    # What is missing

    def _look(self, name: str, one: _Stream) -> list[Range]:
        """What to fetch now. Raises HttpError, OSError, ValueError."""
        declared, now = one.declared, time.monotonic()
        # One place after another: what a silent disk has is not missing.
        here = merge(r for place in declared.places for r in self._library.ranges([place]))
        locks = [*read_locks(declared.folder), *self._kept(name)]
        one.took, now_ms = time.monotonic() - now, int(time.time() * 1000)
        wanted = wanted_time(now_ms, declared.limits, declared.span_ms, here, locks)
        one.asked = [each for each in one.asked if now - each[0] < AGAIN_SECONDS]
        out = [*read_left_out(one.source.place.folder), *(each for _, each in one.asked)]
        found = gaps(wanted, [*here, *out])
        one.figures.held_ms = total_ms(within(here, wanted))
        if not found:
            one.figures.missing_ms = 0
            return []
        # The time that is wanted begins later and later.
        names = frozenset(g.to_ms if g.from_ms == wanted.from_ms else g.from_ms for g in found)
        grows = found[-1].to_ms == wanted.to_ms
        if names == one.asked_gaps and now - one.asked_at < (
            ASK_SECONDS if grows else AGAIN_SECONDS
        ):
            return []
        there = self._ranges(one.source, found[0].from_ms, found[-1].to_ms)
        one.asked_gaps, one.asked_at = names, now
        todo = to_fill(found, there, declared.schedule)
        one.figures.missing_ms = total_ms(todo)
        return todo

    def _ranges(self, source: ReplicaSource, from_ms: int, to_ms: int) -> list[Range]:
        """What the other server has of a time, in whole seconds. Raises HttpError, ValueError."""
        asked = f"from={from_ms // 1000}&to={-(-to_ms // 1000)}&request=ranges"
        text = bytearray()
        with _Answer(self, source, f"recording_status.json?{asked}") as answer:
            if answer.body is None:
                raise HttpError("nothing is recorded there: the stream has no archive (dvr)")
            for data in answer.pieces():
                text += data
                if len(text) > MAX_LIST_BYTES:
                    raise HttpError("the other server lists too much")
        try:
            found = [
                Range(int(one["from"]) * 1000, (int(one["from"]) + int(one["duration"])) * 1000)
                for one in json.loads(text)[0]["ranges"]
            ]
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
            raise HttpError("the other server does not say what it has recorded") from None
        return merge((one for one in found if one.from_ms < one.to_ms), 0)

    # Fetching

    def _fill(self, name: str, one: _Stream) -> None:
        """Fetch the first part of what is missing. Raises HttpError, OSError, ValueError."""
        gap, source, began = one.todo[0], one.source, time.monotonic()
        # A file lasts no longer than those that are recorded here: they are deleted alike.
        span_ms = min(ASKED_MS, one.declared.span_ms)
        asked = Range(gap.from_ms, min(gap.to_ms, gap.from_ms + span_ms))
        part = part_path(source)
        reached, size = asked.to_ms, 0
        try:
            if self._fetch(source, asked, part):
                found = install(part, source, asked, one.declared.places)
                figures, reached, size = one.figures, found.to_ms, found.bytes
                figures.segments += found.segments
                figures.bytes += found.bytes
                figures.duration_ms += found.duration_ms
                log.info("stream %s: %d segments of its archive filled from %s",
                         name, found.segments, source.host)  # fmt: skip
        finally:
            part.unlink(missing_ok=True)
        one.asked.append((time.monotonic(), Range(asked.from_ms, min(reached, asked.to_ms))))
        one.todo[0] = Range(min(reached, gap.to_ms), gap.to_ms)
        if one.todo[0].to_ms - one.todo[0].from_ms <= GAP_MS:
            del one.todo[0]
        one.figures.missing_ms = total_ms(one.todo)
        one.due = began + (size / source.rate if source.rate else 0.0)

    def _fetch(self, source: ReplicaSource, asked: Range, part: Path) -> bool:
        """Write what comes into a file; False if there is nothing. Raises HttpError, OSError."""
        size = PART_BYTES
        if source.rate:
            size = min(size, max(2 * source.rate, MIN_PART_BYTES))
        query = f"from={asked.from_ms}&to={asked.to_ms}&size={size}"
        with _Answer(self, source, f"replica.mp4?{query}") as answer:
            if answer.body is None:
                return False
            began, got = time.monotonic(), 0
            with part.open("wb") as out:
                for data in answer.pieces():
                    out.write(data)
                    got += len(data)
                    if got > MAX_PART_BYTES:
                        raise HttpError("the other server sends too much")
                    self._pace(began, got, RATE)
        return True


class _Answer:
    """One GET; `body` is None where there is nothing. Raises HttpError."""

    def __init__(self, replicator: Replicator, source: ReplicaSource, what: str) -> None:
        self._url = f"{source.base}/{quote(source.stream)}/{what}"
        # Made for each request: it is good for a few minutes, and for this host alone.
        headers = {
            "Authorization": cluster_header(source.cluster_key, time.time()),
            "X-Own-Archive": "1",
        }
        self._client = HttpClient(
            self._url,
            headers=headers,
            times=TIMES,
            reach=reach_of_process(),
            stopped=replicator.is_closing,
        )
        self._refused = 0
        self._client.on_refused = self._on_refused
        self.body: Body | None = None

    def _on_refused(self, status: int) -> None:
        self._refused = status

    def __enter__(self) -> "_Answer":
        try:
            self.body = self._client.get(self._url)
        except HttpError:
            self._client.close()
            if self._refused in (401, 403):
                raise HttpError(
                    "the other server refuses: both need the same cluster_key"
                ) from None
            if self._refused != NOT_FOUND:
                raise
        return self

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes. Raises HttpError."""
        began, got = time.monotonic(), 0
        while self.body is not None and (data := self.body.read(PIECE_BYTES)):
            yield data
            got += len(data)
            took = time.monotonic() - began
            if took > SLOW_SECONDS and got < SLOW_RATE * took:
                raise HttpError(f"the other server sends less than {SLOW_RATE} bytes a second")

    def __exit__(self, *_: object) -> None:
        if self.body is not None:
            self.body.close()
        self._client.close()
