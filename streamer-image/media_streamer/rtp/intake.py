"""The tracks of one sender who is received: packets in, frames to who takes them, reports back.

What publishers by RTSP, cameras and descriptions (`sdp://`) have in common. Pure but for the sink:
who owns an intake has the sockets and calls `poll` now and then, where packets may come in any
order. What waits is bounded by the tracks' buffers.
"""

import secrets
from collections.abc import Iterable
from typing import Literal, Protocol

from media_streamer.rtp import rtcp
from media_streamer.rtp.codecs import Incoming
from media_streamer.rtp.published import PublishedTrack
from media_streamer.rtp.receiver import CommonClock
from media_streamer.wire.media import PublishedFrame, Reception, TrackSetup

Kind = Literal["video", "audio"]
_CNAME = "media"


class Sink(Protocol):
    """Who takes the frames."""

    @property
    def is_behind(self) -> bool: ...

    def tracks(self, tracks: list[TrackSetup], complete: bool, /) -> None: ...

    def frames(self, frames: list[PublishedFrame], /) -> None: ...

    def reception(self, figures: Reception, /) -> None: ...


class Intake:
    """What one sender sends. Tracks are told by `tell_tracks`, and when they change."""

    def __init__(self, sink: Sink, *, told_once_heard: frozenset[Kind] = frozenset()) -> None:
        """`told_once_heard`: tracks of these kinds may be announced and never come."""
        self.sink = sink
        self.tracks: list[PublishedTrack] = []
        self._clock = CommonClock()
        self._ssrc = secrets.randbits(32)
        self._late = told_once_heard
        self._told = Reception(0, 0)

    def add(
        self,
        number: int,
        kind: Kind,
        incoming: Incoming,
        *,
        reorder: bool,
        payload_type: int | None = None,
    ) -> PublishedTrack:
        """One more track; `reorder` and `payload_type` as of `ReceivedTrack`."""
        track = PublishedTrack(
            number, kind, incoming, self._clock, reorder=reorder, payload_type=payload_type
        )
        self.tracks.append(track)
        return track

    # Media

    def take(self, track: PublishedTrack, data: bytes) -> list[PublishedFrame]:
        """A packet came; frames for `hand_on`."""
        received = track.received
        silent = not received.packets
        frames = track.take(data)
        if silent and received.packets and track.setup.kind in self._late:
            track.changed = True
        return frames

    def poll(self) -> None:
        """Hand on what is behind packets that have been waited for long enough."""
        for track in self.tracks:
            self.hand_on(track.poll())

    def hand_on(self, frames: list[PublishedFrame]) -> None:
        """Frames to the sink, behind what has changed."""
        if any(track.changed for track in self.tracks):
            self.tell_tracks()
        if frames:
            self.sink.frames(frames)

    def tell_tracks(self) -> None:
        """Tell the sink all tracks that are heard, or sure to be."""
        told = []
        for track in self.tracks:
            track.changed = False
            if track.received.packets or track.setup.kind not in self._late:
                told.append(track.setup)
        if told:
            self.sink.tracks(told, len(told) == len(self.tracks))

    # Control

    def control(self, track: PublishedTrack, data: bytes) -> list[rtcp.Element]:
        """RTCP about a track came; what it says."""
        elements = rtcp.parse(data)
        for element in elements:
            track.received.control(element)
        return elements

    def report(self, track: PublishedTrack) -> bytes:
        """A receiver report on a track (RFC 3550 6.1); empty before its first packet."""
        block = track.received.report()
        if block is None:
            return b""
        return rtcp.receiver_report(self._ssrc, [block]) + rtcp.description(self._ssrc, _CNAME)

    def greeting(self) -> bytes:
        """A report on nothing: it opens the way for what comes through a NAT."""
        return rtcp.receiver_report(self._ssrc) + rtcp.description(self._ssrc, _CNAME)

    def wish(self, track: PublishedTrack) -> bytes:
        """A report that asks for a key frame (RFC 4585 3.1); empty before the first packet."""
        ssrc = track.received.ssrc
        return self.report(track) + rtcp.picture_loss(self._ssrc, ssrc) if ssrc is not None else b""

    # Figures

    @property
    def figures(self) -> Reception:
        received = [track.received for track in self.tracks]
        return Reception(sum(one.packets for one in received), sum(one.lost for one in received))

    def tell_figures(self) -> None:
        """Tell the sink what was lost, if that is more now."""
        figures = self.figures
        if figures.lost != self._told.lost:
            self._told = figures
            self.sink.reception(figures)

    @property
    def damaged(self) -> int:
        """Frames that were left out because packets of them are missing."""
        return sum(track.damaged for track in self.tracks)

    def sent_at(self, kinds: Iterable[Kind] = ("video", "audio")) -> float | None:
        """Unix time of the newest frame by the sender's own clock, of the first of these kinds
        whose sender reports have come; None before."""
        for kind in kinds:
            for track in self.tracks:
                if track.setup.kind == kind and track.received.sent_at is not None:
                    return track.received.sent_at
        return None

    @property
    def is_aligned(self) -> bool:
        """Whether each track that is heard has told the wall clock of its time stamps."""
        heard = [track.received for track in self.tracks if track.received.packets]
        return bool(heard) and all(one.knows_wall_clock for one in heard)
