"""One rendition: pictures of the source in, encoded frames of the stream out.

Not thread-safe: a rendition belongs to one thread.
"""

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
from av.codec.context import Flags
from av.video.frame import PictureType

from media_streamer.media.canonical import Canonicalizer
from media_streamer.media.frame import TICKS_PER_MS, TIME_BASE, Frame, Track
from media_streamer.transcoder import encoders
from media_streamer.transcoder.describe import Encoder
from media_streamer.transcoder.errors import EncoderRefused, muted, words_of
from media_streamer.transcoder.geometry import Geometry
from media_streamer.transcoder.keys import KeyMarks
from media_streamer.transcoder.pictures import (
    PICTURE_BASE,
    Pictures,
    geometry_of,
    rendition_pictures,
)
from media_streamer.transcoder.rates import FrameRate
from media_streamer.wire.transcoding import Rendition

if TYPE_CHECKING:
    from media_streamer.transcoder.labels import Labels

MAX_PENDING = 512
"""Pictures within an encoder whose durations are remembered."""


class VideoTrack:
    """Filters and encodes one rendition; the encoder is opened at the first picture."""

    def __init__(self, wish: Rendition, fps: float, gpu: int | None = None) -> None:
        """`fps` of the source; `gpu`: number of the card that encodes, None: the CPU does."""
        self.wish = wish
        self.track: Track | None = None
        """Known with the first frame."""
        self.encoded = 0
        self.utc_ms = 0
        """Unix ms at stamp 0, by the last frame that says it; 0: none has."""
        self._labels = _labels(wish) if wish.labels else None
        # Cards of today encode no fields.
        self._gpu = None if wish.interlace else gpu
        rate = wish.fps or (_standard_rate(fps) if wish.codec == "mpeg2video" else None)
        self._rate = FrameRate(*rate) if rate else None
        self._fps = Fraction(*rate) if rate else Fraction(fps or 25).limit_denominator(1001)
        frame_ticks = self._rate.frame_ticks if self._rate else round(TIME_BASE / self._fps)
        self.frame_ticks = frame_ticks
        """How long a picture is shown."""
        self._marks = KeyMarks(frame_ticks // 2 if self._rate else 0)
        self._base = PICTURE_BASE if wish.codec != "mpeg2video" else 1 / self._fps
        self._encoder: Encoder | None = None
        self._pictures: Pictures | None = None
        self._canonical: Canonicalizer | None = None
        self._durations: dict[int, int] = {}
        self._last_dts: int | None = None

    def key_due(self, moment: int) -> None:
        """From this stamp on a key frame is due."""
        self._marks.add(moment)

    def push(self, picture: av.VideoFrame, sar: Fraction, duration: int) -> list[Frame]:
        """Frames that are ready after a picture of the source.

        Raises EncoderRefused, FFmpegError or ValueError.
        """
        if self._encoder is None:
            self._open(picture, sar)
        assert self._pictures is not None
        frames: list[Frame] = []
        for made in self._pictures.push(picture, sar):
            frames += self._place(made, duration)
        return frames

    def flush(self) -> list[Frame]:
        """What the encoder still holds; nothing can be pushed after it."""
        if self._encoder is None:
            return []
        return [self._frame(packet) for packet in self._encoder.context.encode(None)]

    def _place(self, picture: av.VideoFrame, duration: int) -> list[Frame]:
        pts = picture.pts
        if pts is None:
            return []
        if self._labels is not None:
            self._labels.burn(picture, self.utc_ms + pts // TICKS_PER_MS if self.utc_ms else 0)
        if self._rate is None:
            return self._encode(picture, pts, duration)
        frames: list[Frame] = []
        for stamp in self._rate.stamps(pts):
            frames += self._encode(picture, stamp, self.frame_ticks)
        return frames

    def _encode(self, picture: av.VideoFrame, pts: int, duration: int) -> list[Frame]:
        assert self._encoder is not None
        picture.pts, picture.time_base = pts, PICTURE_BASE
        is_key = self._marks.take(pts)
        picture.pict_type = PictureType.I if is_key else PictureType.NONE
        if len(self._durations) < MAX_PENDING:
            self._durations[pts] = duration
        return [self._frame(packet) for packet in self._encoder.context.encode(picture)]

    def _open(self, picture: av.VideoFrame, sar: Fraction) -> None:
        wish = self.wish
        way = geometry_of(wish, picture.width, picture.height, sar)
        name = encoders.CPU[wish.codec]
        if self._gpu is not None:
            name = encoders.NVENC[wish.codec]
        options = encoders.options_of(name, wish, self._gpu)
        try:
            encoder = Encoder(name, self._fps, self._known(way))
            context = encoder.context
            context.width, context.height, context.pix_fmt = way.width, way.height, wish.pix_fmt
            context.sample_aspect_ratio = way.sar
            context.time_base = self._base
            context.framerate = self._fps
            context.bit_rate = wish.bit_rate
            context.gop_size = encoders.NO_GOP if wish.codec != "mpeg2video" else 600
            context.color_range, context.colorspace = picture.color_range, picture.colorspace
            context.color_primaries = picture.color_primaries
            context.color_trc = picture.color_trc
            context.thread_count = wish.threads
            if wish.codec != "mpeg2video":
                context.flags |= Flags.global_header
            if wish.interlace:
                context.flags |= Flags.interlaced_dct | Flags.interlaced_me
            if not wish.open_gop:
                context.flags |= Flags.closed_gop
            context.options = options
            with muted():
                context.open()
        except (av.FFmpegError, ValueError, OverflowError) as error:
            raise EncoderRefused(_refusal(wish, name, way, error)) from error
        self._encoder = encoder
        self._pictures = rendition_pictures(wish, way)

    def _known(self, way: Geometry) -> Track:
        wish = self.wish
        return Track(
            number=wish.number,
            name=wish.name,
            kind="video",
            codec=wish.codec,
            init=b"",
            codec_string="",
            width=way.width,
            height=way.height,
            fps=round(float(self._fps), 3),
            bit_rate=wish.bit_rate,
            language=wish.language,
            group=wish.group,
            rank=wish.rank,
        )

    def _frame(self, packet: "av.Packet[Any]") -> Frame:
        assert self._encoder is not None
        if self._canonical is None:
            self.track = self._encoder.describe(packet)
            extradata = bytes(self._encoder.context.extradata or b"")
            self._canonical = Canonicalizer(self.wish.codec, extradata)
        pts, dts = self._ticks(packet.pts), self._ticks(packet.dts)
        if self._last_dts is not None and dts <= self._last_dts:
            dts = self._last_dts + 1
        self._last_dts = dts
        duration = self._durations.pop(pts, 0) or self.frame_ticks
        data = self._canonical.convert(bytes(packet))
        self.encoded += 1
        return Frame(
            self.wish.number, dts, max(pts, dts), duration, packet.is_keyframe, data or b""
        )

    def _ticks(self, stamp: int | None) -> int:
        if self._base == PICTURE_BASE:
            return stamp or 0
        return round((stamp or 0) * self._base * TIME_BASE)


def _labels(wish: Rendition) -> "Labels":
    # Loaded at first use: few transcoders write, and Pillow takes 10 MB.
    from media_streamer.transcoder.labels import Labels

    return Labels(wish.labels)


def _standard_rate(fps: float) -> tuple[int, int]:
    """The nearest of those that MPEG-2 has (ISO/IEC 13818-2 table 6-4)."""
    rates = [(24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001)]
    return min(rates, key=lambda rate: abs(rate[0] / rate[1] - (fps or 25)))


def _refusal(wish: Rendition, name: str, way: Geometry, error: Exception) -> str:
    return f"{wish.name}: {name} cannot encode {way.width}x{way.height}: {words_of(error)}"
