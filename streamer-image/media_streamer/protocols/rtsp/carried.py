"""A transport stream that a source sends in RTP (RFC 2250 2), by RTSP: to the thread of a demuxer.

Packets are taken, put into order and counted as those of any track; what they carry goes through a
bounded pipe. Tracks, programs and PIDs are those of the transport stream.

Invariants: the receiver is told the end by the owner alone, which hears of the demuxer's by `ended`
or `drain`.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from fractions import Fraction

from media_streamer.media.frame import Frame, Track
from media_streamer.media.inputs.base import InputRequest, Receiver
from media_streamer.media.inputs.publish import PublishInput
from media_streamer.wire.media import PublishedFrame

DRAIN_SECONDS = 5.0
"""For the demuxer to hand on what it has, once the source is gone."""


class CarriedStream:
    """One transport stream, and its demuxer. Made and used in the event loop."""

    def __init__(self, request: InputRequest) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = loop.create_future()
        """Done with the reason once nothing more can be taken."""
        self.demuxer = PublishInput(
            request.stream,
            _Receiver(request.receiver, self.ended, loop),
            request.limits,
            programs=frozenset(request.config.programs or ()),
            pids=frozenset(request.config.pids or ()),
            sender="the source",
        )
        self._reads = False

    def feed(self, packets: Sequence[PublishedFrame]) -> None:
        """What some packets carry; with the first ones the demuxer begins."""
        if packets and not self._reads:
            self._reads = True
            self.demuxer.start()
        for packet in packets:
            if not self.demuxer.feed(packet.data) and not self.ended.done():
                self.ended.set_result("the source sends more than can be read")

    async def drain(self) -> None:
        """The source is gone: what it sent is still used."""
        self.demuxer.finish()
        if self._reads:
            await asyncio.wait((self.ended,), timeout=DRAIN_SECONDS)

    def close(self) -> None:
        """Read nothing more; may be called again."""
        self.demuxer.stop()


class _Receiver:
    """Between the demuxer's thread and who gets the frames."""

    def __init__(
        self, receiver: Receiver, ended: "asyncio.Future[str]", loop: asyncio.AbstractEventLoop
    ) -> None:
        self._receiver = receiver
        self._ended = ended
        self._loop = loop

    def connected(self) -> None:
        """The session has told it."""

    def describe(self, tracks: Sequence[Track], time_bases: Sequence[Fraction]) -> None:
        self._receiver.describe(tracks, time_bases)

    def frame(
        self,
        track: int,
        dts: int | None,
        pts: int | None,
        duration: int | None,
        key: bool,
        data: bytes,
    ) -> None:
        self._receiver.frame(track, dts, pts, duration, key, data)

    def relayed(self, frame: Frame) -> None:
        """RTSP carries none."""

    def looped(self) -> None:
        """No connection begins anew."""

    def ended(self, error: str | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._tell, error or "the source ended")

    def _tell(self, error: str) -> None:
        if not self._ended.done():
            self._ended.set_result(error)
