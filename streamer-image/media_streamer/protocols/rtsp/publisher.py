"""The client's side of publishing by RTSP, within one connection (RFC 2326 10.3, 10.4, 10.11).

    ANNOUNCE (the description) -> SETUP for each track, interleaved -> RECORD -> media

Invariants: one request at a time, each answered within the time that the caller gives; the login is
sent once the server asks for it, by Digest where it knows that; reasons are the server's own words.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from media_streamer import digest
from media_streamer.protocols.rtsp import transport as transports
from media_streamer.protocols.rtsp.message import (
    Interleaved,
    MessageError,
    MessageReader,
    Request,
    Response,
    write_request,
    write_response,
)
from media_streamer.protocols.rtsp.transport import Transport

CLOSE_SECONDS = 2.0
DEFAULT_TIMEOUT_SECONDS = 60
MAX_WORDS = 200
USER_AGENT = "media-appliance"
_PORTS = {"rtsp": 554, "rtsps": 322}


class Refused(Exception):  # noqa: N818 - the server's decision
    """The server does not take the stream; the text is for people.

    `status` is 0 if it said none.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class RecordUrl:
    """`rtsp://[USER:PASSWORD@]HOST[:PORT]/PATH`, taken apart."""

    host: str
    port: int
    tls: bool
    url: str = field(repr=False)
    """Without the login, as requests name it. Its path may hold a key."""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str) -> "RecordUrl":
        """Raises ValueError with words for people."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            raise ValueError("the port of the URL is no number") from None
        if not parts.hostname or not parts.path.strip("/"):
            raise ValueError("the URL lacks the name to publish: write rtsp://HOST/NAME")
        login, _, place = parts.netloc.rpartition("@")
        user, _, password = login.partition(":")
        bare = urlunsplit(SplitResult(parts.scheme, place, parts.path, parts.query, ""))
        return cls(
            parts.hostname,
            port or _PORTS[parts.scheme],
            parts.scheme == "rtsps",
            bare,
            unquote(user),
            unquote(password),
        )


class RtspPublisher(asyncio.Protocol):
    """One connection to a server; `publish` first, then `transport` takes interleaved packets."""

    transport: asyncio.Transport

    def __init__(self, url: RecordUrl) -> None:
        self._url = url
        self._reader = MessageReader()
        self._number = 0
        self._session = ""
        self._challenge = ""
        self._answer: asyncio.Future[Response] | None = None
        self._keep_alive: asyncio.TimerHandle | None = None
        self._alive_seconds = DEFAULT_TIMEOUT_SECONDS / 2
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done with the reason once the server is gone."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        gone = exc is None or isinstance(exc, ConnectionResetError | BrokenPipeError)
        self._end("the server closed the connection" if gone else f"connection lost: {exc}")

    def data_received(self, data: bytes) -> None:
        if self.lost.done():
            return
        try:
            for message in self._reader.feed(data):
                self._take(message)
        except MessageError as error:
            self._end(f"the server does not speak RTSP: {error}")
            self.transport.abort()

    async def publish(
        self, description: bytes, controls: Sequence[str]
    ) -> dict[int, tuple[int, int]]:
        """Get leave to send what `description` (SDP) tells; `controls` are its tracks.

        Returns the channels of each track, which are 2n and 2n + 1 with nearly all servers. Raises
        Refused, OSError.
        """
        await self._ask("ANNOUNCE", self._url.url, {"Content-Type": "application/sdp"}, description)
        channels: dict[int, tuple[int, int]] = {}
        for number, control in enumerate(controls):
            wanted = Transport("tcp", (2 * number, 2 * number + 1), record=True)
            answer = await self._ask(
                "SETUP", f"{self._url.url}/{control}", {"Transport": wanted.write()}
            )
            given = next(transports.parse(answer.headers.text("transport")), None)
            if given is None or given.kind != "tcp":
                raise Refused("the server takes no packets within the connection")
            channels[number] = given.channels or (2 * number, 2 * number + 1)
        await self._ask("RECORD", self._url.url, {"Range": "npt=now-"})
        self._stay_alive()
        return channels

    def close(self) -> None:
        """Say goodbye, and end the connection; may be called again."""
        if self._keep_alive is not None:
            self._keep_alive.cancel()
            self._keep_alive = None
        if not self.transport.is_closing():
            if self._session:
                self._send("TEARDOWN", self._url.url, {})
            self.transport.close()
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.transport.abort)
        self._session = ""

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Response:
        """A successful answer."""
        answer = await self._exchange(method, url, headers, body)
        if answer.status == 401 and self._url.user:
            self._challenge = answer.headers.text("www-authenticate")
            answer = await self._exchange(method, url, headers, body)
        if answer.status != 200:
            words = answer.reason[:MAX_WORDS]
            raise Refused(f"the server answers {answer.status} {words}".strip(), answer.status)
        session, _, options = answer.headers.text("session").partition(";")
        if session.strip():
            self._session = session.strip()
            name, _, value = options.strip().partition("=")
            if name == "timeout" and value.isascii() and value.isdecimal() and len(value) < 6:
                self._alive_seconds = max(1, int(value)) / 2
        return answer

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Response:
        if self.lost.done():
            raise ConnectionResetError(self.lost.result())
        self._answer = asyncio.get_running_loop().create_future()
        self._send(method, url, headers, body)
        await asyncio.wait((self._answer, self.lost), return_when=asyncio.FIRST_COMPLETED)
        if not self._answer.done():
            raise Refused(self.lost.result())
        return self._answer.result()

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        self._number += 1
        fields = {"CSeq": str(self._number), "User-Agent": USER_AGENT, **headers}
        if self._session:
            fields["Session"] = self._session
        if self._challenge:
            login = self._url.user, self._url.password
            if answer := digest.authorization([self._challenge], *login, method, url):
                fields["Authorization"] = answer
        self.transport.write(write_request(method, url, fields, body))

    def _take(self, message: Request | Response | Interleaved) -> None:
        if isinstance(message, Response):
            waiting, number = self._answer, message.headers.number("cseq")
            if waiting is not None and not waiting.done() and number in (None, self._number):
                waiting.set_result(message)
            return
        if isinstance(message, Request):
            self.transport.write(write_response(501, message.cseq))
        # What is left is RTCP of the receiver: nothing here depends on it.

    def _stay_alive(self) -> None:
        """Ask for nothing now and then: media alone keeps no session with some servers."""
        loop = asyncio.get_running_loop()
        if self._keep_alive is not None and not self.transport.is_closing():
            self._send("OPTIONS", self._url.url, {})
        self._keep_alive = loop.call_later(self._alive_seconds, self._stay_alive)

    def _end(self, reason: str) -> None:
        if self._keep_alive is not None:
            self._keep_alive.cancel()
        if not self.lost.done():
            self.lost.set_result(reason)
