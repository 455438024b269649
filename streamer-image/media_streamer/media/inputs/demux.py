"""An input read by FFmpeg: open, find the tracks, hand over canonical frames.

Role: everything that pull, file and publish have in common.

The path of a packet is short on purpose: a worker carries thousands of packets a second, so there
is no allocation but the frame, no log line and no call into the event loop.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from fractions import Fraction
from typing import Any, TypeAlias

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from msgspec.structs import replace

from media_streamer.media.canonical import Canonicalizer, codec_name
from media_streamer.media.frame import TIME_BASE, Track
from media_streamer.media.inputs.base import InputError, Limits, Receiver, ThreadInput
from media_streamer.media.inputs.errors import describe, http_status
from media_streamer.media.inputs.pacer import LEAD_SECONDS, PROMPT_LEAD_SECONDS, Pacer
from media_streamer.media.track import (
    DECODER_OPTIONS,
    TrackError,
    describe_track,
    is_supported,
)
from media_streamer.rounds import PROMPT_SECONDS

log = logging.getLogger(__name__)

PROBE_OPTIONS = {
    # A live source is known after its first key frame; these only bound what is waited for.
    "analyzeduration": "5000000",  # us
    "probesize": "5000000",  # bytes
    # Frame rates come from the parameter sets or from DTS; counting frames would delay the start.
    "fpsprobesize": "0",
    **DECODER_OPTIONS,
}

MAX_WAITING_PACKETS = 300
"""Packets to look at until every track has shown its first key frame: about four seconds of one
video and one audio track, less than FFmpeg has analysed by then."""

SHORT_SLEEP_SECONDS = 0.25

MPEGTS_OPTIONS = {
    # FFmpeg keeps a buffer of this size for as long as the input is open (5 MB a stream were
    # measured). Where it is too short for the first key frame, that frame describes its track.
    "probesize": "1000000",  # bytes
    # A new version of the PMT continues the streams; PyAV never sees streams that appear later.
    "merge_pmt_versions": "1",
}

Opener = Callable[[], AbstractContextManager[InputContainer]]
AnyPacket: TypeAlias = "Packet[Any]"


class Lane:
    """A track on its way from the container to the receiver."""

    __slots__ = (
        "audio",
        "canonicalizer",
        "convert",
        "described",
        "end",
        "first",
        "frame_ticks",
        "number",
        "reported",
        "seconds_per_tick",
        "time_base",
        "track",
        "until",
    )

    def __init__(self, stream: Stream) -> None:
        self.audio = stream.type == "audio"
        self.canonicalizer = Canonicalizer.of(stream)
        self.convert = self.canonicalizer.packet
        self.time_base = stream.time_base or Fraction(1, TIME_BASE)
        self.seconds_per_tick = float(self.time_base)
        self.track: Track | None = None
        """None if its codec is not supported."""
        self.described = False
        """The description was made from a key frame."""
        self.reported = False
        """Its being left out was logged."""
        self.number = 0
        self.frame_ticks = _frame_ticks(stream) if self.audio else 0
        """What a frame of sound lasts, 0 where it is not known."""
        self.until: int | None = None
        """Where the last frame ends, if it is known by that."""
        self.first, self.end = math.inf, -math.inf
        """Of the current pass through a file, in seconds."""

    def stamps(self, packet: AnyPacket) -> tuple[int | None, int | None, int | None]:
        """DTS, PTS and duration. What FFmpeg has read before it knew the codec's frames (AAC in a
        transport stream) it gives without: only the first frame of each PES packet has its time."""
        dts, pts, duration = packet.dts, packet.pts, packet.duration
        if self.frame_ticks:
            if dts is None and pts is None:
                dts = pts = self.until
            duration = duration or self.frame_ticks
            self.until = dts + duration if dts is not None else None
        return dts, pts, duration


def _frame_ticks(stream: Stream) -> int:
    """Of a codec whose frames are all as long, in ticks of the stream's time base."""
    context, base = stream.codec_context, stream.time_base
    samples = getattr(context, "frame_size", 0)
    rate = getattr(context, "sample_rate", 0)
    return round(samples / rate / base) if samples and rate and base else 0


