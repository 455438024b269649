"""One client by HTTP/2 (RFC 9113): frames here, exchanges in lanes.

h2 knows the protocol; what it leaves to its user is bounded here: exchanges at once, frames that
only make work, exchanges that are begun to be given up (CVE-2023-44487), and what waits to be sent.
What all connections of an address may cost is `crowd`'s.
A client that breaks the rules is told which, and let go.
"""

import asyncio
import logging
from collections.abc import Callable

from aiohttp import web
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from media_streamer.budgets import (
    HTTP2_EXCHANGES,
    HTTP2_FRAMES_PER_SECOND,
    HTTP2_GIVEN_UP,
    HTTP2_HEADER_BYTES,
)
from media_streamer.egress.http.http2.crowd import Crowd, Share
from media_streamer.egress.http.http2.lane import Lane
from media_streamer.egress.http.http2.translation import BadRequest, HeaderList, to_http1
from media_streamer.egress.reading import ReadGate

log = logging.getLogger(__name__)

PROTOCOLS = ["h2", "http/1.1"]
"""For ALPN, in the order of our liking (RFC 7301)."""
HIGH_BYTES, LOW_BYTES = 512 * 1024, 128 * 1024
"""What waits in the connection: above the first nothing is read or sent, until the second."""
IDLE_SECONDS = 60.0
MAX_FREE_LANES = 8
"""Kept for exchanges to come: one by one is what most clients ask, and a lane has its memory."""
PIECE_BYTES = 4096
"""h2 is given so much at once: a read holds 25,000 frames of 9 bytes, which took a worker seconds
before the first was counted."""
LEAST_DATA_BYTES = 64
"""A frame of a body with less counts as any other: one of none costs the same (CVE-2019-9518)."""


class Chooser(asyncio.Protocol):
    """A connection by TLS, until it is known what the client speaks."""

    def __init__(self, make: Callable[[], web.RequestHandler], crowd: Crowd) -> None:
        self._make, self._crowd = make, crowd

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        tls = transport.get_extra_info("ssl_object")
        is_two = tls is not None and tls.selected_alpn_protocol() == "h2"
        protocol = Http2Connection(self._make, self._crowd) if is_two else self._make()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


