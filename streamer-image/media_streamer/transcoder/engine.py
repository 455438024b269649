"""The engine: frames of a source in, frames of all renditions out.

Role: one thread decodes, one for each rendition filters and encodes, one makes the sound; queues
between them are short, so that a rendition that cannot keep up holds the decoder, and the frames
that wait for it become a lag: beyond a bound pictures are left out (each second one first, or as
many as `thin` says, then all up to a key frame), which is counted. A picture is left out for all
renditions or for none, so that key frames stay at the same stamps.

What is made is given to `Receiver` from any of these threads.
"""

import contextlib
import logging
import queue
import threading
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Protocol

import av

from media_streamer.media.frame import Frame, Track
from media_streamer.transcoder.backlog import Backlog
from media_streamer.transcoder.decoder import VideoDecoder
from media_streamer.transcoder.errors import EncoderRefused
from media_streamer.transcoder.geometry import decoder_size
from media_streamer.transcoder.hardware import Device, find_device
from media_streamer.transcoder.keys import KeyClock
from media_streamer.transcoder.pictures import Pictures, source_pictures
from media_streamer.transcoder.sound import SoundTrack
from media_streamer.transcoder.video import VideoTrack
from media_streamer.wire.frame import TICKS_PER_MS, TIME_BASE
from media_streamer.wire.transcoding import Work

log = logging.getLogger(__name__)

QUEUED_PICTURES = 6
"""Between the decoder and each rendition."""
THIN_TICKS = TIME_BASE
"""With a longer lag pictures are thinned."""
CLOSE_SECONDS = 5.0
"""An encoder may need this long to give its last frames."""

_Job = tuple[av.VideoFrame, Fraction, int, int | None] | None
"""Picture, its sample aspect ratio, its duration, moment of a key frame that is due."""


class Receiver(Protocol):
    """Who takes what the engine makes; called from its threads."""

    def made(self, tracks: Sequence[Track], device: str) -> None:
        """All tracks that are known so far; some come later."""

    def encoded(self, frames: Sequence[Frame]) -> None: ...

    def refused(self, reason: str) -> None:
        """It cannot go on; the last call."""

    def ended(self) -> None:
        """All that was put in has been made."""


class _Rendition:
    """A thread that filters and encodes."""

    def __init__(self, engine: "Engine", video: VideoTrack) -> None:
        self.video = video
        self._engine = engine
        self._jobs: queue.Queue[_Job] = queue.Queue(QUEUED_PICTURES)
        self.thread = threading.Thread(target=self._run, name=video.wish.name, daemon=True)

    def put(self, job: _Job) -> None:
        """Waits while the rendition is behind."""
        while not self._engine.stopped:
            with contextlib.suppress(queue.Full):
                self._jobs.put(job, timeout=0.5)
                return

    def _run(self) -> None:
        try:
            while not self._engine.stopped:
                try:
                    job = self._jobs.get(timeout=0.5)
                except queue.Empty:
                    continue
                if job is None:
                    self._engine.give(self.video, self.video.flush())
                    return
                picture, sar, duration, moment = job
                if moment is not None:
                    self.video.key_due(moment)
                self._engine.give(self.video, self.video.push(picture, sar, duration))
        except EncoderRefused as error:
            self._engine.fail(str(error))
        except Exception as error:
            log.exception("%s: encoding failed", self.video.wish.name)
            self._engine.fail(f"{self.video.wish.name}: encoding failed: {error}")


