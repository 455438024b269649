"""A storage of files by HTTP: a real server in a thread, whose behaviour a test may spoil."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

LOGIN = "Basic cmVhZGVyOnNlY3JldA=="
"""reader, secret."""


@dataclass
class Storage:
    """What it has, and what it was asked for."""

    base: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """By their path from the root of the server."""
    tag: str = '"1"'
    modified: str = "Mon, 01 Jan 2024 00:00:00 GMT"
    asked: list[str] = field(default_factory=list)
    """Path and range of each request."""
    with_login: bool = False
    answer: Callable[[BaseHTTPRequestHandler], bool] = lambda _: False
    """Answers in place of the server; True if it did."""


@contextmanager
def http_storage() -> Iterator[Storage]:
    """A running server."""
    storage = Storage()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Not of interest."""

        def do_GET(self) -> None:
            path, wanted = unquote(self.path), self.headers.get("Range", "")
            storage.asked.append(f"{path} {wanted.removeprefix('bytes=')}")
            if storage.answer(self):
                return
            data = storage.files.get(path)
            if storage.with_login and self.headers.get("Authorization") != LOGIN:
                self._send(401, b"")
            elif data is None:
                self._send(404, b"")
            else:
                first, last = map(int, wanted.removeprefix("bytes=").split("-"))
                part = data[first : last + 1]
                said = f"bytes {first}-{first + len(part) - 1}/{len(data)}"
                self._send(206 if part else 416, part, said if part else f"bytes */{len(data)}")

        def _send(self, status: int, body: bytes, said: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if said:
                self.send_header("Content-Range", said)
                self.send_header("ETag", storage.tag)
                self.send_header("Last-Modified", storage.modified)
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    storage.base = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield storage
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
