"""Subtitles within Matroska: SubRip, SSA and WebVTT (RFC 9559, 12.5). Blocks on the disk.

Where the index names the blocks of a track, those are read; else the heads of all blocks of the
stretch are looked at.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from media_streamer.files.cues import MAX_CUES, Cue, marked_up
from media_streamer.files.disk import Read
from media_streamer.files.ebml import Element, Window, number
from media_streamer.files.matroska_blocks import (
    CLUSTER,
    GROUP,
    SIMPLE,
    TIMESTAMP,
    Block,
    MatroskaTrack,
    frames_of,
    look,
    place_of,
)
from media_streamer.files.outline import Mark
from media_streamer.files.tables import BadFile

FORMS = {"S_TEXT/UTF8": "srt", "S_TEXT/ASCII": "srt", "S_TEXT/ASS": "ass", "S_ASS": "ass",
         "S_TEXT/SSA": "ass", "S_SSA": "ass", "S_TEXT/WEBVTT": "vtt",
         "D_WEBVTT/SUBTITLES": "webm"}  # fmt: skip
"""What of the codecs can be shown."""
SHOWN_SECONDS = 5.0
"""A text that does not say how long."""
LONGEST_SECONDS = 60.0
"""A text that begins earlier is not looked for."""
MAX_CUE_BYTES = 64 * 1024
MAX_WALKED = 2_000_000
MAX_TOLD = 1 << 16
_OVERRIDE = re.compile(r"\{[^}\n]{0,500}\}")
_DRAWING = re.compile(r"\{[^}\n]{0,500}\\p[1-9]")
_BEFORE_TEXT = 8
"""Fields of an event of SSA before its text."""


class MatroskaText(NamedTuple):
    """A track of text and how its blocks are found."""

    track: MatroskaTrack
    ticks: int
    start: int
    """When the first picture is shown, in ticks of the file."""
    marks: Sequence[Mark]
    """Of the picture."""
    named: Sequence[Mark]
    """Its own blocks, where the index has them."""
    size: int
    """Of the file."""

    @property
    def language(self) -> str:
        return self.track.language

    @property
    def held_bytes(self) -> int:
        """Memory that it takes, about."""
        return 100 * len(self.named)

    def cues(self, begin: float, end: float, read: Read) -> list[Cue]:
        """What is shown from `begin` to before `end`, in seconds of the film.

        Raises BadFile, Changed, OSError.
        """
        first = self.start + round((begin - LONGEST_SECONDS) * self.ticks)
        last = self.start + round(end * self.ticks)
        window = Window(read, self.size, 4096)
        found: list[Cue] = []
        for cluster, block in self._blocks(window, read, first, last):
            cue = self._cue(window, cluster, block)
            if cue is not None and cue.begin < end and cue.end > begin:
                found.append(cue)
            if len(found) >= MAX_CUES:
                break
        return sorted(found)

    def _blocks(
        self, window: Window, read: Read, first: int, last: int
    ) -> Iterator[tuple[int, Block]]:
        if not self.named:
            yield from self._walked(window, read, first, last)
            return
        for mark in self.named:
            if not first <= mark.time < last:
                continue
            at, cluster = place_of(read, mark)
            if mark.inside:
                one = window.element(at)
                block = None if one is None else self._own(window, one)
                if block is not None:
                    yield cluster, block
            else:
                yield from self._through(window, at, mark.time + 1, only_cluster=True)

    def _walked(
        self, window: Window, read: Read, first: int, last: int
    ) -> Iterator[tuple[int, Block]]:
        begin = self.marks[0]
        for mark in self.marks:
            if mark.time > first:
                break
            begin = mark
        yield from self._through(window, begin.place, last, only_cluster=False)

    def _through(
        self, window: Window, at: int, last: int, *, only_cluster: bool
    ) -> Iterator[tuple[int, Block]]:
        """Blocks from a cluster on, until one begins later than all that are wanted."""
        time, clusters = 0, 0
        for _ in range(MAX_WALKED):
            one = window.element(at)
            if one is None:
                return
            at = one.begin if one.kind == CLUSTER or one.end < 0 else one.end
            if one.kind == CLUSTER:
                clusters += 1
                if only_cluster and clusters > 1:
                    return
            elif one.kind == TIMESTAMP:
                time = number(window.bytes(one.begin, min(8, one.end - one.begin)))
                # Pictures may be written before others that are shown earlier, by seconds at most.
                if time > last + 5 * self.ticks:
                    return
            elif one.kind in (SIMPLE, GROUP) and (block := self._own(window, one)) is not None:
                yield time, block

    def _own(self, window: Window, one: Element) -> Block | None:
        """A block of this track, its frames in place."""
        if one.kind not in (SIMPLE, GROUP):
            return None
        found = look(window, one)
        if found is None or found.track != self.track.number:
            return None
        if one.kind == SIMPLE:
            found = found._replace(begin=one.begin + found.begin, end=one.end)
        return found

    def _cue(self, window: Window, cluster: int, block: Block) -> Cue | None:
        size = block.end - block.begin
        if not 0 < size <= MAX_CUE_BYTES:
            return None
        data = window.bytes(block.begin, size)
        try:
            frames = frames_of(data, block._replace(begin=0, end=len(data)))
            shown = self.track.whole(frames[0])
        except BadFile:
            return None
        words = text_of(shown.decode("utf-8", "replace"), FORMS[self.track.codec])
        begin = (cluster + block.time - self.start) / self.ticks
        long = block.duration / self.ticks if block.duration else SHOWN_SECONDS
        end = begin + min(long, LONGEST_SECONDS)
        return Cue(max(0.0, begin), end, words) if words and end > max(0.0, begin) else None


def text_of(block: str, form: str) -> str:
    """What a block shows as text of a cue; `form` as in `FORMS`."""
    if form == "webm":  # name and settings stand before it
        parts = block.split("\n", 2)
        return marked_up(parts[2]) if len(parts) == 3 else ""
    if form != "ass":
        return marked_up(block)
    fields = block.split(",", _BEFORE_TEXT)
    if len(fields) <= _BEFORE_TEXT or _DRAWING.search(fields[-1]):
        return ""
    lines = _OVERRIDE.sub("", fields[-1]).replace("\\N", "\n").replace("\\n", "\n")
    return marked_up(lines.replace("\\h", " "))
