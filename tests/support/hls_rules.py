"""A checker of HLS playlists against RFC 8216 and draft-pantos-hls-rfc8216bis.

`parse` reads a media playlist without using any code of the server, `broken_rules` names the rules
that one playlist breaks, `broken_update_rules` those that a playlist breaks as the successor of
another one. An empty list means that all is well.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')
PDT_TOLERANCE_SECONDS = 0.1
PART_SUM_TOLERANCE_SECONDS = 0.02
SHORTEST_PART = 0.85
"""Of the part target, except for the last part before a boundary (rfc8216bis, 4.4.3.7)."""


@dataclass
class Part:
    duration: float
    uri: str
    independent: bool


@dataclass
class Segment:
    msn: int
    duration: float
    uri: str
    discontinuity: bool
    map: str
    date_time: datetime | None
    parts: list[Part]


@dataclass
class Playlist:
    version: int = 0
    target: int = 0
    media_sequence: int = 0
    discontinuity_sequence: int = 0
    skipped: int = 0
    part_target: float = 0.0
    control: dict[str, str] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    open_parts: list[Part] = field(default_factory=list)
    open_discontinuity: bool = False
    hint: str = ""
    reports: list[dict[str, str]] = field(default_factory=list)
    ended: bool = False

    @property
    def next_msn(self) -> int:
        return self.media_sequence + self.skipped + len(self.segments)


def attributes(text: str) -> dict[str, str]:
    """An attribute list (RFC 8216, 4.2) with the quotes taken off."""
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(text)}


def parse(text: str) -> Playlist:
    """Raises ValueError for what is no media playlist."""
    lines = text.split("\n")
    if lines[0] != "#EXTM3U" or lines[-1] != "":
        raise ValueError("must begin with #EXTM3U and end with a line feed")
    found = Playlist()
    duration, discontinuity, section, when = -1.0, False, "", None
    parts: list[Part] = []
    for line in lines[1:-1]:
        tag, _, value = line.partition(":")
        match tag:
            case "#EXT-X-VERSION":
                found.version = int(value)
            case "#EXT-X-TARGETDURATION":
                found.target = int(value)
            case "#EXT-X-MEDIA-SEQUENCE":
                found.media_sequence = int(value)
            case "#EXT-X-DISCONTINUITY-SEQUENCE":
                found.discontinuity_sequence = int(value)
            case "#EXT-X-SKIP":
                found.skipped = int(attributes(value)["SKIPPED-SEGMENTS"])
            case "#EXT-X-PART-INF":
                found.part_target = float(attributes(value)["PART-TARGET"])
            case "#EXT-X-SERVER-CONTROL":
                found.control = attributes(value)
            case "#EXT-X-PRELOAD-HINT":
                found.hint = attributes(value)["URI"]
            case "#EXT-X-RENDITION-REPORT":
                found.reports.append(attributes(value))
            case "#EXT-X-PART":
                part = attributes(value)
                independent = part.get("INDEPENDENT") == "YES"
                parts.append(Part(float(part["DURATION"]), part["URI"], independent))
            case "#EXT-X-DISCONTINUITY":
                discontinuity = True
            case "#EXT-X-MAP":
                section = attributes(value)["URI"]
            case "#EXT-X-PROGRAM-DATE-TIME":
                when = datetime.fromisoformat(value)
            case "#EXTINF":
                duration = float(value.rstrip(","))
            case "#EXT-X-ENDLIST":
                found.ended = True
            case "#EXT-X-INDEPENDENT-SEGMENTS":
                pass
            case _ if line.startswith("#") or not line:
                raise ValueError(f"unexpected line {line!r}")
            case _:
                if duration < 0:
                    raise ValueError(f"{line!r} has no EXTINF")
                number = found.next_msn
                found.segments.append(
                    Segment(number, duration, line, discontinuity, section, when, parts)
                )
                duration, discontinuity, when, parts = -1.0, False, None, []
    found.open_parts, found.open_discontinuity = parts, discontinuity
    return found


def broken_rules(text: str, *, live_window: bool = False) -> list[str]:
    """What is wrong with one media playlist. `live_window`: it must hold 3 target durations."""
    try:
        playlist = parse(text)
    except (ValueError, KeyError) as error:
        return [f"not a playlist: {error!r}"]
    broken = [
        f"segment {s.msn} lasts {s.duration}, target {playlist.target} (RFC 8216, 4.3.3.1)"
        for s in playlist.segments
        if int(s.duration + 0.5) > playlist.target
    ]
    if playlist.target < 1:
        broken.append("no target duration (RFC 8216, 4.3.3.1)")
    uris = [s.uri for s in playlist.segments]
    if len(set(uris)) != len(uris):
        broken.append("two segments have one URI")
    maps = any(s.map for s in playlist.segments)
    needed = 9 if playlist.skipped else 6 if maps else 3
    if playlist.version < needed:
        broken.append(f"version {playlist.version}, needed {needed} (RFC 8216, 7)")
    total = sum(s.duration for s in playlist.segments)
    if live_window and not playlist.skipped and total < 3 * playlist.target:
        broken.append(f"{total} s listed, less than 3 target durations (RFC 8216, 6.2.2)")
    broken += _broken_date_times(playlist)
    if playlist.part_target:
        broken += _broken_low_latency(playlist)
    elif playlist.open_parts or playlist.hint:
        broken.append("parts without EXT-X-PART-INF (rfc8216bis, 4.4.3.7)")
    return broken


def _broken_date_times(playlist: Playlist) -> list[str]:
    broken = []
    for one, other in zip(playlist.segments, playlist.segments[1:], strict=False):
        if one.date_time is None or other.date_time is None or other.discontinuity:
            continue
        gap = (other.date_time - one.date_time).total_seconds() - one.duration
        if abs(gap) > PDT_TOLERANCE_SECONDS:
            broken.append(f"segment {other.msn} starts {gap:+.3f} s off (RFC 8216, 4.3.2.6)")
    return broken


def _broken_low_latency(playlist: Playlist) -> list[str]:
    broken = []
    target, part_target, control = playlist.target, playlist.part_target, playlist.control
    if control.get("CAN-BLOCK-RELOAD") != "YES":
        broken.append("no blocking reload (rfc8216bis, B.1)")
    if float(control.get("PART-HOLD-BACK", 0)) < 2 * part_target - 1e-3:
        broken.append("PART-HOLD-BACK below 2 part targets (rfc8216bis, 4.4.3.8)")
    if float(control.get("HOLD-BACK", 3 * target)) < 3 * target:
        broken.append("HOLD-BACK below 3 target durations (rfc8216bis, 4.4.3.8)")
    if float(control.get("CAN-SKIP-UNTIL", 6 * target)) < 6 * target:
        broken.append("CAN-SKIP-UNTIL below 6 target durations (rfc8216bis, 4.4.3.8)")
    if not playlist.hint:
        broken.append("no preload hint (rfc8216bis, B.1)")
    groups = [(s.parts, True, s) for s in playlist.segments]
    groups.append((playlist.open_parts, False, None))
    for parts, finished, segment in groups:
        broken += _broken_parts(parts, part_target, finished)
        if parts and segment is not None:
            gap = sum(part.duration for part in parts) - segment.duration
            if abs(gap) > PART_SUM_TOLERANCE_SECONDS:
                broken.append(f"parts of segment {segment.msn} differ from it by {gap:+.3f} s")
    uris = [part.uri for parts, _, _ in groups for part in parts]
    if len(set(uris)) != len(uris) or playlist.hint in uris:
        broken.append("a part's URI stands twice")
    age = sum(part.duration for part in playlist.open_parts)
    for segment in reversed(playlist.segments):
        if segment.parts and age > 3 * target + 1e-3:
            broken.append(f"parts of segment {segment.msn} are too old (rfc8216bis, 4.4.4.9)")
        age += segment.duration
    return broken


def _broken_parts(parts: list[Part], part_target: float, finished: bool) -> list[str]:
    broken = []
    for position, part in enumerate(parts):
        if part.duration > part_target + 1e-4:
            broken.append(f"{part.uri} is longer than the part target (rfc8216bis, 4.4.3.7)")
        following = parts[position + 1] if position + 1 < len(parts) else None
        boundary = (finished and following is None) or (following and following.independent)
        last_open = not finished and following is None
        if part.duration < SHORTEST_PART * part_target and not boundary and not last_open:
            broken.append(f"{part.uri} is shorter than 85 % of the target (rfc8216bis, 4.4.3.7)")
    return broken


def broken_update_rules(before: str, after: str) -> list[str]:
    """What is wrong with `after` as a later version of the playlist `before`."""
    old, new = parse(before), parse(after)
    broken = []
    if new.target != old.target:
        broken.append("target duration changed (RFC 8216, 6.2.1)")
    if new.media_sequence < old.media_sequence:
        broken.append("media sequence went back (RFC 8216, 6.2.2)")
    if (new.next_msn, len(new.open_parts)) < (old.next_msn, 0):
        broken.append("segments vanished from the end (RFC 8216, 6.2.1)")
    removed = [s for s in old.segments if s.msn < new.media_sequence]
    expected = old.discontinuity_sequence + sum(s.discontinuity for s in removed)
    known = not old.skipped and new.media_sequence <= old.next_msn
    if known and new.discontinuity_sequence != expected:
        found = new.discontinuity_sequence
        broken.append(f"discontinuity sequence {found}, expected {expected} (RFC 8216, 6.2.2)")
    later = {s.msn: s for s in new.segments}
    for segment in old.segments:
        same = later.get(segment.msn)
        if same and (same.uri, same.duration, same.discontinuity, same.map, same.date_time) != (
            segment.uri,
            segment.duration,
            segment.discontinuity,
            segment.map,
            segment.date_time,
        ):
            broken.append(f"segment {segment.msn} changed (RFC 8216, 6.2.1)")
    if (finished := later.get(old.next_msn)) and finished.parts and old.open_parts:
        if finished.parts[: len(old.open_parts)] != old.open_parts:
            broken.append(f"parts of segment {finished.msn} changed (rfc8216bis, 6.2.1)")
        if finished.discontinuity != old.open_discontinuity:
            broken.append(f"segment {finished.msn} became a discontinuity after its parts")
    return broken


def merge_delta(full: str, delta: str) -> Playlist:
    """A delta update put together with the last full playlist (rfc8216bis, 6.3.7)."""
    old, new = parse(full), parse(delta)
    first = new.media_sequence
    kept = [s for s in old.segments if first <= s.msn < first + new.skipped]
    assert len(kept) == new.skipped, "the client does not have what was skipped"
    new.segments = kept + new.segments
    new.skipped = 0
    return new
