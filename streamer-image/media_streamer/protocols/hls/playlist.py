"""Playlists as text, rendered from an index of segments; nothing here waits or reads.

RFC 8216 and draft-pantos-hls-rfc8216bis (low-latency HLS). The NUL character stands for the query
string of the viewer's session in every URI: a playlist is rendered once for all viewers.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from media_streamer.egress.http.text import QUERY
from media_streamer.presentation.selection import track_names
from media_streamer.presentation.track_index import Init, Part, Segment, Timing, TrackIndex
from media_streamer.protocols.hls.key_tags import KeyLine, KeyTags, not_encrypted

PART_HOLD_BACK_PARTS = 3
"""At least twice, better three times the part target (rfc8216bis, 4.4.3.8)."""
HOLD_BACK_TARGETS = 3
SKIP_TARGETS = 6
"""CAN-SKIP-UNTIL must be at least six target durations (rfc8216bis, 4.4.3.8)."""
PARTS_FOR_TARGETS = 3
"""Parts older than this many target durations are left out (rfc8216bis, 4.4.4.9)."""
PART_MARGIN = 1
"""Microseconds by which the duration of a part is told too long."""
TEXTS = "subtitles"
"""The group of all of them."""
DEFAULT_BANDWIDTH = 2_000_000
"""Announced until the first segment is finished."""
BANDWIDTH_MARGIN = 1.1
"""Head-room for segments to come above the highest one seen."""
SOUND_BANDWIDTH = 160_000
"""The same of sound alone in MPEG-TS, which nobody has measured before somebody listens."""
_VIDEO_CODECS = ("avc", "hvc", "hev", "mp4v", "av01", "vp0")
NO_TS_CODECS = ("hvc1", "hev1", "av01", "vp08", "vp09", "opus", "Opus")
"""HLS carries these in fragmented MP4 only (Apple's HLS authoring specification, 1.5 and 2.3)."""


def needs_fmp4(tracks: Iterable[TrackIndex]) -> bool:
    """Some track has a codec that HLS does not carry in MPEG-TS."""
    return any(
        codec.strip().startswith(NO_TS_CODECS)
        for track in tracks
        if track.init
        for codec in track.init.codecs.split(",")
    )


def part_target(track: TrackIndex, timing: Timing) -> float:
    """PART-TARGET in seconds."""
    return max(timing.part, track.longest_part)


def render_media(
    track: TrackIndex,
    timing: Timing,
    extension: str,
    *,
    prefix: str = "",
    others: Sequence[TrackIndex] = (),
    low_latency: bool = False,
    skip: bool = False,
    key_line: KeyLine = not_encrypted,
) -> str:
    """A media playlist; `extension` is that of the segments, `others` have rendition reports.

    `prefix` is put before the URI of each segment; empty for URIs relative to the playlist. `skip`
    asks for a delta update; it is ignored where there is nothing to leave out. `key_line` is for
    playlists without low latency.
    """
    target = track.target_seconds(timing)
    skipped = _skippable(track, SKIP_TARGETS * target) if low_latency and skip else 0
    version = 9 if low_latency else 7 if extension == "m4s" else 3
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{version}", f"#EXT-X-TARGETDURATION:{target}"]
    if track.complete and not track.dated:
        lines.append("#EXT-X-PLAYLIST-TYPE:VOD")
    if low_latency:
        lines += _server_control(part_target(track, timing), target)
    first = track.segments[0].msn if track.segments else track.next_msn
    lines.append(f"#EXT-X-MEDIA-SEQUENCE:{first}")
    if track.discontinuity_sequence:
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{track.discontinuity_sequence}")
    if version > 3 and track.is_independent:
        lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    if skipped:
        lines.append(f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")
    with_parts = _first_with_parts(track, PARTS_FOR_TARGETS * target) if low_latency else 1 << 62
    init = track.segments[skipped - 1].init if skipped else -1
    segments = list(track.segments)
    # A segment is listed as under way until there is a part of the next one. Without any part in
    # it the end of a playlist says nothing to video.js 8 (VHS 3): it keeps those of the segment
    # before and asks for the same again and again.
    under_way = segments.pop() if low_latency and track.is_between else None
    keys = KeyTags(key_line)
    for segment in segments[skipped:]:
        if segment.discontinuity:
            lines.append("#EXT-X-DISCONTINUITY")
        if segment.init != init and extension == "m4s":
            init = segment.init
            lines += keys.before_section()
            lines.append(_map(track, init, prefix))
        lines += keys.before(segment.name)
        if track.dated:
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{_date_time(segment)}")
        if segment.msn >= with_parts:
            lines += _parts(segment.parts, prefix)
        if extension == "m4s":
            lines.append(f"#EXTINF:{_over(segment.duration, _part_count(segment, timing)):.6f},")
        else:
            lines.append(f"#EXTINF:{segment.duration:.3f},")
        lines.append(f"{prefix}{segment.name}.{extension}{QUERY}")
    if track.complete:
        lines.append("#EXT-X-ENDLIST")
    elif low_latency:
        if under_way is not None:
            lines += _discontinuity_and_map(
                track, prefix, init, under_way.init, discontinuity=under_way.discontinuity
            )
            lines += _parts(under_way.parts, prefix)
        lines += _open_segment(track, prefix, init)
        lines += _reports(others)
    return "\n".join(lines) + "\n"


def _over(seconds: float, parts: int = 1) -> float:
    """A duration of so many parts, to microseconds and never too short.

    Players add durations up and compare with the time stamps of the media. Shaka Player (5.2) takes
    a part that is listed a little too early for a jump of the clock: it resets the decoder, and all
    is lost up to the next key frame. One that is late by less than a millisecond is none.
    """
    return (round(seconds * 1e6) + PART_MARGIN * parts) / 1e6


def _part_count(segment: Segment, timing: Timing) -> int:
    """How many parts a segment has at most, whether they are known here or not."""
    return 1 + 2 * round(segment.duration / timing.part)


def _server_control(part: float, target: int) -> list[str]:
    return [
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES"
        f",CAN-SKIP-UNTIL={SKIP_TARGETS * target:.1f}"
        f",HOLD-BACK={HOLD_BACK_TARGETS * target:.1f}"
        f",PART-HOLD-BACK={math.ceil(1000 * PART_HOLD_BACK_PARTS * _over(part)) / 1000:.3f}",
        f"#EXT-X-PART-INF:PART-TARGET={_over(part):.6f}",
    ]


def _open_segment(track: TrackIndex, prefix: str, init: int) -> Iterator[str]:
    if track.parts:
        yield from _discontinuity_and_map(
            track, prefix, init, track.open_init, discontinuity=track.open_discontinuity
        )
    yield from _parts(track.parts, prefix)
    # The next one, whichever segment it will be in: parts are counted over all segments, so what
    # is hinted at always comes (strict players fail on a 404).
    hint = f"{prefix}part-{track.next_part}.m4s{QUERY}"
    yield f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{hint}"'


def _discontinuity_and_map(
    track: TrackIndex, prefix: str, before: int, init: int, *, discontinuity: bool
) -> Iterator[str]:
    """What stands before the parts of a segment; `before`: the section of the segment before."""
    if discontinuity:
        yield "#EXT-X-DISCONTINUITY"
    if init != before:
        yield _map(track, init, prefix)


def _parts(parts: Sequence[Part], prefix: str) -> Iterator[str]:
    for part in parts:
        uri = f"{prefix}part-{part.seq}.m4s{QUERY}"
        independent = ",INDEPENDENT=YES" if part.independent else ""
        yield f'#EXT-X-PART:DURATION={_over(part.duration):.6f},URI="{uri}"{independent}'


def _reports(others: Sequence[TrackIndex]) -> Iterator[str]:
    for other in others:
        msn, part = other.last
        if msn >= 0:
            last_part = f",LAST-PART={part}" if part >= 0 else ""
            uri = f"../tracks-{other.name}/index.ll.m3u8{QUERY}"
            yield f'#EXT-X-RENDITION-REPORT:URI="{uri}",LAST-MSN={msn}{last_part}'


def _map(track: TrackIndex, number: int, prefix: str) -> str:
    name = track.inits.get(number, Init(number)).name
    return f'#EXT-X-MAP:URI="{prefix}init-{name}.mp4{QUERY}"'


def _date_time(segment: Segment) -> str:
    seconds, ms = divmod(segment.start_utc_ms, 1000)
    days, seconds = divmod(seconds, 86_400)
    return f"{_date(days)}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms:03}Z"


def _date(days: int) -> str:
    return date.fromordinal(date(1970, 1, 1).toordinal() + days).isoformat()


def _first_with_parts(track: TrackIndex, seconds: float) -> int:
    """Number of the first segment that starts less than `seconds` before the end."""
    left = seconds - sum(part.duration for part in track.parts)
    first = track.next_msn
    for segment in reversed(track.segments):
        if left <= 0:
            break
        first = segment.msn
        left -= segment.duration
    return first


def _skippable(track: TrackIndex, seconds: float) -> int:
    """How many of the first segments are older than the skip boundary."""
    age = sum(part.duration for part in track.parts)
    for position, segment in zip(
        range(len(track.segments), 0, -1), reversed(track.segments), strict=True
    ):
        age += segment.duration
        if age > seconds:
            return position - 1
    return 0


def render_master(
    tracks: Sequence[TrackIndex], media: str, *, separate: bool, audio_only: bool = False
) -> str:
    """The multivariant playlist over `tracks`; `media` is the file name of the media playlists.

    Each video is a variant. `separate`: all audio tracks are renditions of their own (fragmented
    MP4); else a video has the first audio track with it, and others, if any, are renditions.
    `audio_only` adds a variant without video; in MPEG-TS it is made of the stream once somebody
    asks for it.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{7 if separate else 3}"]
    if all(track.is_independent for track in tracks):
        lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    texts = [track for track in tracks if track.init and track.init.kind == "subtitles"]
    videos = [track for track in tracks if _has_video(track)]
    audios = [track for track in tracks if not _has_video(track) and track not in texts]
    groups = _groups(audios) if videos else {}
    if groups and not separate:
        # What is in the variants themselves has no URI (RFC 8216, 4.3.4.1).
        lines += [_audio_rendition(videos[0], group, is_default=True) for group in groups]
    for group, members in groups.items():
        for track in members:
            is_default = separate and track is audios[0]
            uri = f"tracks-{track.name}/{media}{QUERY}"
            lines.append(_audio_rendition(track, group, uri, is_default=is_default))
    lines += _text_renditions(texts, media)
    # Said of all variants or of none (RFC 8216, 4.3.4.2). Shaka Player (5.2) spends its start on
    # looking for captions else, also in the segment under way, which has no address yet.
    has_none = bool(videos) and all(track.captions is False for track in videos)
    captions = ["CLOSED-CAPTIONS=NONE"] if has_none else []
    common = [*([f'SUBTITLES="{TEXTS}"'] if texts else ()), *captions]
    for group, members in groups.items() or [("", [])]:
        for track in videos:
            lines += _variant(track, members, media, group, common)
    if not videos or (audio_only and separate):
        for track in audios:
            lines += _variant(track, (), media, _group_of(track, groups), common)
    elif audio_only:
        sounds = [one for track in videos[:1] if (one := _sound_of(track)) is not None]
        for track in [*sounds, *audios]:
            lines += _variant(track, (), media, "", captions)
    return "\n".join(lines) + "\n"


def _sound_of(multiplex: TrackIndex) -> TrackIndex | None:
    """The sound of a multiplex by itself; what it takes of the bit rate is not known."""
    names = [name for name in track_names(multiplex.name) if name.startswith("a")]
    if not names or multiplex.init is None:
        return None
    codecs = [one for one in multiplex.init.codecs.split(",") if not one.startswith(_VIDEO_CODECS)]
    sound = Init(0, codecs=",".join(codecs), bandwidth=SOUND_BANDWIDTH, kind="multiplex")
    return TrackIndex(names[0], inits={0: sound})


def _has_video(track: TrackIndex) -> bool:
    return "v" in track.name


def _groups(audios: Sequence[TrackIndex]) -> dict[str, list[TrackIndex]]:
    """Audio tracks by the identifier of their rendition group: one for each codec, since whoever
    takes a variant must be able to play all that is in its group (RFC 8216, 4.3.4.2)."""
    found: dict[str, list[TrackIndex]] = {}
    for track in audios:
        codec = track.init.codecs.partition(".")[0] if track.init else ""
        found.setdefault(codec, []).append(track)
    if len(found) == 1:
        return {"audio": list(audios)}
    return {f"audio-{codec}": members for codec, members in found.items()}


def _group_of(track: TrackIndex, groups: Mapping[str, Sequence[TrackIndex]]) -> str:
    return next((group for group, members in groups.items() if track in members), "")


def _text_renditions(texts: Sequence[TrackIndex], media: str) -> Iterator[str]:
    """Subtitles; nobody sees them without wanting to (RFC 8216, 4.3.4.1)."""
    for track in texts:
        init = track.init or Init(0)
        language = "".join(c for c in init.language if c.isalnum() or c == "-")
        attributes = [
            "TYPE=SUBTITLES",
            f'GROUP-ID="{TEXTS}"',
            f'NAME="{f"{track.name} {language}".strip()}"',
            *([f'LANGUAGE="{language}"'] if language else ()),
            "DEFAULT=NO,AUTOSELECT=YES,FORCED=NO",
            f'URI="tracks-{track.name}/{media}{QUERY}"',
        ]
        yield f"#EXT-X-MEDIA:{','.join(attributes)}"


def _variant(
    track: TrackIndex,
    audios: Sequence[TrackIndex],
    media: str,
    group: str,
    common: Sequence[str],
) -> list[str]:
    """`common`: attributes that all variants have."""
    init = track.init or Init(0)
    rate = track.bandwidth + max((audio.bandwidth for audio in audios), default=0)
    codecs = [init.codecs, *dict.fromkeys(a.init.codecs for a in audios if a.init)]
    attributes = [f"BANDWIDTH={round(rate * BANDWIDTH_MARGIN) or DEFAULT_BANDWIDTH}"]
    average = track.average_bandwidth + max((a.average_bandwidth for a in audios), default=0)
    if average:
        attributes.append(f"AVERAGE-BANDWIDTH={average}")
    if all(codecs):
        named = dict.fromkeys(one for text in codecs for one in text.split(","))
        attributes.append(f'CODECS="{",".join(named)}"')
    if init.width and init.height:
        attributes.append(f"RESOLUTION={init.width}x{init.height}")
        if init.fps > 0:
            attributes.append(f"FRAME-RATE={init.fps:.3f}")
    if group:
        attributes.append(f'AUDIO="{group}"')
    attributes += common
    return [
        f"#EXT-X-STREAM-INF:{','.join(attributes)}",
        f"tracks-{track.name}/{media}{QUERY}",
    ]


def _audio_rendition(track: TrackIndex, group: str, uri: str = "", *, is_default: bool) -> str:
    init = track.init or Init(0)
    # A quote or control character in a language would break the attribute list.
    language = "".join(c for c in init.language if c.isalnum() or c == "-")
    name = f"{track.name[track.name.find('a') :]} {language}".strip()
    attributes = ["TYPE=AUDIO", f'GROUP-ID="{group}"', f'NAME="{name}"']
    if language:
        attributes.append(f'LANGUAGE="{language}"')
    attributes.append("DEFAULT=YES" if is_default else "DEFAULT=NO")
    attributes.append("AUTOSELECT=YES")
    if init.channels:
        attributes.append(f'CHANNELS="{init.channels}"')
    if uri:
        attributes.append(f'URI="{uri}"')
    return f"#EXT-X-MEDIA:{','.join(attributes)}"