def left_out(streams: Iterable[Stream], told: set[int]) -> list[str]:
    """What is said of text in a source, which is shown of films only; `told`: indexes of those that
    it was said of, which grows."""
    texts = [one for one in streams if one.type == "subtitle" and one.index not in told]
    told.update(one.index for one in texts)
    return [
        f"track {one.index} ({codec_name(one) or 'text'}) is left out: subtitles of live sources"
        " are not carried"
        for one in texts
    ]


def _is_over() -> AbstractContextManager[InputContainer]:
    raise InputError("the source is over")


class DemuxInput(ThreadInput):
    """An input behind an FFmpeg demuxer.

    `paced`: the source is faster than real time. `loop`: at its end it starts over, which is how.
    """

    def __init__(
        self,
        name: str,
        receiver: Receiver,
        limits: Limits,
        opener: Opener,
        *,
        paced: bool = False,
        loop: Callable[[InputContainer], None] | None = None,
    ) -> None:
        super().__init__(name, receiver, limits)
        self._opener = opener
        self._pacer = Pacer() if paced else None
        self._loop = loop
        self._lanes: dict[int, Lane] = {}
        self._streams: list[Stream] = []
        self._told: set[int] = set()
        """Streams whose being left out was logged."""
        # Extent of the current pass through a file, seconds on its own clock.
        self._first, self._end = math.inf, -math.inf

    def pace(self, seconds: float) -> None:
        super().pace(seconds)
        if self._pacer is not None:
            prompt = seconds <= PROMPT_SECONDS
            self._pacer.lead = PROMPT_LEAD_SECONDS if prompt else LEAD_SECONDS

    def _read(self) -> None:
        try:
            opened = False
            while not opened or self._goes_on():
                with self._opener() as container:
                    if self._stopping.is_set():
                        return
                    if not opened:
                        self.receiver.connected()
                    opened = True
                    self._read_container(container)
        except (av.error.FFmpegError, OSError) as error:
            if not self._stopping.is_set():
                self.count_status(http_status(error))
                raise InputError(describe(error)) from error

    def _let_go(self) -> None:
        self._lanes.clear()
        self._streams = []
        self._opener = _is_over

    def _goes_on(self) -> bool:
        """True if the source continues with other tracks, for the opener to open."""
        return False

    def _read_container(self, container: InputContainer) -> None:
        self._lanes.clear()
        self._streams = [stream for stream in container.streams if self._wanted(stream)]
        if not self._streams:
            raise InputError("the source has neither video nor audio")
        for text in left_out(container.streams, self._told):
            log.info("%s: %s", self.name, text)
        if not any(is_supported(stream) for stream in self._streams):
            codecs = ", ".join(codec_name(stream) or "unknown" for stream in self._streams)
            raise InputError(f"no track of the source has a supported codec: {codecs}")
        while True:
            self._first, self._end = math.inf, -math.inf
            for lane in self._lanes.values():
                lane.first, lane.end = math.inf, -math.inf
            self._read_packets(container)
            if self._loop is None or self._stopping.is_set():
                return
            if self._end < self._first:
                raise InputError("the file has no frames")
            if self._pacer:
                # As the timeline does it: the longest track decides.
                length = max(lane.end - lane.first for lane in self._lanes.values())
                self._pacer.loop(self._first, self._first + length)
            self._loop(container)
            self.receiver.looped()

    def _wanted(self, stream: Stream) -> bool:
        if stream.type not in ("video", "audio") or stream.codec_context is None:
            return False
        return not stream.disposition & Disposition.attached_pic

    def _read_packets(self, container: InputContainer) -> None:
        read_seconds = self.limits.read_seconds
        stopping = self._stopping
        monotonic = time.monotonic
        lanes = self._lanes
        waiting: list[AnyPacket] = []
        self.allow(read_seconds)
        wanted = frozenset(stream.index for stream in self._streams)
        # All streams, also those that nobody wants: each packet is a chance to stop.
        for packet in container.demux():
            if stopping.is_set():
                return
            self._deadline = monotonic() + read_seconds
            if not packet.size:
                if packet.dts is None:
                    # PyAV's mark of the end, one a track: it fails on those that appeared late.
                    break
                continue
            if packet.stream_index in lanes:
                self._forward(packet)
                continue
            if packet.stream_index not in wanted:
                continue
            # Before the first description, and again for a track that was silent until now.
            waiting.append(packet)
            if lanes or self._complete(waiting):
                self._start(waiting)
        if waiting:
            self._start(waiting)

    def _complete(self, waiting: list[AnyPacket]) -> bool:
        """True if all that can be known of the tracks is known."""
        started = {
            packet.stream_index
            for packet in waiting
            if packet.is_keyframe or packet.stream.type == "audio"
        }
        return len(started) == len(self._streams) or len(waiting) >= MAX_WAITING_PACKETS

    def _start(self, waiting: list[AnyPacket]) -> None:
        """Describe the tracks of the packets that wait and let these packets go on."""
        for packet in waiting:
            lane = self._lanes.get(packet.stream_index)
            if lane is None:
                self._lanes[packet.stream_index] = Lane(packet.stream)
            if lane is None or (packet.is_keyframe and not lane.described):
                self._describe(packet)
        self._announce()
        packets = waiting.copy()
        waiting.clear()
        for packet in packets:
            self._forward(packet)

    def _describe(self, packet: AnyPacket) -> None:
        """Describe the track of `packet` from this packet."""
        lane = self._lanes[packet.stream_index]
        try:
            if not is_supported(packet.stream):
                raise TrackError("its codec is not supported")
            lane.track = describe_track(packet.stream, packet, 0, "")
            lane.described = packet.is_keyframe
        except (TrackError, av.FFmpegError) as error:
            if lane.track is None and not lane.reported:
                lane.reported = True
                log.warning(
                    "%s: track %d (%s) is left out: %s",
                    self.name,
                    packet.stream_index,
                    codec_name(packet.stream) or "unknown codec",
                    error if isinstance(error, TrackError) else describe(error),
                )

    def _announce(self) -> None:
        """Number the tracks, video before audio, and tell the receiver."""
        usable = [lane for _, lane in sorted(self._lanes.items()) if lane.track is not None]
        usable.sort(key=lambda lane: lane.audio)
        if not usable:
            return  # a later key frame will describe its track
        tracks: list[Track] = []
        for number, lane in enumerate(usable):
            assert lane.track is not None
            lane.number = number
            nth = 1 + sum(track.kind == lane.track.kind for track in tracks)
            tracks.append(replace(lane.track, number=number, name=f"{lane.track.kind[0]}{nth}"))
        self.receiver.describe(tracks, [lane.time_base for lane in usable])

    def _forward(self, packet: AnyPacket) -> None:
        lane = self._lanes[packet.stream_index]
        if lane.track is None and not self._described_by(lane, packet):
            return
        if self._pacer is not None:
            self._pace(lane, packet, self._pacer)
        data = lane.convert(packet)
        if packet.is_corrupt or lane.canonicalizer.fault:
            self.count("broken_payload")
        if lane.canonicalizer.changed:
            self._describe(packet)
            self._announce()
        if data is not None:
            dts, pts, duration = lane.stamps(packet)
            self.receiver.frame(
                lane.number,
                dts,
                pts,
                duration,
                lane.audio or packet.is_keyframe,
                data,
            )

    def _described_by(self, lane: Lane, packet: AnyPacket) -> bool:
        """Try again to describe a track, from a key frame that came late."""
        if packet.is_keyframe and is_supported(packet.stream):
            self._describe(packet)
            if lane.track is not None:
                self._announce()
        return lane.track is not None

    def _pace(self, lane: Lane, packet: AnyPacket, pacer: Pacer) -> None:
        dts = packet.dts if packet.dts is not None else packet.pts
        if dts is None:
            return
        position = dts * lane.seconds_per_tick
        end = position + (packet.duration or 0) * lane.seconds_per_tick
        lane.first, lane.end = min(lane.first, position), max(lane.end, end)
        self._first, self._end = min(self._first, position), max(self._end, end)
        delay = pacer.delay(position, time.monotonic())
        if delay > 0:
            self.allow(delay + self.limits.read_seconds)
            # Most waits are a few frames long, and a plain sleep costs a third of an event's wait.
            if delay < SHORT_SLEEP_SECONDS:
                time.sleep(delay)
            else:
                self._stopping.wait(delay)
