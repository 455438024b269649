"""Segments of a stream: what both containers share, and fragmented MP4, a track each, in parts.

All tracks of a format are cut at the same boundary and share media sequence numbers: those of the
stream (`cuts`). MPEG-TS is in `ts_segments`.
"""

import logging
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from media_streamer.media.frame import Cut, Frame, Track
from media_streamer.media.gop import Boundary, Entry
from media_streamer.media.mux.fmp4 import EMPTY_SEGMENT, NOT_CARRIED, Fmp4Track, Part
from media_streamer.media.segment_files import SegmentFile, SegmentFiles
from media_streamer.media.segmenter import FIRST_TICKS, ends_late
from media_streamer.media.settings import OutputSettings
from media_streamer.media.window import TrackWindow
from media_streamer.syntax import boxes
from media_streamer.wire.media import (
    InitSection,
    PartReady,
    SegmentEvent,
    SegmentReady,
    TracksReset,
)

log = logging.getLogger(__name__)

CAPTIONS = b"\xb5\x00\x31GA94\x03"
"""What CEA-608 and CEA-708 captions begin with beside a picture, in SEI of H.264 and H.265 as in
metadata of AV1 (ITU-T T.35 of ATSC A/53 part 4, 6.2.3)."""
LATE_MS = 2000
"""What comes sooner than this after its moment is on time."""
LATE_STEP_MS = 1500
"""By less than this it does not change: players would have to move along."""


class Lateness:
    """How long after their moment the frames of a stream come, by the newest ones: what is kept of
    before is no measure."""

    def __init__(self) -> None:
        self._told_ms = 0.0
        self._least_ms: float | None = None
        """At best in the running segment."""

    def came(self, frame: Frame) -> None:
        """It has just come."""
        late_ms = 1000 * time.time() - frame.utc_ms
        self._least_ms = late_ms if self._least_ms is None else min(self._least_ms, late_ms)

    def begin(self) -> None:
        """Another segment."""
        self._least_ms = None

    @property
    def ms(self) -> int:
        """`SegmentReady.late_ms` of the running segment, at its end."""
        if self._least_ms is not None and abs(self._least_ms - self._told_ms) > LATE_STEP_MS:
            self._told_ms = self._least_ms
        return round(self._told_ms) if self._told_ms > LATE_MS else 0


