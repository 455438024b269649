"""`push tshttp://HOST/PATH`, `tshttps://…`: an endless POST of MPEG-TS to an HTTP server.

The body is in chunked coding (RFC 9112 section 7.1), put on once for all pushes. A server that
answers `Expect: 100-continue` (RFC 9110 section 10.1.1) tells at once whether it takes the stream.
"""

import asyncio
import base64
import re

from media_streamer.egress.context import Egress
from media_streamer.egress.http.endless import Chunked
from media_streamer.egress.jobs import JobFailed, Work
from media_streamer.egress.push import Push, http_refusal
from media_streamer.egress.ts_service import relabeled
from media_streamer.egress.viewer import Delivery
from media_streamer.outgoing.addresses import reach_of_process
from media_streamer.outgoing.dial import dial
from media_streamer.outgoing.target import HttpError, Target

EXPECT_SECONDS = 2.0
"""A server that says nothing for this long is one that knows no Expect."""
CLOSE_SECONDS = 2.0
MAX_ANSWER_BYTES = 16 * 1024
LAST_CHUNK = b"0\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b[^\r\n]*")
_COUNTED = frozenset({401, 403, 404, 409})


class ChunkedFraming:
    """MPEG-TS -> chunks of an HTTP body."""

    counted = True

    def keeps(self, before: bytes, now: bytes) -> bool:
        return True

    def header(self, payload: bytes) -> bytes:
        return self.chunk(payload, False)

    def chunk(self, payload: bytes, key: bool) -> bytes:
        return b"%x\r\n%b\r\n" % (len(payload), payload) if payload else b""  # an empty one ends


class HttpPusher(asyncio.Protocol):
    """One request that goes on until somebody ends it."""

    transport: asyncio.Transport

    def __init__(self, head: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._head = head
        self._answer = b""
        self.invited: asyncio.Future[None] = loop.create_future()
        """Done once the server wants the body."""
        self.lost: asyncio.Future[str] = loop.create_future()
        """Done with the reason once it takes no more."""
        self.status = 0
        """Of its final answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        if self.lost.done():
            return
        self._answer += data
        while (end := self._answer.find(b"\r\n\r\n")) >= 0:
            head, self._answer = self._answer[:end], self._answer[end + 4 :]
            match = _STATUS.match(head)
            if match is None:
                self._end("the server answers with something that is no HTTP")
                return
            status = int(match[1])
            if status >= 200:
                self.status = status
                self._end(http_refusal(status))
                return
            if status == 100 and not self.invited.done():
                self.invited.set_result(None)
        if len(self._answer) > MAX_ANSWER_BYTES:
            self._end("the head of the server's answer is too long")

    def connection_lost(self, exc: Exception | None) -> None:
        gone = exc is None or isinstance(exc, ConnectionResetError | BrokenPipeError)
        self._end("the server closed the connection" if gone else f"connection lost: {exc}")

    async def wait_invited(self) -> None:
        """The server takes the body, or does not know the question. Raises JobFailed."""
        await asyncio.wait(
            (self.invited, self.lost),
            timeout=EXPECT_SECONDS,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if self.lost.done():
            raise self.failure()

    def failure(self) -> JobFailed:
        """Why it is over."""
        if self.status in _COUNTED:
            counter = f"errors_{self.status}"
        elif self.status >= 500:
            counter = "errors_500"
        else:
            counter = "errors_connection_lost"
        return JobFailed(self.lost.result(), counter)

    def close(self) -> None:
        """End the body, and the connection."""
        if not self.transport.is_closing():
            self.transport.write(LAST_CHUNK)
        self.transport.close()
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.transport.abort)

    def _end(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)
        self.transport.close()


def request_head(target: Target) -> bytes:
    """Head of the POST."""
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.host_header}",
        "User-Agent: media-appliance",
        "Content-Type: video/mp2t",
        "Transfer-Encoding: chunked",
        "Expect: 100-continue",
    ]
    if target.login:
        lines.append(f"Authorization: Basic {base64.b64encode(target.login.encode()).decode()}")
    return "\r\n".join((*lines, "", "")).encode()


async def run(egress: Egress, work: Work) -> None:
    """See `egress/jobs.py`."""
    push = Push(egress, work)
    try:
        target = Target.of(push.config.url.removeprefix("ts"))
        head = request_head(target)
    except (HttpError, UnicodeError):
        raise JobFailed("the URL cannot be read: write tshttp://HOST/PATH", hopeless=True) from None
    broadcast = await push.source("ts", ChunkedFraming if push.service is None else None)
    pusher: HttpPusher | None = None
    try:
        async with push.reaching():
            _, pusher = await dial(
                target.host,
                target.port,
                lambda: HttpPusher(head),
                reach_of_process(),
                tls=target.scheme == "https",
            )
            await pusher.wait_invited()
        delivery: Delivery = pusher.transport
        if push.service is not None:
            delivery = relabeled(Chunked(pusher.transport), push.service)
        await push.send(broadcast, delivery, pusher.lost)
    except JobFailed:
        if pusher is not None and pusher.lost.done():
            raise pusher.failure() from None
        raise
    finally:
        if pusher is not None:
            pusher.close()
