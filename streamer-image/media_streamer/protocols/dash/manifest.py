"""The manifest (MPD) as text, rendered from an index of segments; nothing here waits or reads.

ISO/IEC 23009-1, profile isoff-live, with a SegmentTimeline each track. Presentation time is the
wall clock: a period starts when its first picture was presented, counted from 1970, so that all
egress workers write the same, also after a media worker was replaced. A source whose clock is not
ours drifts away from that, and pictures of a source that tells when they were made come later than
that; `availabilityStartTime` moves along in whole seconds.

The low-latency manifest (DASH-IF IOP 5, part 4 annex; ISO/IEC 23009-1 5.10.4, 5.3.9.5) also lists
the segment under way: whoever asks for it gets its parts as they are made, and once it is finished
the timeline says how long it was. Until then its length is a guess, which must not be too long:
Shaka Player keeps what it has read and takes only those that end later, so what follows a guess
that was seconds too long does not exist for it, where a short one costs it a second request. Where
key frames come regularly the guess is what all have; else the least that a segment has.

Every discontinuity begins a period: players start their decoders and their clocks anew there. The
NUL character of `QUERY` stands for the query string of the viewer's session.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from xml.sax.saxutils import escape, quoteattr

from media_streamer.egress.http.text import QUERY
from media_streamer.presentation.track_index import Init, Period, Segment, Timing, TrackIndex
from media_streamer.protocols.dash.pictures import picture_set

TICKS = 90_000
"""Ticks a second of `Period.time`."""
RESERVE_SECONDS = 2.0
"""What a player at the suggested distance from the live edge has left when a segment is due."""
SHORT = 0.75
"""Share of a target duration that the first segment of a stream may miss: it ends early, so that
the stream can be played soon. FFmpeg 7 goes back to it for ever if it is below a second: it keeps
its place over a new manifest in whole seconds."""
DEFAULT_BANDWIDTH = {"video": 2_000_000, "audio": 128_000}
"""Announced until the first segment is finished."""
LOW_LATENCY_SECONDS = 2.0
"""The distance from the live edge that players of the low-latency manifest aim at."""
LOW_LATENCY_UPDATE_SECONDS = 0.5
"""They must know of a segment soon after it has begun."""
REGULAR_SECONDS = 0.05
"""By which segments of one length may differ: two frames of sound, or one of the picture."""
TEXT_FILE = "subtitles.vtt"
TEXT_BANDWIDTH = 256
CLOCK = "dash-time"
"""Last component of the address that tells the server's time, beside the manifest."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS = ("video", "audio")


@dataclass(frozen=True, slots=True)
class Run:
    """What one track has in one period."""

    track: TrackIndex
    init: Init
    segments: list[Segment]
    init_file: str
    """Name of the initialisation section in the folder of the track."""
    media_file: str
    """The same of the segments; `$Time$` is where each begins."""
    early_seconds: float | None = None
    """Low latency: how long before its end a segment of the usual length can be had."""

    @property
    def is_independent(self) -> bool:
        """Each segment begins with a key frame."""
        return all(segment.independent for segment in self.segments)


