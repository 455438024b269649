"""A session at another server, by WHEP or WHIP as its client (RFC 9725 4.2): offer, answer, end.

Invariants: only addresses that `Reach` allows are spoken to, by HTTP and by UDP; a redirect never
leads from elsewhere to this machine, and takes no login along. Certificates of HTTPS are not
checked, as of all sources and targets. Each call has a UDP socket of its own, since a server tells
its peers apart by their addresses.
"""

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import aiohttp

from media_streamer.budgets import WEBRTC_OFFER_BYTES
from media_streamer.outgoing.addresses import AddressRefusedError, OneWay, reach_of_process
from media_streamer.outgoing.target import HttpError, Target
from media_streamer.outgoing.wire import words
from media_streamer.protocols.webrtc import offer, proposal
from media_streamer.protocols.webrtc.caller import CalledPeer
from media_streamer.protocols.webrtc.connection import Credentials, Holder
from media_streamer.protocols.webrtc.dtls import identity_of_process
from media_streamer.protocols.webrtc.offer import Offer, OfferError
from media_streamer.protocols.webrtc.port import Address, Endpoint, WebRtcPort
from media_streamer.protocols.webrtc.proposal import Proposed

log = logging.getLogger(__name__)

SDP = "application/sdp"
MAX_REDIRECTS = 5
MAX_WORDS = 200
"""Characters of what a server says in its refusal."""
SOCKET_BYTES = 2 * 1024 * 1024
END_SECONDS = 3.0
_SCHEMES = {"whep": "http", "whip": "http", "webrtc": "http",
            "wheps": "https", "whips": "https", "webrtcs": "https"}  # fmt: skip

H = TypeVar("H", bound=Holder)


