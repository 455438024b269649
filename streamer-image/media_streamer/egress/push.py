"""What every push does, whatever protocol carries it: take the stream, send it, notice the end.

A push is a delivery without a viewer: it has an account in place of a session, and a subscription
that keeps the stream on. Pushes of one form share its bytes. What is left to a protocol is how to
reach its peer; see `jobs.py` for the contract of `run`.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator

from media_api.push import PushConfig

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.broadcast import Broadcast, Format, Framing
from media_streamer.egress.context import Egress
from media_streamer.egress.jobs import JobFailed, Work
from media_streamer.egress.ts_service import TsService
from media_streamer.egress.viewer import STALLED, Delivery
from media_streamer.outgoing.dial import NoAddressError
from media_streamer.outgoing.wire import words
from media_streamer.presentation.selection import track_names

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 15.0
"""A stream without data this long: its pushes end, and wait for it. Receivers do as much."""


def http_refusal(status: int, method: str = "") -> str:
    """What an HTTP server answers that does not take what it is sent, in words."""
    to = f" to {method}" if method else ""
    away = ": redirects are not followed, push to where it leads" if 300 <= status < 400 else ""
    return f"the server answers {status}{to}{away}"


class Push:
    """One attempt. Making one raises JobFailed for options that contradict each other."""

    def __init__(self, egress: Egress, work: Work) -> None:
        self.config = PushConfig.model_validate_json(work.job.config)
        self.connect_seconds = float(self.config.connect_timeout or CONNECT_SECONDS)
        self.idle_seconds = float(self.config.timeout or IDLE_SECONDS)
        self._egress = egress
        self._work = work
        try:
            self.service = TsService.of(self.config)
            """What its MPEG-TS is to be called; None for the stream as it is."""
        except ValueError as error:
            raise JobFailed(str(error), hopeless=True) from None

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of those that are sent, empty for all."""
        return track_names(self.config.tracks or "")

    async def source(self, format: Format, framing: type[Framing] | None = None) -> Broadcast:
        """The stream in a format, once it has data. Raises JobFailed."""
        work = self._work
        try:
            work.waits()
            broadcast = await self._egress.hub.standing(
                work.stream,
                format,
                framing,
                tracks=self.tracks,
                max_age_seconds=self.idle_seconds,
            )
        except AccessDenied as denied:
            raise JobFailed(denied.title) from None
        work.begins()
        return broadcast

    @contextlib.asynccontextmanager
    async def reaching(self) -> AsyncIterator[None]:
        """What is done inside to reach the peer has its time, and fails in words (JobFailed)."""
        try:
            async with asyncio.timeout(self.connect_seconds):
                yield
        except TimeoutError:
            text = f"no answer within {self.connect_seconds:g} s"
            raise JobFailed(text, "errors_connection_lost") from None
        except NoAddressError as error:
            raise JobFailed(str(error), "errors_no_destination") from None
        except ssl.SSLError as error:
            raise JobFailed(words(error), "errors_tls") from None
        except OSError as error:
            raise JobFailed(words(error), "errors_connection_lost") from None

    async def send(
        self,
        broadcast: Broadcast,
        transport: Delivery,
        lost: "asyncio.Future[str]",
        *,
        replay: bool = True,
    ) -> None:
        """Send until something ends it. Always raises JobFailed, or is cancelled.

        `lost` is done with the reason once the peer is gone.
        """
        work = self._work
        viewer = broadcast.deliver(transport, work.account, replay=replay)
        began = dropped = work.account.dropped_gops
        work.works()
        try:
            while not (lost.done() or viewer.closed.done()):
                await asyncio.wait(
                    (lost, viewer.closed),
                    timeout=self.idle_seconds / 4,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if time.monotonic() - broadcast.last_data > self.idle_seconds:
                    raise JobFailed("the stream gives no data")
                # It skips for a moment only where the next key frame fits.
                before, dropped = dropped, work.account.dropped_gops
                work.lags(dropped > before or (viewer.skipping and dropped > began))
        finally:
            viewer.detach("push ended")
        if lost.done():
            raise JobFailed(lost.result(), "errors_connection_lost")
        if viewer.closed.result() == STALLED:
            raise JobFailed("the receiver takes nothing", "errors_connection_lost")
        raise JobFailed(f"the stream ended: {viewer.closed.result()}")