def render(
    tracks: Sequence[TrackIndex],
    timing: Timing,
    folder: Callable[[TrackIndex], str],
    *,
    update_seconds: float | None = None,
    location: str = "",
    low_latency: bool = False,
    pictures: int = 0,
) -> str:
    """The manifest of a live window, or of a film.

    `folder` gives the address in which the files of a track lie, with a slash at its end.
    `update_seconds`: how often players ask again; None for half a segment. `location` is where they
    ask, empty for where they got it. `low_latency`: with the segment under way. `pictures`: of a
    film, so many for who seeks.
    """
    shown = [track for track in tracks if track.init and track.init.kind in _KINDS]
    target = max((track.target_seconds(timing) for track in shown), default=1)
    if shown and not any(track.dated for track in shown):
        texts = [track for track in tracks if track.init and track.init.kind == "subtitles"]
        return _film(shown, texts, target, folder, pictures)
    update = update_seconds or max(1.0, target / 2)
    longest = max((_longest_seconds(track) for track in shown), default=0.0)
    longest = math.ceil(1000 * max(longest, target)) / 1000
    delay = longest + update + RESERVE_SECONDS
    periods = _periods(shown, SHORT * target)
    if low_latency:
        update = LOW_LATENCY_UPDATE_SECONDS
        # For players that heed no Latency. Shaka reckons the live edge from the end that is listed
        # for the segment under way, and adds the availabilityTimeOffset: a delay that does not
        # cover both lies in the future, where it waits and freezes.
        delay = LOW_LATENCY_SECONDS + longest + _early_seconds(timing)
        periods = {one: [_opened(run, timing) for run in runs] for one, runs in periods.items()}
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic"'
        ' profiles="urn:mpeg:dash:profile:isoff-live:2011"'
        f" availabilityStartTime={quoteattr(date_time_text(_drift_seconds(periods) * 1000))}"
        f" publishTime={quoteattr(date_time_text(_newest_ms(shown)))}"
        f' minimumUpdatePeriod="{duration_text(update)}"'
        f' timeShiftBufferDepth="{duration_text(_depth_seconds(shown))}"'
        f' suggestedPresentationDelay="{duration_text(delay)}"'
        f' maxSegmentDuration="{duration_text(longest)}"'
        f' minBufferTime="{duration_text(RESERVE_SECONDS)}">',
    ]
    if location:
        lines.append(f"<Location>{location}{QUERY}</Location>")
    if low_latency:
        target_ms = round(1000 * LOW_LATENCY_SECONDS)
        lines.append(
            '<ServiceDescription id="0">'
            f'<Latency target="{target_ms}" min="{target_ms // 2}" max="{3 * target_ms}"/>'
            '<PlaybackRate min="0.96" max="1.04"/></ServiceDescription>'
        )
    drift = _drift_seconds(periods)
    for period, runs in periods.items():
        clock = date_time_text(period.utc_ms + 1000 * drift) if low_latency else ""
        lines += render_period(period, period.utc_ms / 1000, runs, folder, clock)
    lines.append(
        f'<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="{CLOCK}{QUERY}"/>'
    )
    lines.append("</MPD>")
    return "\n".join(lines) + "\n"


def _opened(run: Run, timing: Timing) -> Run:
    """With the segment under way, if it goes on where the newest one ends."""
    track, newest = run.track, run.segments[-1]
    named = run.media_file.replace("dash-", "dash-ll-", 1)
    segments = run.segments
    if newest is track.segments[-1] and not (track.complete or track.open_discontinuity):
        length = round(newest.duration * run.init.timescale)
        opened = replace(
            newest,
            msn=newest.msn + 1,
            time=newest.time + length,
            start_utc_ms=newest.start_utc_ms + round(1000 * newest.duration),
            duration=_guess(segments, timing),
        )
        segments = [*segments, opened]
    return replace(run, segments=segments, media_file=named, early_seconds=_early_seconds(timing))


def _early_seconds(timing: Timing) -> float:
    return max(0.0, timing.segment - timing.part)


def _guess(segments: Sequence[Segment], timing: Timing) -> float:
    """How long the segment behind these is taken to be, in seconds."""
    lengths = [segment.duration for segment in segments]
    shortest = min(lengths)
    regular = len(lengths) > 1 and max(lengths) - shortest < REGULAR_SECONDS
    return shortest if regular else min(shortest, timing.segment)


def _longest_seconds(track: TrackIndex) -> float:
    """That a segment was so far, the one under way included."""
    listed = max((segment.duration for segment in track.segments), default=0.0)
    return max(track.longest_segment, listed, _made_seconds(track))


def _made_seconds(track: TrackIndex) -> float:
    """Of the segment under way."""
    return sum(part.duration for part in track.parts)


