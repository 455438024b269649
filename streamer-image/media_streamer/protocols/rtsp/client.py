"""The client's side of an RTSP connection: requests and their answers, the login, staying alive.

What publishing to a server (`publisher.py`) and playing from one (`player.py`) have in common.

Invariants: requests have one answer each, waited for as long as the caller lets it; the login is
sent once the server asks for it, by Digest where it knows that; reasons are the server's own words,
and no text names the URL, which may hold secrets.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from media_streamer import digest
from media_streamer.outgoing.url import Url
from media_streamer.protocols.rtsp.message import (
    Interleaved,
    MessageError,
    MessageReader,
    Request,
    Response,
    write_request,
    write_response,
)

CLOSE_SECONDS = 2.0
DEFAULT_TIMEOUT_SECONDS = 60
FIRST_ALIVE_SECONDS = 2.0
"""The first sign of life asks what the server understands; it is early, as some count others."""
MAX_WORDS = 200
MAX_UNANSWERED = 8
USER_AGENT = "media-appliance"
_PORTS = {"rtsp": 554, "rtsps": 322}
_REDIRECTS = frozenset({301, 302, 303, 305, 307, 308})

Answered = Callable[[Response], None]


class Refused(Exception):  # noqa: N818 - the server's decision
    """The server does not do what it was asked for; the text is for people.

    `status` is 0 if it said none.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Redirected(Refused):
    """The server names another address."""

    def __init__(self, status: int, location: str) -> None:
        super().__init__(f"the server answers {status}, a redirection", status)
        self.location = location


@dataclass(frozen=True, slots=True)
class RtspUrl:
    """`rtsp://[USER:PASSWORD@]HOST[:PORT]/PATH`, taken apart."""

    host: str
    port: int
    tls: bool
    url: str = field(repr=False)
    """Without the login, as requests name it. Its path may hold a key."""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str) -> "RtspUrl":
        """Raises UrlError."""
        found = Url.of(url, _PORTS, "rtsp")
        tls = found.scheme == "rtsps"
        return cls(found.host, found.port, tls, found.bare, found.user, found.password)

    @property
    def has_login(self) -> bool:
        return bool(self.user or self.password)