class Segments:
    """What both containers share: the plan, the files, the messages."""

    format = ""

    def __init__(self, settings: OutputSettings) -> None:
        self._settings = settings
        self._files = SegmentFiles(settings.directory, settings.name, self.format)
        self._pending: list[SegmentEvent] = []
        self._names: list[str] = []
        self._init = -1
        """Number of the newest initialisation sections."""
        self._start: int | None = None
        """DTS at which the running segment starts."""
        self._start_utc_ms = 0
        self._cut: Cut | None = None
        """The stream's word of the running segment, or of the last one."""
        self._msn = 0
        self._early = False
        """The running segment began in the midst of one of the stream, and is to end soon: it has
        the number before, and what is left of the stream's the right one."""
        self._counted = self._files.count_of_predecessor()
        """Discontinuities up to the death of another worker; None if none died."""
        self._discontinuity = False
        """The running segment does not continue the last."""
        self._discontinuities = 0
        """How many there were up to the running segment's start."""
        self._lateness = Lateness()

    def take(self) -> list[SegmentEvent]:
        self._files.sweep()
        events = list(self._pending)
        self._pending.clear()
        return events

    def gap(self) -> None:
        """End the running segment; the next one is a discontinuity."""
        if self._start is not None:
            self._finish(None)
            self._start = None

    def set_tracks(self, tracks: Sequence[Track], header: bytes, audio_only: bool) -> None:
        """New initialisation sections, and a discontinuity if there were others before."""
        self.gap()
        names = self._track_names(tracks)
        if self._names and names != self._names:
            self._replace_tracks(names)
        self._names = names
        self._init += 1
        self._set_tracks(tracks)

    def push(self, entries: Sequence[Entry]) -> None:
        if entries and any(self._names):
            self._lateness.came(entries[-1].frame)
            if self._cut is None:
                self._early = not _holds_a_cut(entries)
            for entry in entries:
                self._append(entry)

    def _append(self, entry: Entry) -> None:
        frame, _, boundary, cut = entry
        if boundary is not Boundary.NONE and cut is not None and self._is_next(cut, frame.dts):
            if self._start is not None:
                self._finish(entry)
                self._lateness.begin()
            self._number(cut, frame.dts)
            self._start = frame.dts
            self._start_utc_ms = frame.utc_ms
            self._begin()
        if self._start is not None:
            self._add(entry)

    def _is_next(self, cut: Cut, dts: int) -> bool:
        """Whether a segment begins at the boundary at `dts`, which is in this one of the stream."""
        if self._start is None or self._cut is None or cut.msn != self._cut.msn:
            return True
        return self._early and dts - self._start >= FIRST_TICKS

    def _number(self, cut: Cut, dts: int) -> None:
        """The next segment is this one of the stream; `_start` is still that of the one before.

        Numbers have no holes: a selection of tracks that can be cut more rarely than the stream
        falls behind its count.
        """
        before, self._cut = self._cut, cut
        if before is None:
            self._early = self._early and ends_late(dts, cut.begin, cut.target_ms)
            self._msn = cut.msn - self._early
            self._discontinuity = self._counted is not None
            self._discontinuities = cut.discontinuities
            if self._counted is not None:
                self._discontinuities = self._counted + 1
        else:
            following = self._msn + 1
            goes_on = self._start is not None and not self._early
            self._msn = following if goes_on else max(following, cut.msn)
            self._early = False
            self._discontinuity = not cut.continues(before)
            if self._counted is not None:
                self._discontinuities += self._discontinuity
            else:
                self._discontinuities = cut.discontinuities
        if before is None or self._discontinuity:
            self._files.save_count(self._discontinuities)

    def reconfigure(self, settings: OutputSettings) -> None:
        """Use other settings from the next segment on."""
        self._settings = settings

    def close(self) -> None:
        self._clear()
        self._files.remove_all()

    def _announce(
        self,
        window: TrackWindow,
        file: SegmentFile,
        start_utc_ms: int,
        duration: float,
        time: int = 0,
        *,
        independent: bool = True,
    ) -> None:
        """The running segment of a track is complete; `duration` in seconds, `time` in ticks."""
        size = file.size
        assert self._cut is not None
        message = SegmentReady(
            track=window.name,
            msn=self._msn,
            path=str(file.path),
            init=self._init,
            start_utc_ms=start_utc_ms,
            time=time,
            duration=duration,
            size=size,
            discontinuity=self._discontinuity,
            discontinuities=self._discontinuities,
            period_utc_ms=self._cut.period_utc_ms,
            period_time=self._cut.period_time,
            late_ms=self._lateness.ms,
            bandwidth=round(size * 8 / duration) if duration > 0 else 0,
            independent=independent,
            target_ms=self._cut.target_ms,
            captions=window.captions,
        )
        window.segment(message, file.path)

    def _track_names(self, tracks: Sequence[Track]) -> list[str]:
        raise NotImplementedError

    def _replace_tracks(self, _names: list[str]) -> None:
        """Other names than before void what subscribers know, for a track that is gone would stay
        with them for ever: after `reset` the whole new state follows, as for a new subscriber."""
        self._clear()
        self._pending[:] = [TracksReset()]

    def _set_tracks(self, tracks: Sequence[Track]) -> None:
        raise NotImplementedError

    def _begin(self) -> None:
        raise NotImplementedError

    def _add(self, entry: Entry) -> None:
        raise NotImplementedError

    def _finish(self, following: Entry | None) -> None:
        """End the running segment; `following` starts the next one, None if nothing does yet."""
        raise NotImplementedError

    def _clear(self) -> None:
        """Forget everything that was announced."""
        raise NotImplementedError


@dataclass(slots=True)
class _Lane:
    """One fMP4 track under way."""

    writer: Fmp4Track
    window: TrackWindow
    file: SegmentFile | None = None
    start_utc_ms: int | None = None
    """Wall clock of its first frame in the running segment."""
    independent: bool = True
    """The running segment begins with a key frame."""


