"""Subtitles of a film as a track of its index: stretches of WebVTT, made when asked for."""

from media_streamer.presentation.film import FilmTrack
from media_streamer.presentation.track_index import Init, Segment

STRETCH_SECONDS = 30.0
NOMINAL_BYTES = 512
"""What a stretch is told to have: it is not made before somebody wants it."""


def text_track(number: int, language: str, seconds: float, base_ms: int) -> FilmTrack:
    """Subtitles `number` (from 1) of a film of that length; `base_ms` names the content."""
    init = Init(0, codecs="wvtt", kind="subtitles", language=language, timescale=1000)
    track = FilmTrack(f"t{number}", inits={0: init})
    segments: list[Segment] = []
    begin = 0.0
    while begin < seconds or not segments:
        duration = max(0.001, min(STRETCH_SECONDS, seconds - begin))
        segments.append(
            Segment(
                msn=len(segments),
                start_utc_ms=base_ms + round(begin * 1000),
                duration=duration,
                path="",
                size=NOMINAL_BYTES,
                discontinuity=False,
                init=0,
                bandwidth=round(NOMINAL_BYTES * 8 / STRETCH_SECONDS),
                time=round(begin * 1000),
            )
        )
        begin += STRETCH_SECONDS
    track.put(segments)
    return track
