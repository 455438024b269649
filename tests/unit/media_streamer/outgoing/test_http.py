"""The client of sources over HTTP, against servers that do what they want."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from media_streamer.outgoing.addresses import Reach
from media_streamer.outgoing.http import HttpClient, Times
from media_streamer.outgoing.target import HttpError, Target
from media_streamer.outgoing.wire import StoppedError

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

Script = Callable[[socket.socket, bytes], Any]


class Server:
    """Hands each request's head, and its connection, to a script."""

    def __init__(self, script: Script, address: str = "127.0.0.1") -> None:
        self.heads: list[str] = []
        self.connections = 0
        self._script = script
        self._socket = socket.create_server((address, 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://{address}:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    if not (data := connection.recv(65536)):
                        return
                    head += data
                self.heads.append(head.decode())
                if self._script(connection, head) is False:
                    return

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(script: Script, address: str = "127.0.0.1") -> Server:
        servers.append(Server(script, address))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def client(url: str, **options: Any) -> HttpClient:
    options.setdefault("headers", {"User-Agent": "test"})
    options.setdefault("times", Times(head=2.0, read=2.0))
    return HttpClient(url, reach=Reach(), **options)


def whole(url: str, **options: Any) -> bytes:
    one = client(url, **options)
    try:
        with contextlib.closing(one.get(url)) as body:
            data = b""
            while piece := body.read(7):
                assert len(piece) <= 7
                data += piece
            return data
    finally:
        one.close()


def says(answer: bytes) -> Script:
    def script(connection: socket.socket, head: bytes) -> bool:
        connection.sendall(answer)
        return False

    return script


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello worldX",
        CHUNKED + b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nhello world",
        b"ICY 200 OK\nServer: old\n\nhello world",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\ncontent-length:11\r\n\r\nhello world",
    ],
)
def test_bodies(serve: Callable[..., Server], answer: bytes) -> None:
    assert whole(serve(says(answer)).url) == b"hello world"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "the server answers 404 Not Found"),
        (b"HTTP/1.1 401 No\r\n\r\n", "401 Unauthorized: check user and password"),
        (b"HTTP/1.1 999 No\r\n\r\n", "the server answers 999"),
        (b"SSH-2.0-OpenSSH\r\n", "no HTTP"),
        (b"\x00" * 100_000, "no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "no HTTP"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, "only interim"),
        (b"", "in the middle"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello", "in the middle"),
        (CHUNKED + b"zz\r\n", "no HTTP"),
        (CHUNKED + b"-1\r\n", "no HTTP"),
        (CHUNKED + b"f" * 1000, "no HTTP"),
        (CHUNKED + b"1\r\nx\r\n" * 20_000, "small chunks"),
    ],
)
def test_what_is_no_answer(serve: Callable[..., Server], answer: bytes, words: str) -> None:
    server = serve(says(answer))
    with pytest.raises(HttpError, match=words) as caught:
        whole(server.url)
    assert str(server.port) not in str(caught.value)