class Http2Connection(asyncio.Protocol):
    """See above; `make` gives a handler of HTTP/1.1 for a lane."""

    transport: asyncio.Transport
    _gate: ReadGate
    _share: Share

    def __init__(self, make: Callable[[], web.RequestHandler], crowd: Crowd) -> None:
        self._make, self._crowd = make, crowd
        self._loop = asyncio.get_running_loop()
        config = H2Configuration(client_side=False, header_encoding=None, logger=None)
        self._h2 = H2Connection(config)
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: HTTP2_EXCHANGES,
                SettingCodes.MAX_HEADER_LIST_SIZE: HTTP2_HEADER_BYTES,
            },
        )
        self._lanes: dict[int, Lane] = {}
        """By the number of their exchange."""
        self._free: list[Lane] = []
        self._blocked = False
        """The client does not read."""
        self._flushes = False
        self._given_up = 0
        self._events = 0
        self._second = 0.0
        self._idle_since = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._rest = b""
        """What was read and is not looked at yet, for its address sends too much."""
        self._going_on: asyncio.TimerHandle | None = None

    # Of the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._gate = ReadGate(transport)
        host = (transport.get_extra_info("peername") or ("?", 0))[0]
        self._share = self._crowd.join(str(host).removeprefix("::ffff:"))
        transport.set_write_buffer_limits(HIGH_BYTES, LOW_BYTES)
        self._h2.initiate_connection()
        self._flush()
        self._timer = self._loop.call_later(IDLE_SECONDS, self._look_whether_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._timer, self._going_on):
            if timer is not None:
                timer.cancel()
        for lane in [*self._lanes.values(), *self._free]:
            lane.lose()
        self._lanes.clear()
        self._free.clear()
        self._share.leave()

    def pause_writing(self) -> None:
        self._blocked = True
        # Whoever makes us answer and does not read is not heard until it does.
        self._gate.hold("answers")

    def resume_writing(self) -> None:
        self._blocked = False
        self._gate.release("answers")
        self._pump()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return  # it was let go, and sends on
        if self._rest:
            self._rest += data  # TLS had it already
        else:
            self._read(data)

    def _read(self, data: bytes) -> None:
        try:
            for start in range(0, len(data), PIECE_BYTES):
                if wait := self._share.wait(self._loop.time()):
                    self._rest = data[start:]
                    self._gate.hold("budget")
                    self._going_on = self._loop.call_later(wait, self._go_on)
                    break
                for event in self._h2.receive_data(data[start : start + PIECE_BYTES]):
                    self._count(event)
                    self._take(event)
        except ProtocolError as error:
            log.info("HTTP/2 from %s: %s", self.transport.get_extra_info("peername"), error)
            self._leave(None)
            return
        self._flush()

    def _go_on(self) -> None:
        self._going_on = None
        rest, self._rest = self._rest, b""
        if self.transport.is_closing():
            return
        self._read(rest)
        if not self._rest:
            self._gate.release("budget")

    # Of the lanes

    def send_head(self, stream: int, headers: HeaderList) -> None:
        self._try(lambda: self._h2.send_headers(stream, headers))

    def send_data(self, stream: int, data: bytes, *, end: bool) -> int:
        """See `Outer`."""
        sent = 0
        try:
            while sent < len(data) or (end and not data):
                if self._blocked and data:
                    break
                room = min(
                    self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size
                )
                if data and room <= 0:
                    break
                piece = data[sent : sent + room] if data else b""
                sent += len(piece)
                self._h2.send_data(stream, piece, end_stream=end and sent == len(data))
                self._flush_soon()
                if not data:
                    break
        except ProtocolError:
            return len(data)  # the client has given the exchange up: an event says so
        return sent

    def reset(self, stream: int) -> None:
        """See `Outer`."""
        self._drop(stream)
        self._try(lambda: self._h2.reset_stream(stream, ErrorCodes.INTERNAL_ERROR))

    def acknowledge(self, stream: int, size: int) -> None:
        """See `Outer`."""
        self._try(lambda: self._h2.acknowledge_received_data(size, stream))

    def is_free(self, lane: Lane, stream: int) -> None:
        """See `Outer`."""
        self._drop(stream)
        self._given_up = max(0, self._given_up - 1)
        self._idle_since = self._loop.time()
        if lane.is_closing():
            return
        if len(self._free) < MAX_FREE_LANES:
            self._free.append(lane)
        else:
            lane.lose()

    def is_lost(self, lane: Lane) -> None:
        """See `Outer`."""
        if lane in self._free:
            self._free.remove(lane)
        if not lane.stream:
            for stream in [number for number, one in self._lanes.items() if one is lane]:
                self._drop(stream)

    def _drop(self, stream: int) -> Lane | None:
        """The exchange is over."""
        lane = self._lanes.pop(stream, None)
        self._share.ended(len(self._lanes))
        return lane

    # Events

    def _count(self, event: Event) -> None:
        """Raises ProtocolError for a client that makes work only."""
        if isinstance(event, DataReceived) and event.flow_controlled_length >= LEAST_DATA_BYTES:
            return
        now = self._loop.time()
        if now - self._second >= 1:
            self._second, self._events = now, 0
        self._events += 1
        self._share.count()
        if self._events > HTTP2_FRAMES_PER_SECOND or self._given_up > HTTP2_GIVEN_UP:
            self._leave(ErrorCodes.ENHANCE_YOUR_CALM)
            raise ProtocolError("too much work for nothing")

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._begin(event)
            case DataReceived():
                lane = self._lanes.get(event.stream_id)
                if lane is not None:
                    lane.take_body(event.data, event.flow_controlled_length)
                elif event.flow_controlled_length:
                    self.acknowledge(event.stream_id, event.flow_controlled_length)
            case StreamEnded():
                if (lane := self._lanes.get(event.stream_id)) is not None:
                    lane.end_body()
            case StreamReset():
                if (lane := self._drop(event.stream_id)) is not None:
                    self._given_up += 1
                    lane.lose()
            case WindowUpdated() | RemoteSettingsChanged():
                self._pump()
            case ConnectionTerminated():
                self.transport.close()

    def _begin(self, event: RequestReceived) -> None:
        stream = event.stream_id
        has_body = event.stream_ended is None
        try:
            request = to_http1(event.headers, has_body=has_body)
        except BadRequest as error:
            self._refuse(stream, b"400", f"Bad request: {error}\n")
            return
        if not self._share.begin(len(self._lanes)):
            self._refuse(stream, b"503", "Your address has too many requests under way\n")
            return
        lane = self._free.pop() if self._free else Lane(self, self._make)
        self._lanes[stream] = lane
        lane.begin(stream, request, ended=not has_body)

    def _refuse(self, stream: int, status: bytes, text: str) -> None:
        headers = [(b":status", status), (b"content-type", b"text/plain")]
        self._try(lambda: self._h2.send_headers(stream, headers))
        self._try(lambda: self._h2.send_data(stream, text.encode(), end_stream=True))

    def _pump(self) -> None:
        for lane in list(self._lanes.values()):
            if self._blocked:
                break
            lane.pump()
        self._flush_soon()

    def _try(self, do: Callable[[], object]) -> None:
        """Of a stream, which the client may have ended meanwhile."""
        try:
            do()
        except ProtocolError as error:
            log.debug("HTTP/2: %s", error)
        self._flush_soon()

    def _flush_soon(self) -> None:
        """What is said in one turn is one write."""
        if not self._flushes:
            self._flushes = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushes = False
        if (data := self._h2.data_to_send()) and not self.transport.is_closing():
            self.transport.write(data)

    def _leave(self, code: ErrorCodes | None) -> None:
        """End the connection; h2 has said why itself unless there is a `code`."""
        if code is not None:
            self._try(lambda: self._h2.close_connection(code))
        self._flush()
        self.transport.close()

    def _look_whether_idle(self) -> None:
        idle = self._loop.time() - self._idle_since
        if not self._lanes and idle >= IDLE_SECONDS:
            self._timer = None
            self._leave(ErrorCodes.NO_ERROR)
            return
        left = IDLE_SECONDS - idle if not self._lanes else IDLE_SECONDS
        self._timer = self._loop.call_later(max(left, 1.0), self._look_whether_idle)
