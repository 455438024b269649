"""One publisher by SRT: messages of a transport stream into a feed."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from media_streamer.egress.feed import Feed
from media_streamer.protocols.srt.engine import SrtEngine
from media_streamer.protocols.srt.libsrt import ERR, IN, SrtSocket
from media_streamer.protocols.srt.settings import PUBLISHER_IDLE_SECONDS
from media_streamer.wire.control import SrtTerms

log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0
"""How often silence is looked at, and figures are told."""


class SrtPublisher:
    """A connection that publishes."""

    def __init__(
        self,
        engine: SrtEngine,
        sock: SrtSocket,
        feed: Feed,
        terms: SrtTerms,
        peer: tuple[str, int],
        on_close: Callable[[Any], None],
    ) -> None:
        self._engine = engine
        self._socket = sock
        self._feed = feed
        self._peer = peer
        self._on_close = on_close
        self._closed = False
        self._patience = PUBLISHER_IDLE_SECONDS if terms.timeout is None else terms.timeout
        """Seconds; 0: for ever."""
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        engine.add(sock, self, IN | ERR, reads=True)
        self._timer = self._loop.call_later(CHECK_SECONDS, self._check)
        feed.ended.add_done_callback(self._on_feed_ended)
        log.info("srt %s:%d stream %s: publishing", *peer, feed.stream)

    def on_messages(self, messages: list[bytes]) -> None:
        self._heard_at = self._loop.time()
        self._feed.write(b"".join(messages))

    def on_event(self, events: int) -> None:
        if events & ERR:
            self.close("the publisher left")

    def _check(self) -> None:
        if self._patience and self._loop.time() - self._heard_at > self._patience:
            self.close(f"the publisher sent nothing for {self._patience:g} s")
            return
        self._timer = self._loop.call_later(CHECK_SECONDS, self._check)
        if figures := self._socket.statistics():
            self._feed.reception(figures.reception)

    def _on_feed_ended(self, ended: "asyncio.Future[str]") -> None:
        self.close("cancelled" if ended.cancelled() else ended.result())

    def close(self, reason: str) -> None:
        """End it; may be called again."""
        if self._closed:
            return
        self._closed = True
        log.info("srt %s:%d stream %s: %s", *self._peer, self._feed.stream, reason)
        self._timer.cancel()
        self._engine.remove(self._socket)
        task = self._loop.create_task(self._feed.close())
        _closing.add(task)
        task.add_done_callback(_closing.discard)
        self._on_close(self)


_closing: set[asyncio.Task[None]] = set()
"""Keeps the goodbyes of feeds alive that outlive their connection."""
