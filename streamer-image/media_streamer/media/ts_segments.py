"""Segments in MPEG-TS: a multiplex, or one for each video where a stream has several."""

from collections.abc import Sequence

from media_streamer.media.frame import TIME_BASE, Track
from media_streamer.media.gop import Entry
from media_streamer.media.mux.ts import TsMuxer
from media_streamer.media.segment_files import SegmentFile
from media_streamer.media.segments import Segments, init_section
from media_streamer.media.settings import OutputSettings
from media_streamer.media.window import TrackWindow
from media_streamer.multiplexes import multiplexes
from media_streamer.wire.media import InitSection, SegmentEvent

_WRITE_BYTES = 256 * 1024
"""Segments are announced whole, so they are written in large pieces."""


class _Multiplex:
    """One MPEG-TS rendition under way."""

    def __init__(
        self,
        window: TrackWindow,
        tracks: Sequence[Track],
        previous: "_Multiplex | None",
        *,
        alone: bool,
    ) -> None:
        """`alone`: it is all there is, so its bytes are those of the entries as they are."""
        self.window = window
        self.numbers = frozenset(track.number for track in tracks)
        self._videos = frozenset(track.number for track in tracks if track.kind == "video")
        self.independent = True
        """The running segment begins with a key frame."""
        self._awaits_video = False
        before = previous._muxer if previous is not None else None
        self._muxer: TsMuxer | None = None if alone else TsMuxer(tracks, before)
        self._starts = True
        self._file: SegmentFile | None = None
        self._pieces: list[bytes] = []
        self._piece_bytes = 0
        self._start_utc_ms: int | None = None
        self._end: int | None = None
        """DTS at which its last frame ends."""

    def begin(self, file: SegmentFile) -> None:
        """The next segment."""
        self._file = file
        self._starts = self._awaits_video = self.independent = True
        self._start_utc_ms = self._end = None

    def add(self, entry: Entry) -> None:
        frame, data, *_ = entry
        if self._muxer is not None:
            data = self._muxer.mux(frame, self._starts)
            self._starts = False
        if self._start_utc_ms is None:
            self._start_utc_ms = frame.utc_ms
        if self._awaits_video and frame.track in self._videos:
            self._awaits_video = False
            self.independent = frame.key
        self._end = max(self._end or frame.dts, frame.dts + frame.duration)
        self._pieces.append(data)
        self._piece_bytes += len(data)
        if self._piece_bytes >= _WRITE_BYTES:
            self._write()

    def finish(self) -> tuple[SegmentFile, int | None, int | None]:
        """End the segment: its file, the wall clock of its first frame and the DTS of its end."""
        assert self._file is not None
        self._write()
        file, self._file = self._file, None
        file.close()
        return file, self._start_utc_ms, self._end

    def discontinuity(self) -> None:
        if self._muxer is not None:
            self._muxer.discontinuity()

    def abandon(self) -> SegmentFile | None:
        """Forget the segment under way; returns its file."""
        self._pieces.clear()
        self._piece_bytes = 0
        file, self._file = self._file, None
        if file is not None:
            file.close()
        return file

    def _write(self) -> None:
        if self._file is not None:
            self._file.write(b"".join(self._pieces))
        self._pieces.clear()
        self._piece_bytes = 0


class TsSegments(Segments):
    """Multiplexed MPEG-TS; a segment is the bytes between two boundaries as they are.

    Streams with several videos have a multiplex for each, written by a muxer of its own; whatever
    else there is, all are cut at the same boundary.
    """

    format = "ts"

    def __init__(self, settings: OutputSettings) -> None:
        super().__init__(settings)
        self._multiplexes: list[_Multiplex] = []
        self._former: set[str] = set()
        """Names of the one window when it had other tracks: players still ask by them."""

    def replay(self) -> list[SegmentEvent]:
        """The initialisation sections come first, as those of fragmented MP4."""
        events = [event for one in self._multiplexes for event in one.window.replay()]
        return sorted(events, key=lambda event: not isinstance(event, InitSection))

    def gap(self) -> None:
        super().gap()
        for one in self._multiplexes:
            one.discontinuity()

    def reconfigure(self, settings: OutputSettings) -> None:
        super().reconfigure(settings)
        for one in self._multiplexes:
            one.window.count = settings.segment_count

    def _track_names(self, tracks: Sequence[Track]) -> list[str]:
        return ["".join(track.name for track in members) for members in _multiplexes(tracks)]

    def _replace_tracks(self, names: list[str]) -> None:
        """One multiplex gets another name and stays what it is: whoever plays it goes on."""
        if len(names) == len(self._multiplexes) == 1 and self._names[0]:
            self._former.add(self._names[0])
        else:
            super()._replace_tracks(names)

    def _set_tracks(self, tracks: Sequence[Track]) -> None:
        before, self._multiplexes = self._multiplexes, []
        members = _multiplexes(tracks)
        alone = len(members) == 1
        for position, (name, carried) in enumerate(zip(self._names, members, strict=True)):
            previous = before[position] if before else None
            window = previous.window if previous is not None else self._new_window(name)
            window.rename(name)
            self._multiplexes.append(_Multiplex(window, carried, previous, alone=alone))
            if carried:
                former = sorted(self._former)
                init = init_section(name, self._init, None, carried, former, alone=alone)
                window.init(init, None)

    def _new_window(self, name: str) -> TrackWindow:
        return TrackWindow(name, self._files, self._settings.segment_count, self._pending)

    def _begin(self) -> None:
        for one in self._multiplexes:
            alone = len(self._multiplexes) == 1
            name = f"{self._msn}.ts" if alone else f"{one.window.name}-{self._msn}.ts"
            one.begin(self._files.create(name))

    def _add(self, entry: Entry) -> None:
        for one in self._multiplexes:
            if entry.frame.track in one.numbers:
                one.add(entry)

    def _finish(self, following: Entry | None) -> None:
        assert self._start is not None
        finished = [(one, *one.finish()) for one in self._multiplexes]
        ends = [end for _, _, _, end in finished if end is not None]
        end = following.frame.dts if following is not None else max(ends, default=self._start)
        duration = (end - self._start) / TIME_BASE
        for one, file, start_utc_ms, _ in finished:
            start = self._start_utc_ms if start_utc_ms is None else start_utc_ms
            self._announce(one.window, file, start, duration, independent=one.independent)

    def _clear(self) -> None:
        for one in self._multiplexes:
            one.window.clear()
            if (file := one.abandon()) is not None:
                self._files.expire(file.path)
        self._multiplexes = []
        self._former.clear()


def _multiplexes(tracks: Sequence[Track]) -> list[list[Track]]:
    return multiplexes(tracks, lambda track: track.kind)
