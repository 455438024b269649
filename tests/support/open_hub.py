"""A hub for tests of what viewers are answered: everybody is let in, in a session of his own."""

import itertools
from pathlib import Path

from media_streamer.egress.access import Access
from media_streamer.egress.served_sessions import ServedSessions
from media_streamer.wire.control import AccessRequest, DeliveryConfig


class OpenHub:
    """What sessions of segments use of `egress.hub.Hub`."""

    def __init__(self, config: DeliveryConfig) -> None:
        """`config`: of all who come."""
        self.config = config
        self.sessions = ServedSessions(lambda _: None)
        self._numbers = itertools.count(1)

    async def leave(self, request: AccessRequest) -> Access:
        number = str(next(self._numbers))
        return Access(number, request.name, Path(), 0, request, request.token, config=self.config)