class CallError(Exception):
    """The call has failed; the text is for people and holds no secret. `status`: of HTTP, or 0."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


def target_of(url: str, form: str) -> Target:
    """Where the endpoint of a URL is: `whep://HOST/PATH` is one, `webrtc://HOST/NAME` has it at
    NAME/FORM. Raises HttpError."""
    scheme, _, rest = url.partition("://")
    found = Target.of(f"{_SCHEMES.get(scheme, scheme)}://{rest}")
    if scheme.startswith("webrtc"):
        path, mark, query = found.path.partition("?")
        if not path.endswith(f"/{form}"):
            path = f"{path.rstrip('/')}/{form}"
        return Target(found.scheme, found.host, found.port, path + mark + query, found.login)
    return found


class Call:
    """One session; `end` it whatever became of it."""

    def __init__(self, target: Target, headers: Mapping[str, str] | None = None) -> None:
        """`headers` besides those of the protocol; the login of the URL is a bearer token, or a
        name and a password."""
        self._headers = dict(headers or {})
        if target.login:
            name, mark, password = target.login.partition(":")
            self._headers["Authorization"] = (
                aiohttp.encode_basic_auth(name, password) if mark else f"Bearer {name}"
            )
        self._url = f"{target.scheme}://{target.host_header}{target.path}"
        self._reach = OneWay(reach_of_process())
        self._http: aiohttp.ClientSession | None = None
        self._resource = ""
        self._port: WebRtcPort | None = None
        self._connection: CalledPeer | None = None

    async def begin(self, proposed: Sequence[Proposed], make: Callable[[Offer], H]) -> H:
        """Call; `make` gives the handler for an answer, or raises CallError. The handler hears of
        the connection. Raises CallError; waits as long as the caller lets it."""
        port = self._port = WebRtcPort(_own_socket())
        identity = identity_of_process()
        local = Credentials.new(port.new_name())
        text = await self._post(proposal.write(proposed, local, identity.fingerprint))
        try:
            answer = offer.parse(text, "answer")
        except OfferError as error:
            raise CallError(f"the server's answer cannot be used: {error}") from None
        handler = make(answer)
        way = answer.transport
        candidates = self._endpoints(port.socket, way.candidates)
        if not candidates:
            raise CallError("the server's answer names no address by UDP that may be reached")
        self._connection = CalledPeer(
            port,
            identity,
            local,
            Credentials(way.ufrag, way.password),
            candidates,
            way.fingerprint,
            handler,
            is_client=way.setup != "active",
        )
        handler.connection = self._connection
        return handler

    async def end(self) -> None:
        """Tell the server, and leave nothing behind."""
        if self._connection is not None:
            self._connection.close("the call ended")
        if self._port is not None:
            self._port.close()
        if self._http is None:
            return
        try:
            if self._resource:
                async with (
                    asyncio.timeout(END_SECONDS),
                    self._http.delete(self._resource, headers=self._headers_for(self._resource)),
                ):
                    pass
        except (OSError, aiohttp.ClientError, TimeoutError) as error:
            log.debug("webrtc: the end of a session could not be told: %s", error)
        finally:
            await self._http.close()

    async def _post(self, sdp: str) -> str:
        """The answer's text."""
        self._http = aiohttp.ClientSession(connector=_connector(self._reach))
        url = self._url
        for _ in range(MAX_REDIRECTS):
            try:
                async with self._http.post(
                    url,
                    data=sdp.encode(),
                    headers={**self._headers_for(url), "Content-Type": SDP},
                    allow_redirects=False,
                ) as answer:
                    location = answer.headers.get("Location", "")
                    if answer.status in (301, 302, 307, 308) and location:
                        url = self._redirected(url, location)
                        continue
                    body = await _read(answer)
                    if answer.status not in (200, 201):
                        text = f"the server answers {answer.status}{_reason(body)}"
                        raise CallError(text, answer.status)
                    if location:
                        self._resource = urljoin(url, location)
                    return body.decode(errors="replace")
            except aiohttp.ClientConnectorDNSError:
                raise CallError(f"{urlsplit(url).hostname} is not found") from None
            except (OSError, aiohttp.ClientError, ValueError) as error:
                cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
                raise CallError(words(cause)[:MAX_WORDS]) from None
        raise CallError("the server redirects in a loop")

    def _redirected(self, url: str, location: str) -> str:
        self._reach.redirected = True
        found = urljoin(url, location)
        try:
            Target.of(found)
        except HttpError as error:
            raise CallError(str(error)) from None
        return found

    def _headers_for(self, url: str) -> dict[str, str]:
        """Secrets go to the host of the URL and to no other."""
        return self._headers if _place(url) == _place(self._url) else {}

    def _endpoints(
        self, sock: socket.socket, candidates: Sequence[tuple[int, str, int]]
    ) -> list[Endpoint]:
        found: list[Endpoint] = []
        for _, host, number in sorted(candidates, reverse=True):
            try:
                self._reach.check(host)
            except AddressRefusedError as error:
                log.warning("webrtc: an address of the answer is passed over: %s", error)
                continue
            endpoint = _as_the_socket_has_it(sock, host, number)
            if endpoint is not None and endpoint not in found:
                found.append(endpoint)
        return found


def _connector(reach: OneWay) -> aiohttp.TCPConnector:
    """Connections to what may be reached."""

    def open_socket(address: Any) -> socket.socket:
        family, kind, protocol, _, place = address
        reach.check(str(place[0]))
        return socket.socket(family, kind, protocol)

    return aiohttp.TCPConnector(limit=1, ssl=False, socket_factory=open_socket)


def _place(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for data in answer.content.iter_any():
        body += data
        if len(body) > WEBRTC_OFFER_BYTES:
            raise CallError("the server's answer is too long")
    return body


def _reason(body: bytes) -> str:
    """What the server says, if it says it in a form that is known (RFC 9457, MediaMTX)."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    text = (said.get("title") or said.get("error")) if isinstance(said, dict) else None
    if not isinstance(text, str):
        return ""
    return ": " + "".join(c for c in text[:MAX_WORDS] if c.isprintable())


def _own_socket() -> socket.socket:
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BYTES)
        sock.bind(("", 0))
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _as_the_socket_has_it(sock: socket.socket, host: str, number: int) -> Address | None:
    """The address as datagrams will come from; None where the socket cannot send to it."""
    if sock.family == socket.AF_INET6:
        return (host if ":" in host else f"::ffff:{host}", number, 0, 0)
    return None if ":" in host else (host, number)
