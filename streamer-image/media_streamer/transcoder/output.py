"""What comes out of a transcoder and of the copies beside it, put together for the stream.

A `Run` is everything between two discontinuities of the source. Its tracks are announced once the
encoders have described theirs, or when those that are missing stay away for too long. Pure but for
the clock it is given.
"""

from collections.abc import Mapping, Sequence

from media_streamer.media.frame import Frame, FrameSink, Track
from media_streamer.transcoder.interleave import Interleaver
from media_streamer.transcoder.plan import Plan

PATIENCE_SECONDS = 8.0
"""How long tracks that are there wait for those that are not."""


class Run:
    """One continuous piece of a stream."""

    def __init__(
        self, number: int, plan: Plan, *, after_gap: bool, before: "Run | None" = None
    ) -> None:
        self.number = number
        """Of the `Begin` whose frames belong to it."""
        self.plan = plan
        self.ended = False
        self._after_gap = after_gap
        self._made: dict[int, Track] = {}
        self._announced: list[Track] = []
        self._first_made: float | None = None
        copies = [track.number for tracks in plan.copies.values() for track in tracks]
        self._copies: dict[int, Track] = {
            track.number: track for group in plan.copies.values() for track in group
        }
        newest = before.newest if before is not None else {}
        self._frames = Interleaver([*plan.made, *copies], newest)

    @property
    def newest(self) -> Mapping[int, int]:
        """DTS of the last frame of each track."""
        return self._frames.newest

    def copy(self, frame: Frame) -> None:
        """A frame of the source that passes as it is, if it does."""
        for track in self.plan.copies.get(frame.track, ()):
            self._frames.add(
                Frame(
                    track.number,
                    frame.dts,
                    frame.pts,
                    frame.duration,
                    frame.key,
                    frame.data,
                    frame.utc_ms,
                )
            )

    def made(self, tracks: Sequence[Track], now: float) -> None:
        """The encoders have described these."""
        self._first_made = self._first_made or now
        self._made |= {track.number: track for track in tracks}

    def encoded(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            self._frames.add(frame)

    def interrupted(self) -> None:
        """Nothing comes from the encoders for a while: do not wait for them."""
        self._frames.absent(self.plan.made)

    def give(self, sink: FrameSink, now: float) -> bool:
        """Give on what is ready; whether something was."""
        if not self._announce(sink, now):
            self._frames.shed()
            return False
        frames = self._frames.flush() if self.ended else self._frames.take()
        known = {track.number for track in self._announced}
        frames = [frame for frame in frames if frame.track in known]
        if frames:
            sink.push(frames)
        return bool(frames)

    def _announce(self, sink: FrameSink, now: float) -> bool:
        """Tell which tracks there are; False while that is not known."""
        missing = [number for number in self.plan.made if number not in self._made]
        if missing:
            waited = self._first_made is not None and now - self._first_made > PATIENCE_SECONDS
            if not waited and not self._announced:
                return False
        found = self._copies | self._made
        tracks = [found[number] for number in sorted(found)]
        if tracks != self._announced:
            # Whatever stays away is not waited for.
            self._frames.absent(missing)
            if self._after_gap:
                self._after_gap = False
                sink.gap()
            self._announced = tracks
            sink.set_tracks(tracks)
        return True
