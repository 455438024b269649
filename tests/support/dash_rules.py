"""What a manifest of a live DASH stream must hold to (ISO/IEC 23009-1; DASH-IF IOP 5), and what
must stay from one manifest to the next. Pure.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from xml.etree import ElementTree

_NAMESPACE = "{urn:mpeg:dash:schema:mpd:2011}"
_DURATION = re.compile(r"PT(\d+(?:\.\d+)?)S")


@dataclass(frozen=True)
class Segment:
    """As a player reads it; times in seconds on the presentation's clock."""

    period: str
    representation: str
    time: int
    start: Fraction
    duration: Fraction
    under_way: bool

    @property
    def key(self) -> tuple[str, str, int]:
        return self.period, self.representation, self.time


def seconds(text: str) -> Fraction:
    """An xs:duration as we write it."""
    match = _DURATION.fullmatch(text)
    assert match is not None, text
    return Fraction(match[1])


def _under(root: ElementTree.Element, tag: str) -> Iterator[ElementTree.Element]:
    return root.iter(f"{_NAMESPACE}{tag}")


def check(root: ElementTree.Element) -> list[Segment]:
    """The segments of a manifest that holds to the rules; fails where it does not."""
    attributes = root.attrib
    assert root.tag == f"{_NAMESPACE}MPD"
    assert attributes["type"] == "dynamic"
    assert attributes["profiles"] == "urn:mpeg:dash:profile:isoff-live:2011"
    for name in ("availabilityStartTime", "publishTime"):
        assert datetime.fromisoformat(attributes[name]).tzinfo is not None
    longest = seconds(attributes["maxSegmentDuration"])
    assert seconds(attributes["minBufferTime"]) > 0
    assert seconds(attributes["minimumUpdatePeriod"]) > 0
    assert seconds(attributes["suggestedPresentationDelay"]) > 0
    periods = list(_under(root, "Period"))
    assert len({one.attrib["id"] for one in periods}) == len(periods)
    starts = [seconds(one.attrib["start"]) for one in periods]
    assert starts == sorted(set(starts))
    found = [segment for period in periods for segment in _period(period)]
    for segment in found:
        # 5.3.1.2: no segment is longer, by more than what milliseconds round away.
        assert segment.duration <= longest + Fraction(1, 1000), segment
    span = max((s.start + s.duration for s in found), default=Fraction(0))
    span -= min((s.start for s in found), default=Fraction(0))
    held = [segment for segment in found if not segment.under_way]
    if len(periods) == 1 and held:
        depth = seconds(attributes["timeShiftBufferDepth"])
        kept = [sum(s.duration for s in held if s.representation == r)
                for r in {s.representation for s in held}]  # fmt: skip
        assert depth + 1 >= max(kept)
    return found


def _period(period: ElementTree.Element) -> Iterator[Segment]:
    sets = list(_under(period, "AdaptationSet"))
    assert sets
    assert len({one.attrib["id"] for one in sets}) == len(sets)
    names = [one.attrib["id"] for one in _under(period, "Representation")]
    assert len(set(names)) == len(names)
    for members in sets:
        runs = [list(_representation(period, one)) for one in _under(members, "Representation")]
        if members.attrib["segmentAlignment"] == "true":
            # 5.3.3.2: boundaries of what may be switched lie together.
            lists = {tuple((s.start, s.duration) for s in run if not s.under_way) for run in runs}
            assert len(lists) == 1
        for run in runs:
            yield from run


def _representation(
    period: ElementTree.Element, representation: ElementTree.Element
) -> Iterator[Segment]:
    assert int(representation.attrib["bandwidth"]) > 0
    (template,) = _under(representation, "SegmentTemplate")
    media, scale = template.attrib["media"], int(template.attrib["timescale"])
    assert media.count("$Time$") == 1
    assert media.count("$") == 2
    assert "$" not in template.attrib["initialization"]
    offset = int(template.attrib["presentationTimeOffset"])
    entries: list[tuple[int, int]] = []
    time = 0
    for entry in _under(template, "S"):
        time, length = int(entry.get("t", time)), int(entry.attrib["d"])
        assert length > 0
        for _ in range(int(entry.get("r", "0")) + 1):
            entries.append((time, length))
            time += length
    assert entries
    for (time, length), (following, _) in itertools.pairwise(entries):
        assert time + length <= following, "segments overlap (5.3.9.6)"
    ahead = template.get("availabilityTimeOffset")
    if ahead is not None:
        assert template.attrib["availabilityTimeComplete"] == "false"
        assert Fraction(ahead) >= 0
    begins = seconds(period.attrib["start"])
    for place, (time, length) in enumerate(entries):
        start = begins + Fraction(time - offset, scale)
        under_way = ahead is not None and place == len(entries) - 1
        yield Segment(
            period.attrib["id"],
            representation.attrib["id"],
            time,
            start,
            Fraction(length, scale),
            under_way,
        )


def check_update(before: list[Segment], after: list[Segment]) -> None:
    """A segment keeps its place and, once it is whole, its length."""
    known = {segment.key: segment for segment in before}
    for segment in after:
        old = known.get(segment.key)
        if old is None:
            continue
        assert old.start == segment.start
        if not old.under_way:
            assert old.duration == segment.duration


class Kept:
    """A timeline as Shaka Player 5 keeps it: what it has stays, and of each manifest it takes what
    ends later than all that it has."""

    def __init__(self) -> None:
        self._ends: dict[tuple[str, str], Fraction] = {}
        self._supposed: dict[tuple[str, str], Fraction] = {}
        """Where a segment under way was supposed to end while all had one length."""
        self._seen: set[tuple[str, str, int]] = set()

    def read(self, segments: list[Segment]) -> None:
        """Fails if a segment would never be seen. Where all had one length and one comes that is
        much shorter, nobody could have known, nor of what is over before that should have been."""
        for key, found in itertools.groupby(segments, lambda s: (s.period, s.representation)):
            run = list(found)
            whole = [segment.duration for segment in run if not segment.under_way][:-1]
            irregular = len(whole) > 1 and max(whole) - min(whole) > Fraction(1, 10)
            for segment in run:
                end = segment.start + segment.duration
                if end > self._ends.get(key, Fraction(0)):
                    self._ends[key] = end
                    self._seen.add(segment.key)
                    if segment.under_way and not irregular:
                        self._supposed[key] = end
                elif irregular and end > self._supposed.get(key, Fraction(0)):
                    assert segment.key in self._seen, segment
                self._seen.add(segment.key)