class Fmp4Segments(Segments):
    """A track each, segments that grow by parts."""

    format = "fmp4"

    def __init__(self, settings: OutputSettings) -> None:
        super().__init__(settings)
        self._lanes: dict[int, _Lane] = {}
        self._windows: dict[str, TrackWindow] = {}

    def replay(self) -> list[SegmentEvent]:
        """The initialisation sections of all tracks come first: whoever has read one segment
        knows all tracks, also if the rest of the replay arrives later."""
        events = [event for window in self._windows.values() for event in window.replay()]
        return sorted(events, key=lambda event: not isinstance(event, InitSection))

    def reconfigure(self, settings: OutputSettings) -> None:
        super().reconfigure(settings)
        for lane in self._lanes.values():
            lane.writer.set_part_duration(settings.chunk_duration_ms)
            lane.window.count = settings.segment_count

    def set_tracks(self, tracks: Sequence[Track], header: bytes, audio_only: bool) -> None:
        carried = [track for track in tracks if track.codec not in NOT_CARRIED]
        for track in tracks:
            if track not in carried:
                name = self._settings.name
                log.warning("stream %s: MP4 cannot carry %s (%s)", name, track.name, track.codec)
        super().set_tracks(carried, header, audio_only)

    def _track_names(self, tracks: Sequence[Track]) -> list[str]:
        return [track.name for track in tracks]

    def _set_tracks(self, tracks: Sequence[Track]) -> None:
        self._lanes = {}
        windows = {}
        for track in tracks:
            window = self._windows.get(track.name) or TrackWindow(
                track.name, self._files, self._settings.segment_count, self._pending
            )
            windows[track.name] = window
            name = f"init-{track.name}-{self._init}-{zlib.crc32(track.init):08x}.mp4"
            path = self._files.write_whole(name, track.init)
            window.init(init_section(track.name, self._init, path, [track], []), path)
            writer = Fmp4Track(track, self._settings.chunk_duration_ms)
            self._lanes[track.number] = _Lane(writer, window)
            if track.kind == "video":
                window.captions = window.captions or False
        self._windows = windows

    def _begin(self) -> None:
        for lane in self._lanes.values():
            lane.file = self._files.create(f"{lane.window.name}-{self._msn}.m4s")
            lane.start_utc_ms = None

    def _add(self, entry: Entry) -> None:
        lane = self._lanes.get(entry.frame.track)
        if lane is None:
            return
        if lane.start_utc_ms is None:
            lane.start_utc_ms = entry.frame.utc_ms
            lane.independent = entry.frame.key
        for part in lane.writer.add(entry.frame):
            self._write_part(lane, part)

    def _write_part(self, lane: _Lane, part: Part) -> None:
        file = lane.file
        assert file is not None
        offset = file.size
        if not file.write(part.data):
            return
        if lane.window.captions is False:
            lane.window.captions = CAPTIONS in part.data
        index, seq = lane.window.next_part
        lane.window.part(
            PartReady(
                track=lane.window.name,
                msn=self._msn,
                index=index,
                seq=seq,
                duration=part.duration,
                independent=part.independent,
                path=str(file.path),
                offset=offset,
                size=len(part.data),
                init=self._init,
                discontinuity=self._discontinuity,
                discontinuities=self._discontinuities,
                target_ms=self._cut.target_ms if self._cut is not None else 0,
                captions=lane.window.captions,
            )
        )

    def _finish(self, following: Entry | None) -> None:
        assert self._start is not None
        durations: dict[int, float] = {}
        times: dict[int, int] = {}
        for number, lane in self._lanes.items():
            times[number] = lane.writer.segment_time(self._start)
            known = following is not None and following.frame.track == number
            end = following.frame.dts if following is not None and known else None
            part, durations[number] = lane.writer.finish(end)
            if part is not None:
                self._write_part(lane, part)
            if following is None:
                lane.writer.discontinuity()
        longest = max(durations.values(), default=0.0)
        for number, lane in self._lanes.items():
            file = lane.file
            assert file is not None
            if not durations[number]:
                file.write(EMPTY_SEGMENT)
            file.close()
            start = self._start_utc_ms if lane.start_utc_ms is None else lane.start_utc_ms
            duration = durations[number] or longest
            self._announce(
                lane.window, file, start, duration, times[number], independent=lane.independent
            )
            lane.file = None

    def _clear(self) -> None:
        for window in self._windows.values():
            window.clear()
        self._windows = {}
        for lane in self._lanes.values():
            if lane.file is not None:
                lane.file.close()
                self._files.expire(lane.file.path)
                lane.file = None


def _holds_a_cut(entries: Sequence[Entry]) -> bool:
    """Whether a segment of the stream ends among them."""
    numbers = {cut.msn for _, _, boundary, cut in entries if boundary is not Boundary.NONE and cut}
    return len(numbers) > 1


def init_section(
    name: str,
    number: int,
    path: Path | None,
    tracks: Sequence[Track],
    former: list[str],
    *,
    alone: bool = False,
) -> InitSection:
    """With what a multivariant playlist says of a rendition (RFC 8216 4.3.4.2)."""
    video = next((track for track in tracks if track.kind == "video"), None)
    audio = next((track for track in tracks if track.kind == "audio"), None)
    only = tracks[0] if path is not None else None
    return InitSection(
        track=name,
        number=number,
        kind=only.kind if only else "multiplex",
        path=str(path or ""),
        codecs=",".join(dict.fromkeys(track.codec_string for track in tracks)),
        width=video.width if video else 0,
        height=video.height if video else 0,
        fps=video.fps if video else 0.0,
        bandwidth=sum(track.bit_rate for track in tracks),
        channels=audio.channels if audio else 0,
        sample_rate=audio.sample_rate if audio else 0,
        language=only.language if only else audio.language if audio else "",
        group=only.group if only else "",
        rank=only.rank if only else 0,
        timescale=boxes.timescale(only.init) if only else 0,
        former=former,
        alone=alone,
    )
