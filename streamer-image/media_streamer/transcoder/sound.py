"""One audio track: decoded, brought to the encoder's format, encoded.

Invariant: stamps follow the source's: a hole is filled with silence up to a bound, beyond it the
stamps jump; what comes twice is left out. Not thread-safe: it belongs to one thread.
"""

from fractions import Fraction
from typing import Any

import av
from av.audio.fifo import AudioFifo
from av.codec.context import Flags
from av.filter import Graph

from media_streamer.media.frame import TIME_BASE, Frame, Track
from media_streamer.media.track import template
from media_streamer.transcoder.describe import Encoder
from media_streamer.transcoder.encoders import SOUND
from media_streamer.transcoder.errors import EncoderRefused
from media_streamer.wire.transcoding import Sound

LAYOUTS = {
    1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1",
}  # fmt: skip
TOLERANCE_SECONDS = 0.06
"""Stamps that were rounded, or come with jitter, are no hole."""
MAX_SILENCE_SECONDS = 2.0
FREE_MS = 20
"""Of a frame whose length the codec leaves free."""


class SoundTrack:
    """Of one output track."""

    def __init__(self, wish: Sound, source: Track) -> None:
        """Raises EncoderRefused, FFmpegError or ValueError."""
        self.wish = wish
        self.track: Track | None = None
        """Known with the first frame."""
        self.encoded = self.decode_errors = 0
        self._template = template(source.init)
        self._decoder: Any = self._template.streams[0].codec_context
        self._layout = LAYOUTS[wish.channels]
        self._encoder = self._open()
        context = self._encoder.context
        # What has no frames of its own is sent as RTP does (RFC 3551 4.2).
        self._samples = context.frame_size or wish.sample_rate * FREE_MS // 1000
        self._format: str = context.format.name
        self._graph: Graph | None = None
        self._shape: tuple[object, ...] = ()
        self._fifo = AudioFifo()
        self._next: int | None = None
        """Stamp of the sample that comes next into the queue, in samples."""
        self._first = 0
        """Stamp of the first sample in the queue."""
        self._last_dts: int | None = None

    def push(self, frame: Frame) -> list[Frame]:
        """Frames that are ready after one of the source. Raises FFmpegError or ValueError."""
        packet = av.Packet(frame.data)
        packet.pts = packet.dts = frame.pts
        packet.time_base = Fraction(1, TIME_BASE)
        try:
            decoded = self._decoder.decode(packet)
        except av.FFmpegError:
            self.decode_errors += 1
            return []
        made: list[Frame] = []
        for sound in decoded:
            sound.pts, sound.time_base = frame.pts, Fraction(1, TIME_BASE)
            for converted in self._converted(sound):
                made += self._queue(converted)
        return made

    def flush(self) -> list[Frame]:
        """The rest, up to a part of a frame."""
        return self._encoded(None) if self._next is not None else []

    def close(self) -> None:
        self._template.close()

    def _open(self) -> Encoder:
        wish = self.wish
        name = SOUND[wish.codec]
        known = Track(
            number=wish.number,
            name=wish.name,
            kind="audio",
            codec=wish.codec,
            init=b"",
            codec_string="",
            bit_rate=wish.bit_rate,
            language=wish.language,
        )
        try:
            encoder = Encoder(name, wish.sample_rate, known)
            context = encoder.context
            context.layout = self._layout
            context.bit_rate = wish.bit_rate
            context.time_base = Fraction(1, wish.sample_rate)
            context.flags |= Flags.global_header
            context.open()
        except (av.FFmpegError, ValueError) as error:
            text = f"{wish.name}: {name} cannot encode {wish.channels} channels at"
            raise EncoderRefused(f"{text} {wish.sample_rate} Hz: {error}") from error
        return encoder

    def _converted(self, sound: av.AudioFrame) -> list[av.AudioFrame]:
        shape = (sound.sample_rate, sound.format.name, sound.layout.name)
        if self._graph is None or shape != self._shape:
            self._graph, self._shape = self._new_graph(sound), shape
        self._graph.push(sound)
        found: list[av.AudioFrame] = []
        while True:
            try:
                found.append(self._graph.pull())  # type: ignore[arg-type]  # an audio sink
            except (av.BlockingIOError, av.EOFError):
                return found

    def _new_graph(self, sound: av.AudioFrame) -> Graph:
        graph = Graph()
        last = graph.add_abuffer(
            sample_rate=sound.sample_rate,
            format=sound.format.name,
            layout=sound.layout.name,
            time_base=Fraction(1, TIME_BASE),
        )
        channel = self.wish.channel
        if channel is not None:
            # A source that has fewer channels now goes on with the last one.
            taken = min(channel, sound.layout.nb_channels - 1)
            one = graph.add("pan", args=f"mono|c0=c{taken}")
            last.link_to(one)
            last = one
        if self.wish.volume:
            volume = graph.add("volume", volume=self.wish.volume)
            last.link_to(volume)
            last = volume
        shaped = graph.add(
            "aformat",
            sample_fmts=self._format,
            sample_rates=str(self.wish.sample_rate),
            channel_layouts=self._layout,
        )
        last.link_to(shaped)
        shaped.link_to(graph.add("abuffersink"))
        graph.configure()
        return graph

    def _queue(self, sound: av.AudioFrame) -> list[Frame]:
        """Put samples where their stamp says, and encode what is whole."""
        rate = self.wish.sample_rate
        base = sound.time_base or Fraction(1, TIME_BASE)
        at = round((sound.pts or 0) * base * rate)
        made: list[Frame] = []
        if self._next is None:
            self._next = self._first = at
        hole = at - self._next
        if hole < -TOLERANCE_SECONDS * rate:
            return []  # it was there already
        if hole > MAX_SILENCE_SECONDS * rate:
            self._fifo = AudioFifo()
            self._next = self._first = at
        elif hole > TOLERANCE_SECONDS * rate:
            made += self._write(self._silence(hole))
        return made + self._write(sound)

    def _write(self, sound: av.AudioFrame) -> list[Frame]:
        assert self._next is not None
        self._next += sound.samples
        sound.pts = None
        self._fifo.write(sound)
        made: list[Frame] = []
        while (whole := self._fifo.read(self._samples)) is not None:
            whole.pts, whole.time_base = self._first, Fraction(1, self.wish.sample_rate)
            self._first += self._samples
            made += self._encoded(whole)
        return made

    def _silence(self, samples: int) -> av.AudioFrame:
        sound = av.AudioFrame(format=self._format, layout=self._layout, samples=samples)
        sound.sample_rate = self.wish.sample_rate
        for plane in sound.planes:
            plane.update(bytes(plane.buffer_size))
        return sound

    def _encoded(self, sound: av.AudioFrame | None) -> list[Frame]:
        return [self._frame(packet) for packet in self._encoder.context.encode(sound)]

    def _frame(self, packet: "av.Packet[Any]") -> Frame:
        if self.track is None:
            self.track = self._encoder.describe(packet)
        rate = self.wish.sample_rate
        dts = round((packet.pts or 0) * TIME_BASE / rate)
        if self._last_dts is not None and dts <= self._last_dts:
            dts = self._last_dts + 1
        self._last_dts = dts
        duration = round((packet.duration or self._samples) * TIME_BASE / rate)
        self.encoded += 1
        return Frame(self.wish.number, dts, dts, duration, True, bytes(packet))
