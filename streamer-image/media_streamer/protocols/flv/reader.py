"""FLV tags of a publisher -> its tracks and frames.

Role: FLV bodies are samples already, so nothing is demuxed: headers are cut off, codecs and
configurations kept. Pure but for the sink.

Invariants: what goes to the sink keeps its order; a change of the tracks comes before the first
frame that needs it. What cannot be read is left out and counted. FLV does not say that a track has
ended: one that was there stays.
"""

from typing import Any, Protocol

from media_streamer.protocols.flv import body as flv
from media_streamer.protocols.flv.body import AUDIO, VIDEO, BodyError, Part
from media_streamer.syntax import mpeg_audio
from media_streamer.wire.media import PublishedFrame, TrackSetup

TICKS = 1000
MAX_TRACKS = 32
"""Of one publisher; more are not taken up."""
MAX_CONFIGURATION_BYTES = 64 * 1024
"""Of a track; each change tells those of all tracks. What encoders send is below a KiB."""
MAX_TAG_FRAMES = 500
"""Frames of MPEG audio in one tag: twelve seconds."""
MAX_BIT_RATE_KBIT = 1e6
MAX_FPS = 300.0
_CODEC_KEYS = {VIDEO: "videocodecid", AUDIO: "audiocodecid"}


class FrameSink(Protocol):
    """Where tracks and frames go."""

    def tracks(self, tracks: list[TrackSetup], complete: bool) -> None:
        """All tracks from now on; `complete`: no other one is announced."""

    def frames(self, frames: list[PublishedFrame]) -> None: ...


class FlvReader:
    """The tags of one publisher."""

    def __init__(self, sink: FrameSink) -> None:
        self._sink = sink
        self._tracks: dict[tuple[int, int], TrackSetup] = {}
        """By kind of tag and number in it."""
        self._announced: frozenset[int] | None = None
        """Kinds that the metadata names; None without metadata."""
        self._declared: dict[int, tuple[float, int]] = {}
        """Kind -> frame rate, bit/s."""
        self._frames: list[PublishedFrame] = []
        self._changed = False
        self.broken = 0
        """Bodies that could not be read."""

    def take(self, kind: int, timestamp: int, body: bytes) -> None:
        """One audio or video tag; `timestamp` in ms. Goes on with `flush`."""
        try:
            parts = flv.read(kind, body)
        except BodyError:
            self.broken += 1
            return
        for part in parts:
            if part.kind == flv.CONFIGURATION and len(part.data) > MAX_CONFIGURATION_BYTES:
                self.broken += 1
                continue
            setup = self._tracks.get((kind, part.track))
            if (
                setup is None
                or setup.codec != part.codec
                or (part.kind == flv.CONFIGURATION and setup.configuration != part.data)
            ):
                setup = self._set_up(kind, part, setup)
                if setup is None:
                    continue
            if part.kind == flv.FRAME and part.data:
                self._add(setup, timestamp, part)

    def metadata(self, values: dict[str, Any]) -> None:
        """`onMetaData`; nothing in it has to be true or of the right type."""
        named = [kind for kind, key in _CODEC_KEYS.items() if key in values]
        if named:
            self._announced = frozenset(named)
        fps = _number(values.get("framerate") or values.get("videoframerate"), MAX_FPS)
        for kind, key in ((VIDEO, "videodatarate"), (AUDIO, "audiodatarate")):
            rate = _number(values.get(key), MAX_BIT_RATE_KBIT)
            self._declared[kind] = (fps if kind == VIDEO else 0.0, int(1000 * rate))

    def flush(self) -> None:
        """Let the sink have what is here."""
        if self._changed:
            self._changed = False
            found = {kind for kind, _ in self._tracks}
            expected = self._announced if self._announced is not None else {AUDIO, VIDEO}
            self._sink.tracks(list(self._tracks.values()), found.issuperset(expected))
        if self._frames:
            frames, self._frames = self._frames, []
            self._sink.frames(frames)

    def _set_up(self, kind: int, part: Part, old: TrackSetup | None) -> TrackSetup | None:
        if old is None and len(self._tracks) >= MAX_TRACKS:
            return None
        self._flush_before_change()
        fps, bit_rate = self._declared.get(kind, (0.0, 0))
        setup = TrackSetup(
            number=old.number if old is not None else len(self._tracks),
            kind="video" if kind == VIDEO else "audio",
            codec=part.codec,
            configuration=part.data if part.kind == flv.CONFIGURATION else b"",
            ticks=TICKS,
            fps=fps,
            bit_rate=bit_rate,
        )
        self._tracks[kind, part.track] = setup
        self._changed = True
        return setup

    def _flush_before_change(self) -> None:
        """Frames that are here belong to the tracks as they were."""
        if self._frames:
            self.flush()

    def _add(self, setup: TrackSetup, timestamp: int, part: Part) -> None:
        track = setup.number
        if setup.codec == "mp3":
            # A tag may hold several frames; a sample is one.
            for count, (offset_ms, data) in enumerate(mpeg_audio.split(part.data)):
                if count == MAX_TAG_FRAMES:
                    self.broken += 1
                    break
                dts = timestamp + offset_ms
                self._frames.append(PublishedFrame(track, dts, dts, True, data))
            return
        pts = timestamp + part.composition
        self._frames.append(PublishedFrame(track, timestamp, pts, part.key, part.data))


def _number(value: Any, limit: float) -> float:
    """A positive number up to `limit`, else 0."""
    if isinstance(value, int | float) and 0 < value <= limit:
        return float(value)
    return 0.0