class RtspClient(asyncio.Protocol):
    """One connection to a server."""

    transport: asyncio.Transport

    def __init__(self, url: RtspUrl, user_agent: str = USER_AGENT) -> None:
        self._url = url
        self._user_agent = user_agent
        self._reader = MessageReader()
        self._number = 0
        self._session = ""
        self._challenges: list[str] = []
        self._answered_challenges = 0
        self._unanswered: dict[int, Answered] = {}
        self._alive_timer: asyncio.TimerHandle | None = None
        self._alive_seconds = DEFAULT_TIMEOUT_SECONDS / 2
        self._alive_method = "OPTIONS"
        self.control_url = url.url
        """What requests about the whole session name."""
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done with the reason once the server is gone."""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        gone = exc is None or isinstance(exc, ConnectionResetError | BrokenPipeError)
        self._end("the server closed the connection" if gone else f"connection lost: {exc}")

    def data_received(self, data: bytes) -> None:
        if self.lost.done():
            return
        packets: list[Interleaved] = []
        try:
            for message in self._reader.feed(data):
                if isinstance(message, Interleaved):
                    packets.append(message)
                else:
                    self._take(message)
        except MessageError as error:
            self._end(f"the server does not speak RTSP: {error}")
            self.transport.abort()
        if packets:
            self.on_packets(packets)

    def on_packets(self, packets: list[Interleaved]) -> None:
        """Packets came within the connection."""

    # Requests

    async def ask(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Response:
        """A successful answer. Raises Refused, and ConnectionResetError if the server was gone."""
        answer = await self._exchange(method, url, headers or {}, body)
        if answer.status == 401 and self._url.has_login and self._take_challenge(answer):
            answer = await self._exchange(method, url, headers or {}, body)
        if answer.status in _REDIRECTS and (location := answer.headers.text("location")):
            raise Redirected(answer.status, location)
        if not 200 <= answer.status < 300:
            words = answer.reason[:MAX_WORDS]
            raise Refused(f"the server answers {answer.status} {words}".strip(), answer.status)
        self._note_session(answer)
        return answer

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Response:
        if self.lost.done():
            raise ConnectionResetError(self.lost.result())
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def take(response: Response) -> None:
            if not answer.done():
                answer.set_result(response)

        self._send(method, url, headers, body, take)
        await asyncio.wait((answer, self.lost), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise Refused(self.lost.result())
        return answer.result()

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        answered: Answered | None = None,
    ) -> None:
        self._number += 1
        fields = {"CSeq": str(self._number), "User-Agent": self._user_agent, **headers}
        if self._session:
            fields["Session"] = self._session
        if self._challenges:
            self._answered_challenges += 1
            login = self._url.user, self._url.password
            use = self._answered_challenges
            if answer := digest.authorization(self._challenges, *login, method, url, use):
                fields["Authorization"] = answer
        if answered is not None:
            self._unanswered[self._number] = answered
            if len(self._unanswered) > MAX_UNANSWERED:
                del self._unanswered[next(iter(self._unanswered))]
        self.transport.write(write_request(method, url, fields, body))

    def _take_challenge(self, answer: Response) -> bool:
        self._challenges = digest.challenges_of(answer.headers.every("www-authenticate"))
        self._answered_challenges = 0
        return bool(self._challenges)

    def _note_session(self, answer: Response) -> None:
        session, _, options = answer.headers.text("session").partition(";")
        if not session.strip():
            return
        self._session = session.strip()
        for option in options.split(";"):
            name, _, value = option.strip().partition("=")
            value = value.strip()
            if name == "timeout" and value.isascii() and value.isdecimal() and len(value) < 6:
                self._alive_seconds = max(1, int(value)) / 2

    # What the server says

    def _take(self, message: Request | Response) -> None:
        if isinstance(message, Response):
            if message.status < 200:
                return
            number = message.headers.number("cseq")
            # Some servers leave the number out: it is the answer to the latest request then.
            answered = self._unanswered.pop(self._number if number is None else number, None)
            if answered is not None:
                answered(message)
        elif message.method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER"):
            self.transport.write(write_response(200, message.cseq))
        elif message.method in ("TEARDOWN", "REDIRECT"):
            self.transport.write(write_response(200, message.cseq))
            self._end("the server ended the session")
        else:
            self.transport.write(write_response(501, message.cseq))

    # Life

    def stay_alive(self) -> None:
        """From now on show the server that we are there: media alone keeps no session with some."""
        seconds = min(self._alive_seconds, FIRST_ALIVE_SECONDS)
        self._alive_timer = asyncio.get_running_loop().call_later(seconds, self._show_alive)

    def _show_alive(self, again: bool = False) -> None:
        if self.transport.is_closing() or self.lost.done():
            return

        def answered(answer: Response) -> None:
            self._alive_answered(answer, again)

        self._send(self._alive_method, self.control_url, {}, answered=answered)
        if not again:
            loop = asyncio.get_running_loop()
            self._alive_timer = loop.call_later(self._alive_seconds, self._show_alive)

    def _alive_answered(self, answer: Response, again: bool) -> None:
        if answer.status == 401 and self._url.has_login and not again:
            if self._take_challenge(answer):  # a nonce is good for so long only
                self._show_alive(again=True)
        elif answer.status == 454:
            self._end("the server knows the session no more")
        elif answer.status >= 400:
            self._alive_method = "OPTIONS"
        elif public := answer.headers.text("public"):
            # RFC 2326 10.8: it does nothing but to show that we live, and all count it.
            known = "GET_PARAMETER" in public.upper().replace(" ", "").split(",")
            self._alive_method = "GET_PARAMETER" if known else "OPTIONS"

    def close(self) -> None:
        """Say goodbye, and end the connection; may be called again."""
        self._stop_timer()
        if not self.transport.is_closing():
            if self._session and not self.lost.done():
                self._send("TEARDOWN", self.control_url, {})
            self.transport.close()
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.transport.abort)
        self._session = ""

    def _stop_timer(self) -> None:
        if self._alive_timer is not None:
            self._alive_timer.cancel()
            self._alive_timer = None

    def _end(self, reason: str) -> None:
        self._stop_timer()
        if not self.lost.done():
            self.lost.set_result(reason)
