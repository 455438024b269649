"""`push srt://HOST:PORT`: calling an SRT receiver and sending it a transport stream.

The bytes are those of SRT viewers. libsrt connects by itself; its thread tells how that ended.
"""

import asyncio
import contextlib
import socket

from media_streamer.egress.context import Egress
from media_streamer.egress.jobs import JobFailed, Work
from media_streamer.egress.push import Push
from media_streamer.egress.ts_service import relabeled
from media_streamer.outgoing.addresses import reach_of_process
from media_streamer.outgoing.dial import Place, addresses
from media_streamer.protocols.srt.address import SrtAddress
from media_streamer.protocols.srt.engine import SrtEngine
from media_streamer.protocols.srt.libsrt import ERR, OUT, PAYLOAD_BYTES, Option, SrtError, SrtSocket
from media_streamer.protocols.srt.play import SrtSender
from media_streamer.protocols.srt.server import engine_of


class SrtCall:
    """A connection that this side opens; `close` ends it."""

    def __init__(self, engine: SrtEngine, address: SrtAddress, place: Place) -> None:
        """Begins to connect. Raises SrtError."""
        loop = asyncio.get_running_loop()
        self.connected: asyncio.Future[None] = loop.create_future()
        """Done once the receiver has accepted; fails with SrtError."""
        self.lost: asyncio.Future[str] = loop.create_future()
        """Done with the reason once it is over."""
        self._engine = engine
        self._socket = SrtSocket()
        self._watched = False
        try:
            self._socket.set_flag(Option.PAYLOADSIZE, PAYLOAD_BYTES)
            for option, value in address.options:
                self._socket.set_flag(option, value)
            host, port = place[3][:2]
            engine.bind_caller(self._socket, host)
            self._socket.connect(host, port)
            engine.add(self._socket, self, OUT | ERR, reads=False)
        except BaseException:
            self._socket.close()
            raise
        self.sender = SrtSender(self._socket, self._end)

    def on_messages(self, messages: list[bytes]) -> None:
        """A receiver has nothing to say."""

    def on_event(self, events: int) -> None:
        if events & ERR:
            if self.connected.done():
                self._end("the receiver is gone")
            else:
                reason = self._socket.reject_reason()
                self.connected.set_exception(SrtError(f"not connected: {reason}"))
        elif not self.connected.done():
            self._engine.forget(self._socket, ERR)
            self.connected.set_result(None)

    def _end(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)

    def close(self) -> None:
        """End it; may be called again."""
        self.sender.abort()
        self._engine.remove(self._socket)
        if self.connected.done() and not self.connected.cancelled():
            self.connected.exception()  # nobody may be waiting any more


async def run(egress: Egress, work: Work) -> None:
    """See `egress/jobs.py`."""
    push = Push(egress, work)
    try:
        address = SrtAddress.of(push.config)
    except ValueError as error:
        raise JobFailed(str(error), hopeless=True) from None
    broadcast = await push.source("ts")
    call: SrtCall | None = None
    try:
        async with push.reaching():
            engine = engine_of(egress)
            call = await _call(engine, address)
        await push.send(broadcast, relabeled(call.sender, push.service), call.lost)
    finally:
        if call is not None:
            call.close()


async def _call(engine: SrtEngine, address: SrtAddress) -> SrtCall:
    """Connected to the first address that accepts. Raises OSError."""
    failure: OSError = SrtError(f"{address.host} has no address")
    reach = reach_of_process()
    for place in await addresses(address.host, address.port, socket.SOCK_DGRAM, reach):
        with contextlib.ExitStack() as undo:
            try:
                call = SrtCall(engine, address, place)
                undo.callback(call.close)
                await call.connected
            except OSError as error:
                failure = error
                continue
            undo.pop_all()
            return call
    raise failure