class Engine:
    """Does one `Work`. `start`, then `push`; `finish` or `stop` at the end."""

    def __init__(self, work: Work, tracks: Sequence[Track], receiver: Receiver) -> None:
        self._work = work
        self._tracks = {track.number: track for track in tracks}
        self._receiver = receiver
        self._lock = threading.Lock()
        self._known: dict[int, Track] = {}
        self._failed = False
        self.stopped = False
        self.device = Device()
        self.frames_decoded = 0
        self.frames_thinned = 0
        self._decoder: VideoDecoder | None = None
        self._clock: KeyClock | None = None
        self._renditions: list[_Rendition] = []
        self._sounds: list[SoundTrack] = []
        decoding = work.decoding
        self._video = Backlog() if decoding is not None else None
        self._video_track = decoding.track if decoding is not None else -1
        self._audio = Backlog(whole=True) if work.sounds else None
        self._threads = [
            threading.Thread(target=self._guarded, args=(run,), name=name, daemon=True)
            for name, run, wanted in (
                ("video", self._run_video, self._video),
                ("audio", self._run_audio, self._audio),
            )
            if wanted is not None
        ]
        self._closer: threading.Thread | None = None

    # From the thread of the channel

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def push(self, frames: Sequence[Frame]) -> None:
        """Frames of the source; never waits."""
        for frame in frames:
            if frame.track == self._video_track:
                if self._video is not None:
                    self._video.put(frame)
            elif self._audio is not None:
                self._audio.put(frame)

    def request_key_frame(self) -> None:
        if self._clock is not None:
            self._clock.ask()

    def finish(self) -> None:
        """Nothing more comes: what is there is made, then `ended` is told."""
        for backlog in (self._video, self._audio):
            if backlog is not None:
                backlog.close()
        self._closer = threading.Thread(target=self._wait_for_end, name="end", daemon=True)
        self._closer.start()

    def stop(self) -> None:
        """End without the rest."""
        self.stopped = True
        for backlog in (self._video, self._audio):
            if backlog is not None:
                backlog.abandon()

    @property
    def lag(self) -> int:
        """Ticks of video that wait for the decoder."""
        return self._video.lag if self._video is not None else 0

    @property
    def frames_encoded(self) -> int:
        return sum(one.video.encoded for one in self._renditions) + sum(
            one.encoded for one in self._sounds
        )

    @property
    def frames_dropped(self) -> int:
        waiting = self._video.dropped if self._video is not None else 0
        return waiting + self.frames_thinned

    @property
    def decode_errors(self) -> int:
        own = self._decoder.errors if self._decoder is not None else 0
        return own + sum(one.decode_errors for one in self._sounds)

    # From its threads

    def give(self, maker: VideoTrack | SoundTrack, frames: Sequence[Frame]) -> None:
        """What a track has made."""
        if not frames or self.stopped:
            return
        with self._lock:
            if maker.track is not None and maker.wish.number not in self._known:
                self._known[maker.wish.number] = maker.track
                tracks = [self._known[number] for number in sorted(self._known)]
                self._receiver.made(tracks, self.device.name)
            self._receiver.encoded(frames)

    def fail(self, reason: str) -> None:
        """It cannot be made."""
        with self._lock:
            if self._failed or self.stopped:
                return
            self._failed = True
        self._receiver.refused(reason)
        self.stop()

    def _guarded(self, run: Any) -> None:
        try:
            run()
        except EncoderRefused as error:
            self.fail(str(error))
        except Exception as error:
            log.exception("the transcoder failed")
            self.fail(f"{type(error).__name__}: {error}")

    def _run_video(self) -> None:
        decoding, backlog = self._work.decoding, self._video
        assert decoding is not None
        assert backlog is not None
        track = self._tracks[decoding.track]
        device = find_device(self._work)
        size = decoder_size(self._work, track.width, track.height)
        if device.encoder is None and size is None:
            # Whole pictures out of a card cost the CPU as much as to decode them.
            device = Device()
        self._decoder = decoder = VideoDecoder(track, device.decoder, size)
        self.device = Device(device.encoder, decoder.gpu)
        videos = [
            VideoTrack(wish, track.fps, self.device.encoder) for wish in self._work.renditions
        ]
        frame_ticks = round(TIME_BASE / track.fps) if track.fps else TIME_BASE // 25
        longest = max([frame_ticks, *(one.frame_ticks for one in videos)])
        self._clock = KeyClock(decoding.gop_ticks, decoding.most_ticks, longest)
        self._renditions = [_Rendition(self, video) for video in videos]
        for rendition in self._renditions:
            rendition.thread.start()
        try:
            self._decode(_Source(decoder, source_pictures(decoding)), backlog, frame_ticks)
        finally:
            for rendition in self._renditions:
                rendition.put(None)
            for rendition in self._renditions:
                rendition.thread.join(CLOSE_SECONDS)
            decoder.close()

    def _decode(self, source: "_Source", backlog: Backlog, frame_ticks: int) -> None:
        count = 0
        assert self._work.decoding is not None
        drop_each, thin = self._work.decoding.drop_each, self._work.decoding.thin
        while not self.stopped:
            taken = backlog.take()
            if taken is None:
                break
            frame, jumped = taken
            if jumped:
                source.decoder.restart()
            if frame.utc_ms:
                for rendition in self._renditions:
                    rendition.video.utc_ms = frame.utc_ms - frame.dts // TICKS_PER_MS
            for picture in source.pictures(frame):
                count += 1
                if drop_each and count % drop_each == 0:
                    continue
                thins = backlog.lag > THIN_TICKS and count % thin[1] < thin[0]
                if thins and not picture.key_frame:
                    self.frames_thinned += 1
                    continue
                self._hand_out(picture, source.decoder.sar, frame.duration or frame_ticks)
        for picture in source.pictures(None) if not self.stopped else ():
            self._hand_out(picture, source.decoder.sar, frame_ticks)

    def _hand_out(self, picture: av.VideoFrame, sar: Fraction, duration: int) -> None:
        assert self._clock is not None
        assert picture.pts is not None
        self.frames_decoded += 1
        moment = self._clock.due(picture.pts, bool(picture.key_frame))
        for rendition in self._renditions:
            rendition.put((picture, sar, duration, moment))

    def _run_audio(self) -> None:
        backlog = self._audio
        assert backlog is not None
        for wish in self._work.sounds:
            self._sounds.append(SoundTrack(wish, self._tracks[wish.track]))
        try:
            while not self.stopped:
                taken = backlog.take()
                if taken is None:
                    break
                frame, _ = taken
                for sound in self._sounds:
                    if sound.wish.track == frame.track:
                        self.give(sound, sound.push(frame))
            for sound in self._sounds:
                self.give(sound, sound.flush())
        finally:
            for sound in self._sounds:
                sound.close()

    def _wait_for_end(self) -> None:
        for thread in self._threads:
            thread.join(2 * CLOSE_SECONDS)
        if any(thread.is_alive() for thread in self._threads):
            log.error("the encoders do not end: what they still hold is lost")
        self.stop()
        self._receiver.ended()


class _Source:
    """The decoder and what is done to all of its pictures."""

    def __init__(self, decoder: VideoDecoder, filters: Pictures | None) -> None:
        self.decoder = decoder
        self._filters = filters

    def pictures(self, frame: Frame | None) -> Any:
        """Pictures that are ready after a frame; None: what is still held."""
        for picture in self.decoder.decode(frame):
            if self._filters is None:
                yield picture
            else:
                yield from self._filters.push(picture, self.decoder.sar)
        if frame is None and self._filters is not None:
            yield from self._filters.flush()
