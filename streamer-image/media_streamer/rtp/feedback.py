"""RTCP of one peer beyond what anybody honest says: passed over, counted, and told now and then."""

import logging

from media_streamer.budgets import RTSP_FEEDBACK_PER_SECOND
from media_streamer.rtp import rtcp

log = logging.getLogger(__name__)

TELL_SECONDS = 60.0
"""Between two lines about one peer."""
WISH_SECONDS = 0.5
"""Between two wishes for a key frame: a player's, and ours to a sender."""


class Feedback:
    """Of one peer; `title` says in the log whose it is."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.surplus = 0
        """Packets that were passed over."""
        self._count = 0
        self._since = -1.0
        self._told_at = -TELL_SECONDS
        self._next_wish = 0.0

    def wants_key_frame(self, data: bytes, now: float) -> bool:
        """Whether a packet of a player asks for a key frame, and has not just done so."""
        if not self.may_be_read(now) or now < self._next_wish:
            return False
        if not any(isinstance(one, rtcp.KeyFrameRequest) for one in rtcp.parse(data)):
            return False
        self._next_wish = now + WISH_SECONDS
        return True

    def may_be_read(self, now: float) -> bool:
        """Whether the packet that has come is to be read. `now`: monotonic seconds."""
        if now - self._since >= 1.0:
            self._count, self._since = 0, now
        self._count += 1
        if self._count <= RTSP_FEEDBACK_PER_SECOND:
            return True
        self.surplus += 1
        if now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            log.warning(
                "%s sends more than %d RTCP packets a second: what is beyond is passed over,"
                " %d so far",
                *(self.title, RTSP_FEEDBACK_PER_SECOND, self.surplus),
            )
        return False