def test_a_slow_head_and_a_silent_body_end(serve: Callable[..., Server]) -> None:
    def drip(connection: socket.socket, head: bytes) -> None:
        for _ in range(100):
            connection.sendall(b"H")
            time.sleep(0.05)

    began = time.monotonic()
    with pytest.raises(HttpError):
        whole(serve(drip).url, times=Times(head=0.3, read=0.3))

    def silent(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nx")
        connection.recv(1)

    with pytest.raises(HttpError, match="timed out"):
        whole(serve(silent).url, times=Times(head=0.3, read=0.3))
    assert time.monotonic() - began < 5


def test_it_stops_when_nobody_wants_the_answer(serve: Callable[..., Server]) -> None:
    stopped = threading.Event()
    server = serve(lambda connection, head: connection.recv(1))
    threading.Timer(0.1, stopped.set).start()
    with pytest.raises(StoppedError):
        whole(server.url, times=Times(head=60, read=60), stopped=stopped.is_set)


def test_connections_are_used_again(serve: Callable[..., Server]) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    server = serve(lambda connection, head: connection.sendall(answer))
    one = client(server.url)
    for _ in range(3):
        body = one.get(f"{server.url}/a")
        assert (body.read(10), body.read(10)) == (b"x", b"")
        body.close()
    assert server.connections == 1
    half = one.get(f"{server.url}/a")
    half.close()
    with contextlib.closing(one.get(f"{server.url}/b")) as body:
        assert body.read(1) == b"x"
    assert server.connections == 2, "what was not read to its end is not used again"
    one.close()


def test_a_connection_that_was_closed_meanwhile(serve: Callable[..., Server]) -> None:
    server = serve(says(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"))
    one = client(server.url)
    for _ in range(3):
        body = one.get(server.url)
        assert (body.read(10), body.read(10)) == (b"x", b"")
        body.close()
    one.close()


def test_redirects_are_followed_and_counted(serve: Callable[..., Server]) -> None:
    def script(connection: socket.socket, head: bytes) -> bool:
        number = int(head.split()[1].strip(b"/") or b"0")
        answer = f"HTTP/1.1 302 Found\r\nLocation: /{number + 1}\r\n\r\n"
        last = "HTTP/1.1 200 OK\r\n\r\ndone"
        connection.sendall((answer if number < 5 or number >= 100 else last).encode())
        return False

    server = serve(script)
    assert whole(server.url) == b"done"
    with pytest.raises(HttpError, match="redirects more than"):
        whole(f"{server.url}/100")


def _to(location: str) -> Script:
    return says(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode())


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://169.254.169.254/latest/meta-data/", "link-local or metadata"),
        ("http://[fd00:ec2::254]/", "link-local or metadata"),
        ("http://[::ffff:169.254.169.254]/", "link-local or metadata"),
        ("file:///etc/passwd", "not http"),
        ("gopher://127.0.0.1:6379/x", "not http"),
        ("http://x:port/", "cannot be read"),
        ("http://" + "x" * 10_000, "too long"),
    ],
)
def test_redirects_to_where_nobody_should_go(
    serve: Callable[..., Server], location: str, words: str
) -> None:
    with pytest.raises(HttpError, match=words):
        whole(serve(_to(location)).url)


def test_the_login_stays_with_its_host(serve: Callable[..., Server]) -> None:
    other = serve(says(b"HTTP/1.1 200 OK\r\n\r\nx"), "127.0.0.2")
    home = serve(_to(f"{other.url}/x"))
    secrets = {"User-Agent": "test", "Authorization": "Cluster 1:abc", "X-Key": "secret"}
    assert whole(home.url.replace("//", "//user:pass@"), headers=secrets) == b"x"
    assert "Cluster 1:abc" in home.heads[0]
    for word in ("Authorization", "secret", "X-Key", "Cookie"):
        assert word not in other.heads[0]
    assert "User-Agent: test" in other.heads[0]


def test_basic_digest_and_cookies(serve: Callable[..., Server]) -> None:
    def script(connection: socket.socket, head: bytes) -> None:
        if b"Authorization: Digest" in head:
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nContent-Length: 1\r\n\r\nx"
            )
        else:
            challenge = b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"'
            connection.sendall(
                b"HTTP/1.1 401 No\r\n" + challenge + b"\r\nContent-Length: 0\r\n\r\n"
            )

    server = serve(script)
    url = server.url.replace("//", "//us%40er:pa%2Fss@")
    one = client(url)
    body = one.get(url)
    assert body.read(1) == b"x"
    body.close()
    one.get(url).close()
    one.close()
    assert "Authorization: Basic dXNAZXI6cGEvc3M=" in server.heads[0]
    assert 'username="us@er"' in server.heads[1]
    assert "Cookie: a=1" in server.heads[2]


def test_a_redirect_from_elsewhere_does_not_lead_here(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = serve(says(b"HTTP/1.1 200 OK\r\n\r\nsecret"))
    outside = serve(_to(f"{inside.url}/x"))
    # 127.0.0.1 plays the part of an address elsewhere at the first connection only.
    asked: list[str] = []

    def is_loopback(address: str) -> bool:
        asked.append(address)
        return len(asked) > 1

    monkeypatch.setattr("media_streamer.outgoing.wire.is_loopback", is_loopback)
    monkeypatch.setattr("media_streamer.outgoing.http.is_loopback", is_loopback)
    with pytest.raises(HttpError, match="this machine itself"):
        whole(outside.url)
    assert inside.heads == []


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://host", "/"),
        ("http://host/a b?c=d#e", "/a%20b?c=d"),
        ("http://host?x", "/?x"),
        ("http://host/a\r\nX: y", "/aX:%20y"),
    ],
)
def test_request_lines(url: str, path: str) -> None:
    assert Target.of(url).path == path


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(HttpError, match="connection refused"):
        whole(f"http://127.0.0.1:{port}/")
    with pytest.raises(HttpError, match="name of the host"):
        whole("http://no.such.host.invalid/")