def _film(
    tracks: Sequence[TrackIndex],
    texts: Sequence[TrackIndex],
    target: int,
    folder: Callable[[TrackIndex], str],
    pictures: int,
) -> str:
    """The manifest of a file: all of it is there, and it begins at 0 (type static, 5.3.1.2)."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"'
        ' profiles="urn:mpeg:dash:profile:isoff-live:2011"'
        f' mediaPresentationDuration="{duration_text(_depth_seconds(tracks))}"'
        f' maxSegmentDuration="{duration_text(target)}"'
        f' minBufferTime="{duration_text(RESERVE_SECONDS)}">',
    ]
    for period, runs in _periods(tracks, 0.0).items():
        lines += render_period(period, 0.0, runs, folder)
        lines[-1:] = [*_texts(texts, len(runs), folder), lines[-1]]
        if pictures:
            number, inits = len(runs) + len(texts), [run.init for run in runs]
            seen = picture_set(number, inits, pictures, _depth_seconds(tracks))
            lines[-1:] = [*seen, lines[-1]]
    lines.append("</MPD>")
    return "\n".join(lines) + "\n"


def _texts(
    tracks: Sequence[TrackIndex], first: int, folder: Callable[[TrackIndex], str]
) -> Iterator[str]:
    """Subtitles: a file each, with the times of the film."""
    for number, track in enumerate(tracks, first):
        init = track.init or Init(0)
        language = "".join(c for c in init.language if c.isalnum() or c == "-")
        lang = f' lang="{language}"' if language else ""
        yield f'<AdaptationSet id="{number}" contentType="text" mimeType="text/vtt"{lang}>'
        yield '<Role schemeIdUri="urn:mpeg:dash:role:2011" value="subtitle"/>'
        yield f'<Representation id={quoteattr(track.name)} bandwidth="{TEXT_BANDWIDTH}">'
        yield f"<BaseURL>{escape(folder(track))}{TEXT_FILE}{QUERY}</BaseURL>"
        yield "</Representation>"
        yield "</AdaptationSet>"


def _periods(tracks: Sequence[TrackIndex], short: float) -> dict[Period, list[Run]]:
    """What each period holds, the oldest first; one that no track has anything of is left out.

    `short`: seconds below which the first segment of a stream is shown only while it is alone.
    """
    found: dict[Period, list[Run]] = {}
    for track in tracks:
        runs: dict[Period, Run] = {}
        for segment in track.segments:
            init = track.inits.get(segment.init)
            if segment.period is None or segment.is_empty or init is None or not init.timescale:
                continue
            run = runs.get(segment.period)
            if run is None:
                media = f"dash-{segment.period.utc_ms}-$Time$.m4s"
                run = Run(track, init, [], f"dash-init-{init.name}.mp4", media)
                runs[segment.period] = run
            run.segments.append(segment)
        for period, run in runs.items():
            found.setdefault(period, []).append(run)
    for together in found.values():
        _leave_out_short(together, short)
    return dict(sorted(found.items(), key=lambda item: item[0].utc_ms))


def _leave_out_short(runs: Sequence[Run], short: float) -> None:
    """The first segment goes in all tracks or in none: sound is cut a frame beside the picture, so
    it alone may be below `short`, and picture and sound would begin a segment apart."""
    firsts: dict[int, list[Run]] = {}
    for run in runs:
        firsts.setdefault(run.segments[0].msn, []).append(run)
    for members in firsts.values():
        is_short = any(run.segments[0].duration < short for run in members)
        if is_short and all(len(run.segments) > 1 for run in members):
            for run in members:
                del run.segments[0]


def _drift_seconds(periods: dict[Period, list[Run]]) -> int:
    """How much later than presentation time says the newest segment came, in whole seconds.

    Players take what they are told for when it can be had.
    """
    if not periods:
        return 0
    period, runs = next(reversed(periods.items()))
    newest, timescale = runs[0].segments[-1], runs[0].init.timescale
    shown_ms = period.utc_ms + 1000 * (newest.time / timescale - period.time / TICKS)
    return int((newest.start_utc_ms - shown_ms) / 1000) + round(newest.late_ms / 1000)


def _newest_ms(tracks: Sequence[TrackIndex]) -> int:
    ends = [
        t.segments[-1].start_utc_ms + 1000 * t.segments[-1].duration for t in tracks if t.segments
    ]
    return round(max(ends, default=0))


def _depth_seconds(tracks: Sequence[TrackIndex]) -> float:
    """How far a viewer can go back."""
    return max((sum(s.duration for s in track.segments) for track in tracks), default=0.0)


def render_period(
    period: Period,
    start: float,
    runs: Sequence[Run],
    folder: Callable[[TrackIndex], str],
    clock: str = "",
) -> Iterator[str]:
    """A period that is presented from `start` on, in seconds; lines of text.

    `clock`: when its first picture was made, for players that keep a latency; empty: not said.
    """
    yield f'<Period id="{period.utc_ms}" start="{duration_text(start)}">'
    for number, members in enumerate(_sets(runs)):
        yield _set_head(number, members)
        main = members[0].track.name[1:] == "1"
        role = "main" if main else "alternate"
        yield f'<Role schemeIdUri="urn:mpeg:dash:role:2011" value="{role}"/>'
        if clock:
            first = round(period.time * members[0].init.timescale / TICKS)
            yield (
                f'<ProducerReferenceTime id="{number}" type="encoder" wallClockTime="{clock}"'
                f' presentationTime="{first}"><UTCTiming'
                f' schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="{CLOCK}{QUERY}"/>'
                "</ProducerReferenceTime>"
            )
        for run in members:
            yield from _representation(period, run, folder(run.track))
        yield "</AdaptationSet>"
    yield "</Period>"


def _sets(runs: Sequence[Run]) -> list[list[Run]]:
    """Tracks between which a player may switch; the best first, video before audio."""
    found: dict[tuple[str, ...], list[Run]] = {}
    for run in sorted(runs, key=lambda run: (_KINDS.index(run.init.kind), run.track.name)):
        init = run.init
        codec = init.codecs.partition(".")[0]
        # Videos that are cut together at key frames are renditions, also if nobody says so. What
        # is in no group stands for itself else: another sound, or key frames where they like.
        together = init.group or (init.kind == "video" and run.is_independent)
        key = (init.kind, init.group, codec) if together else (init.kind, "", run.track.name)
        found.setdefault(key, []).append(run)
    for members in found.values():
        members.sort(key=lambda run: run.init.rank)
    return list(found.values())


def _set_head(number: int, members: Sequence[Run]) -> str:
    init = members[0].init
    language = "".join(c for c in init.language if c.isalnum() or c == "-")
    lang = f' lang="{language}"' if language else ""
    start = ' startWithSAP="1"' if all(run.is_independent for run in members) else ""
    return (
        f'<AdaptationSet id="{number}" contentType="{init.kind}" mimeType="{init.kind}/mp4"{lang}'
        f' segmentAlignment="true"{start}>'
    )


def _representation(period: Period, run: Run, folder: str) -> Iterator[str]:
    init = run.init
    rates = [segment.bandwidth for segment in run.segments]
    bandwidth = max(rates, default=0) or init.bandwidth or DEFAULT_BANDWIDTH[init.kind]
    said = [f"id={quoteattr(run.track.name)}", f'bandwidth="{bandwidth}"']
    if init.codecs:
        said.append(f"codecs={quoteattr(init.codecs)}")
    if init.kind == "video" and init.width and init.height:
        said.append(f'width="{init.width}" height="{init.height}"')
        if init.fps > 0:
            said.append(f'frameRate="{_frame_rate(init.fps)}"')
    if init.kind == "audio" and init.sample_rate:
        said.append(f'audioSamplingRate="{init.sample_rate}"')
    yield f"<Representation {' '.join(said)}>"
    if init.kind == "audio" and init.channels:
        yield (
            "<AudioChannelConfiguration"
            ' schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011"'
            f' value="{init.channels}"/>'
        )
    where = quoteattr(f"{folder}{run.init_file}{QUERY}")
    media = quoteattr(f"{folder}{run.media_file}{QUERY}")
    offset = round(period.time * init.timescale / TICKS)
    ahead = ""
    if run.early_seconds is not None:
        early = round(run.early_seconds, 3)
        ahead = f' availabilityTimeOffset="{early:g}" availabilityTimeComplete="false"'
    yield (
        f'<SegmentTemplate timescale="{init.timescale}" presentationTimeOffset="{offset}"{ahead}'
        f" initialization={where} media={media}>"
    )
    yield "<SegmentTimeline>"
    yield from _timeline(run.segments, init.timescale)
    yield "</SegmentTimeline>"
    yield "</SegmentTemplate>"
    yield "</Representation>"


def _timeline(segments: Sequence[Segment], timescale: int) -> Iterator[str]:
    """Entries for segments: equal ones that follow each other share one, and a time is said where
    it does not follow (ISO/IEC 23009-1, 5.3.9.6)."""
    expected = -1
    start, duration, repeats = 0, 0, -1
    for segment in segments:
        length = round(segment.duration * timescale)
        if repeats >= 0 and segment.time == expected and length == duration:
            repeats += 1
        else:
            if repeats >= 0:
                yield _entry(start, duration, repeats)
            start, duration, repeats = segment.time, length, 0
        expected = segment.time + length
    if repeats >= 0:
        yield _entry(start, duration, repeats)


def _entry(start: int, duration: int, repeats: int) -> str:
    again = f' r="{repeats}"' if repeats else ""
    return f'<S t="{start}" d="{duration}"{again}/>'


def _frame_rate(fps: float) -> str:
    rate = Fraction(fps).limit_denominator(1001)
    return str(rate.numerator) if rate.denominator == 1 else f"{rate.numerator}/{rate.denominator}"


def duration_text(seconds: float) -> str:
    """xs:duration; whole seconds are written without a fraction."""
    return f"PT{round(seconds, 3):.3f}".rstrip("0").rstrip(".") + "S"


def date_time_text(utc_ms: int) -> str:
    """xs:dateTime in UTC with milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=utc_ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
