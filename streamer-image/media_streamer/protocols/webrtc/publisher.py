"""One publisher by WebRTC: what a browser sends into a feed, until either of them ends."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from media_streamer.egress.feed import Feed
from media_streamer.protocols.webrtc.allowance import Allowance
from media_streamer.protocols.webrtc.receiver import MAX_BIT_RATE, Incoming, MediaReceiver
from media_streamer.wire.control import PublisherTerms

log = logging.getLogger(__name__)

UNSAID = PublisherTerms()
KEY_FRAME_SECONDS = 2.0
"""Browsers make key frames when they are asked only; segments and new viewers begin with one."""


class WebRtcPublisher(MediaReceiver):
    """One that was killed must not keep the next publisher out: it is silent."""

    key_frame_seconds = KEY_FRAME_SECONDS

    def __init__(
        self,
        feed: Feed,
        tracks: Sequence[Incoming],
        on_closed: Callable[[], None],
        transport_extension: int = 0,
        terms: PublisherTerms = UNSAID,
    ) -> None:
        super().__init__(feed, tracks, transport_extension)
        if terms.adapts and terms.rate is not None:
            most = min(terms.most_bit_rate or MAX_BIT_RATE, MAX_BIT_RATE)
            self.allowance = Allowance(terms.rate, terms.least_bit_rate, most)
            if terms.rate.logged:
                self.on_allowance = self._log_allowance
        self._feed = feed
        self._on_closed = on_closed
        feed.on_key_frame = self.wish
        feed.ended.add_done_callback(self._on_feed_ended)

    def on_connected(self) -> None:
        log.info("webrtc %s stream %s: publishing", self.connection.remote, self._feed.stream)
        super().on_connected()

    def on_closed(self, reason: str) -> None:
        log.info("webrtc %s stream %s: %s", self.connection.remote, self._feed.stream, reason)
        self.end()
        if self.damaged:
            log.warning(
                "stream %s: %d packets of the publisher were lost, and %d frames with them",
                self._feed.stream,
                self.lost,
                self.damaged,
            )
        task = self._loop.create_task(self._feed.close())
        _closing.add(task)
        task.add_done_callback(_closing.discard)
        self._on_closed()

    def _log_allowance(self, loss: float, came: int) -> None:
        assert self.allowance is not None
        log.info(
            "webrtc %s stream %s: %.1f %% lost of %d kbit/s: %d kbit/s are told%s",
            self.connection.remote, self._feed.stream, loss, came // 1000,
            self.allowance.bit_rate // 1000, " from now on" if self.allowance.is_settled else "",
        )  # fmt: skip

    def _on_feed_ended(self, ended: "asyncio.Future[str]") -> None:
        reason = "cancelled" if ended.cancelled() else ended.result()
        self.connection.close(f"publishing ended: {reason}")


_closing: set[asyncio.Task[None]] = set()
"""Keeps the goodbyes of feeds alive that outlive their connection."""
