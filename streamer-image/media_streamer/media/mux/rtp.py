"""RTP writer: the packets of a frame, one after the other, each behind its interleaved header.

The header of RTSP's interleaved packets (`$`, channel, length; RFC 2326 10.12) keeps the packets
apart, so the same bytes serve a viewer within an RTSP connection as they are, and one by UDP or
WebRTC packet by packet. Channel 2n is RTP of track n of the description, 2n + 1 its RTCP.

Sequence numbers, sources and clocks go on when the tracks change: viewers stay. All tracks count
from one offset, so that a receiver can be sent another rendition under the same source.
"""

import secrets
import struct
from collections.abc import Sequence

from media_streamer.media.frame import TIME_BASE, Frame, Track
from media_streamer.rtp import rtcp, sdp
from media_streamer.rtp.clock import ntp_time
from media_streamer.rtp.codecs import Outgoing, offer
from media_streamer.rtp.packet import HEADER_BYTES

REPORT_TICKS = 5 * TIME_BASE
"""Between two sender reports of a track (RFC 3550 6.2: 5 s is the usual minimum)."""
_INTERLEAVED = struct.Struct(">BBHBBHII")
_DOLLAR = 0x24
_RTP_VERSION = 2 << 6
_CNAME = "media"
_CLOSE = 1 << 15
"""The stream's clock never goes back: a stamp that is this much behind is one that was passed."""


_WALL_TOLERANCE = 0.002
"""Seconds: twice what whole milliseconds are out by."""


class _WallClock:
    """Of all reports of a stream. Frames have theirs in whole milliseconds, by which the tracks
    would lie up to one apart, and move against each other with each report."""

    def __init__(self) -> None:
        self._start: float | None = None
        """Unix time of tick 0."""

    def of(self, frame: Frame) -> float:
        """Unix time at the frame's decoding time."""
        told, seconds = frame.utc_ms / 1000, frame.dts / TIME_BASE
        start = self._start
        if start is None or abs(start + seconds - told) > _WALL_TOLERANCE:
            start = self._start = told - seconds
        return start + seconds


class _Sender:
    """One track on its way out."""

    __slots__ = (
        "_clock_rate", "_grows", "_head", "_last", "_offset", "_packetize", "_payload_type",
        "channel", "octets", "packets", "reported_at", "sequence", "ssrc",
    )  # fmt: skip

    def __init__(
        self, outgoing: Outgoing, channel: int, offset: int, previous: "_Sender | None"
    ) -> None:
        self._packetize = outgoing.packetizer.packetize
        self._payload_type = outgoing.media.payload_type
        self._clock_rate = outgoing.media.clock_rate
        self.channel = channel
        self.reported_at: int | None = None
        self.packets = self.octets = 0
        # RFC 3550 5.1: numbers start anywhere, so that they cannot be guessed.
        self.ssrc: int = previous.ssrc if previous else secrets.randbits(32)
        self.sequence: int = previous.sequence if previous else secrets.randbits(15)
        self._offset = offset
        self._grows = outgoing.media.kind == "audio"
        self._last: int | None = None

    def timestamp(self, ticks: int) -> int:
        """RTP time stamp of a time in ticks of 90 kHz."""
        return (self._offset + ticks * self._clock_rate // TIME_BASE) & 0xFFFFFFFF

    def _stamp(self, ticks: int) -> int:
        """That of a frame. Those of sound grow: two frames that are less than a tick of the slower
        clock apart (a source that repeats a stamp) would have the same one, which FFmpeg minds."""
        stamp = self.timestamp(ticks)
        if self._grows:
            last = self._last
            if last is not None and (last - stamp) & 0xFFFFFFFF < _CLOSE:
                stamp = (last + 1) & 0xFFFFFFFF
        self._last = stamp
        return stamp

    def write(self, frame: Frame) -> bytes:
        payloads = self._packetize(frame.data, frame.key)
        timestamp, last = self._stamp(frame.pts), len(payloads) - 1
        parts: list[bytes] = []
        sequence = self.sequence
        for number, payload in enumerate(payloads):
            size = len(payload)
            head = _INTERLEAVED.pack(
                _DOLLAR,
                self.channel,
                HEADER_BYTES + size,
                _RTP_VERSION,
                (0x80 if number == last else 0) | self._payload_type,
                sequence,
                timestamp,
                self.ssrc,
            )
            parts += (head, payload)
            sequence = (sequence + 1) & 0xFFFF
            self.octets += size
        self.sequence = sequence
        self.packets += len(payloads)
        return b"".join(parts)

    def report(self, frame: Frame, unix_seconds: float) -> bytes:
        """A sender report that pairs the wall clock with the frame's time stamp."""
        self.reported_at = frame.dts
        packet = rtcp.sender_report(
            self.ssrc,
            ntp_time(unix_seconds),
            self.timestamp(frame.dts),
            self.packets,
            self.octets,
        ) + rtcp.description(self.ssrc, _CNAME)
        return bytes((_DOLLAR, self.channel + 1)) + len(packet).to_bytes(2, "big") + packet


class RtpMuxer:
    """Writes the frames of all tracks that have a payload format."""

    def __init__(
        self,
        tracks: Sequence[Track],
        previous: "RtpMuxer | None" = None,
        *,
        sources: bool = False,
    ) -> None:
        """`previous` wrote the same output for other tracks; `sources`: the description tells
        them (`x-ssrc`)."""
        self.reasons: dict[int, str] = {}
        self.left_out: list[Track] = []
        self._senders: dict[int, _Sender] = {}
        self._names: dict[str, _Sender] = {}
        media: list[sdp.Media] = []
        before = previous._names if previous is not None else {}
        self._wall: _WallClock = previous._wall if previous is not None else _WallClock()
        self._offset: int = previous._offset if previous is not None else secrets.randbits(31)
        for track in tracks:
            outgoing = offer(track, len(media))
            if outgoing is None:
                self.left_out.append(track)
                continue
            sender = _Sender(outgoing, 2 * len(media), self._offset, before.get(track.name))
            self._senders[track.number] = self._names[track.name] = sender
            outgoing.media.attributes["x-track"] = track.name
            if sources:
                outgoing.media.attributes["x-ssrc"] = str(sender.ssrc)
            media.append(outgoing.media)
        self.header = sdp.write("media", media).encode() if tracks else b""
        """The description, without the stream's name; `x-track` names the tracks. Empty until there
        are tracks."""

    def channel(self, track: int) -> int | None:
        """Of the packets of a track; None if it is left out."""
        sender = self._senders.get(track)
        return sender.channel if sender is not None else None

    def discontinuity(self) -> None:
        """RTP has no mark for it: the clock of the stream goes on."""

    def mux(self, frame: Frame, boundary: bool) -> bytes:
        """The packets of a frame; b"" for a track that is left out."""
        sender = self._senders.get(frame.track)
        if sender is None:
            return b""
        data = sender.write(frame)
        if boundary:
            for other in self._senders.values():
                other.reported_at = None
        if sender.reported_at is None or frame.dts - sender.reported_at >= REPORT_TICKS:
            # In front, so that a viewer who begins here knows the time of what follows: of each
            # track, else players guess how sound and picture lie to each other.
            data = sender.report(frame, self._wall.of(frame)) + data
        return data
