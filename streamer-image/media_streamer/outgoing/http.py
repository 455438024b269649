"""HTTP/1.1 as the threads of inputs need it: a body read piece by piece, every answer bounded.

Role: FFmpeg's own client follows redirects to wherever they lead, sends a source's login along,
and reads playlists without an end.

Invariants:
- Every wait ends soon after `stopped` says so.
- Only addresses that `Reach` allows are connected to, after each redirect anew; a redirect never
  leads from elsewhere to this machine.
- Login, headers of the input and cookies go to the host of the input and to no other.
- Errors are words for people without a URL.
"""

import base64
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urljoin

from media_streamer.digest import authorization
from media_streamer.outgoing.addresses import AddressRefusedError, Reach, is_loopback
from media_streamer.outgoing.target import HttpError, Target
from media_streamer.outgoing.wire import (
    CUT_OFF,
    MAX_HEAD_BYTES,
    NOT_HTTP,
    Head,
    StoppedError,
    Wire,
    read_head,
    words,
)

MAX_REDIRECTS = 5
MAX_CHUNK_LINE = 256
SMALL_CHUNK_BYTES = 64
"""Chunks that are smaller on average, MANY_CHUNKS of them, are there to keep us busy."""
MANY_CHUNKS = 10_000
MAX_COOKIES = 16
MAX_COOKIE_CHARACTERS = 4096
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: until the head of the answer is there, and between two pieces of the body."""

    head: float
    read: float


class Body:
    """The body of an answer; `close` it. `url` is where it came from after redirects."""

    def __init__(
        self,
        client: "HttpClient",
        wire: Wire,
        target: Target,
        head: Head,
        url: str,
    ) -> None:
        self.url = url
        self.status = head.status
        self.coding = head.headers.get("content-encoding", "identity").strip().lower()
        self._client, self._wire, self._target = client, wire, target
        self._chunked = "chunked" in head.headers.get("transfer-encoding", "").lower()
        length = head.headers.get("content-length", "").strip()
        self._left: int | None = 0 if self._chunked else None
        if not self._chunked and length.isdecimal() and len(length) < 19:
            self._left = int(length)
        persistent = self._chunked or self._left is not None
        self._reusable = persistent and "close" not in head.headers.get("connection", "").lower()
        self._chunks = self._chunk_bytes = 0
        self._ended = self._closed = False

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the end. Raises HttpError."""
        if self._ended or self._closed:
            return b""
        try:
            return self._read(size)
        except TimeoutError:
            raise HttpError("timed out") from None
        except OSError as error:
            raise HttpError(words(error)) from None

    def close(self) -> None:
        """Give the connection back, or end it."""
        if not self._closed:
            self._closed = True
            self._client.give_back(self._target, self._wire, self._ended and self._reusable)

    def _read(self, size: int) -> bytes:
        until = time.monotonic() + self._client.times.read
        if self._chunked and self._left == 0 and not self._next_chunk(until):
            return self._end()
        if self._left == 0:
            return self._end()
        wanted = size if self._left is None else min(size, self._left)
        data = self._wire.receive(wanted, until)
        if not data:
            if self._left is not None:
                raise HttpError(CUT_OFF)
            return self._end()
        if self._left is not None:
            self._left -= len(data)
        return data

    def _next_chunk(self, until: float) -> bool:
        if self._chunks and self._wire.line(MAX_CHUNK_LINE, until):
            raise HttpError(NOT_HTTP)
        self._chunks += 1
        text = self._wire.line(MAX_CHUNK_LINE, until).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", text):
            raise HttpError(NOT_HTTP)
        self._left = int(text, 16)
        self._chunk_bytes += self._left
        if self._left:
            if self._chunks % MANY_CHUNKS == 0:
                if self._chunk_bytes < MANY_CHUNKS * SMALL_CHUNK_BYTES:
                    raise HttpError("the server sends absurdly small chunks")
                self._chunk_bytes = 0
            return True
        for _ in range(100):
            if not self._wire.line(MAX_HEAD_BYTES, until):
                return False
        raise HttpError(NOT_HTTP)

    def _end(self) -> bytes:
        self._ended = True
        return b""


class HttpClient:
    """GETs for one input. `home` is the input's URL: login, headers and cookies are for its host.

    Used by one thread; at most one idle connection for each place is kept.
    """

    on_refused: Callable[[int], None] | None = None
    """Told the status of each answer that is none of 200 and 206."""

    def __init__(
        self,
        home: str,
        *,
        headers: Mapping[str, str],
        times: Times,
        reach: Reach,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._home = Target.of(home)
        self._headers = dict(headers)
        self.times = times
        self._reach = reach
        self._stopped = stopped
        self._cookies: dict[str, str] = {}
        self._idle: dict[tuple[str, str, int], Wire] = {}
        self._tls: ssl.SSLContext | None = None

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Body:
        """The answer to a GET, redirects followed. Raises HttpError."""
        until = time.monotonic() + self.times.head
        may_be_local = True
        for _ in range(MAX_REDIRECTS + 1):
            target = Target.of(url)
            wire, head = self._ask(target, headers or {}, until, may_be_local)
            if head.status == 401 and (answer := self._answer_to(target, head.challenges)):
                wire.close()
                again = {**(headers or {}), "Authorization": answer}
                wire, head = self._ask(target, again, until, may_be_local)
            self._keep_cookies(target, head.cookies)
            location = head.headers.get("location", "")
            if head.status not in _REDIRECTS or not location:
                return self._answered(wire, target, head, url)
            may_be_local = wire.local
            wire.close()
            url = urljoin(url, location)
        raise HttpError(f"the server redirects more than {MAX_REDIRECTS} times")

    def close(self) -> None:
        """End the connections that are kept."""
        for wire in self._idle.values():
            wire.close()
        self._idle.clear()

    def give_back(self, target: Target, wire: Wire, reusable: bool) -> None:
        if reusable and target.place not in self._idle:
            self._idle[target.place] = wire
        else:
            wire.close()

    def _answered(self, wire: Wire, target: Target, head: Head, url: str) -> Body:
        if head.status not in (200, 206):
            wire.close()
            if self.on_refused is not None:
                self.on_refused(head.status)
            raise HttpError(_status_words(head.status))
        return Body(self, wire, target, head, url)

    def _ask(
        self, target: Target, headers: Mapping[str, str], until: float, may_be_local: bool
    ) -> tuple[Wire, Head]:
        request = self._request(target, headers)
        idle = self._idle.pop(target.place, None)
        if idle is not None and (may_be_local or not idle.local):
            try:
                idle.send(request, until)
                return idle, read_head(idle, until)
            except StoppedError:
                idle.close()
                raise
            except (OSError, HttpError):
                idle.close()  # it was closed while nobody looked: ask again on a new one
        wire = None
        try:
            wire = Wire(self._open_socket(target, until, may_be_local), self._stopped)
            wire.send(request, until)
            return wire, read_head(wire, until)
        except BaseException as error:
            if wire is not None:
                wire.close()
            if isinstance(error, TimeoutError):
                raise HttpError("timed out") from None
            if isinstance(error, OSError | UnicodeError):
                raise HttpError(words(error)) from None
            raise

    def _open_socket(self, target: Target, until: float, may_be_local: bool) -> socket.socket:
        failure: OSError = OSError("the host has no address")
        for family, kind, protocol, _, place in socket.getaddrinfo(
            target.host, target.port, type=socket.SOCK_STREAM
        ):
            self._reach.check(str(place[0]))
            if not may_be_local and is_loopback(str(place[0])):
                raise AddressRefusedError("the server redirects to this machine itself")
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(max(until - time.monotonic(), 0.01))
                sock.connect(place)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return self._wrap(sock, target) if target.scheme == "https" else sock
            except OSError as error:
                sock.close()
                failure = error
        raise failure

    def _wrap(self, sock: socket.socket, target: Target) -> socket.socket:
        if self._tls is None:
            # Cameras and encoders show certificates of their own; FFmpeg does not look either.
            self._tls = ssl.create_default_context()
            self._tls.check_hostname = False
            self._tls.verify_mode = ssl.CERT_NONE
        return self._tls.wrap_socket(sock, server_hostname=target.host)

    def _request(self, target: Target, extra: Mapping[str, str]) -> bytes:
        headers = {"Host": target.host_header, "Accept": "*/*", "Connection": "keep-alive"}
        headers["User-Agent"] = self._headers.get("User-Agent", "media-streamer")
        if target.host == self._home.host:
            headers |= self._headers
            login = target.login or self._home.login
            if login and "Authorization" not in self._headers:
                value = base64.b64encode(login.encode()).decode()
                headers["Authorization"] = f"Basic {value}"
            if self._cookies and "Cookie" not in self._headers:
                headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self._cookies.items())
        headers |= extra
        lines = [f"GET {target.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
        if any("\r" in line or "\n" in line for line in lines):
            raise HttpError("a header of the input contains a line break")
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace")

    def _answer_to(self, target: Target, challenges: list[str]) -> str:
        """Value of Authorization for a server that is not content with Basic."""
        login = (target.login or self._home.login) if target.host == self._home.host else ""
        if not login or not any(one.lower().startswith("digest") for one in challenges):
            return ""
        user, _, password = login.partition(":")
        return authorization(challenges, user, password, "GET", target.path)

    def _keep_cookies(self, target: Target, cookies: list[str]) -> None:
        if target.host != self._home.host:
            return
        for cookie in cookies[:MAX_COOKIES]:
            name, equals, value = cookie.partition(";")[0].strip().partition("=")
            if equals and name and len(name) + len(value) <= MAX_COOKIE_CHARACTERS:
                self._cookies[name] = value
        while len(self._cookies) > MAX_COOKIES:
            del self._cookies[next(iter(self._cookies))]


def _status_words(status: int) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    hint = ": check user and password" if status == 401 else ""
    return f"the server answers {status} {phrase}".rstrip() + hint
