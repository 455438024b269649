"""`python -m tests.support.fault_viewers PORTS VIEWER…`: viewers that say when they got nothing.

PORTS is `http=8080,rtmp=1935,…`, a VIEWER `PROTO:STREAM`, where PROTO is ts, rtmp, rtsp, srt,
webrtc, hls, llhls or new. Each has a thread, and comes back when its connection is lost, as players
do: by WebRTC after 3 s without media, by SRT when libsrt gives its peer up, else at once. `new` is
somebody else each time: a session of its own.

Once all have media it prints `ready`, and for each line of its input one line of JSON of the time
since the last one: `{VIEWER: {"gap": longest time without media in s, "got": pieces of media,
"lost": connections that ended, "failed": requests without an answer, also by a new connection}}`.
"""

import contextlib
import http.client
import json
import re
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

from media_streamer.protocols.srt.libsrt import MAX_MESSAGE_BYTES, Option, SrtSocket, ffi
from media_streamer.rtp.packet import is_rtcp

from tests.support import rtmp_request, rtsp_viewer, webrtc_viewer

HOST = "127.0.0.1"
MAX_REASONS = 20
READY_SECONDS = 60.0
WAIT_SECONDS = 20.0
AGAIN_SECONDS = 0.05
PATIENCE_SECONDS = 3.0
CHECK_SECONDS = 1.0
ALIVE_SECONDS = 20.0
ALIVE = b"OPTIONS * RTSP/1.0\r\nCSeq: 99\r\n\r\n"
"""What keeps a session of RTSP open, in the connection that it belongs to."""
_INTERLEAVED = 0x24
"""Of RTP and RTCP within the connection (RFC 7826 14)."""
ASK_SECONDS = 0.1
LEAST_MEDIA_BYTES = 100
"""By RTMP less than this is a control message."""


class Viewer:
    """What one has seen since it was asked last; `watch` runs in a thread of its own."""

    def __init__(self, proto: str, stream: str, ports: dict[str, int], host: str = HOST) -> None:
        self._host = host
        self._proto = proto
        self._stream = stream
        self._ports = ports
        self._lock = threading.Lock()
        self._last = self._since = time.monotonic()
        self._gap = 0.0
        self._got_some = self._lost = self._failed = 0
        self.has_media = False
        self.pieces = 0
        """Of media, since the beginning."""
        self.reasons: list[str] = []
        """Of the first requests that failed."""
        self.ended = threading.Event()
        """Set: it watches no more."""

    def watch(self) -> None:
        media: Callable[[], Iterator[None]] = getattr(self, f"_{self._proto}")
        try:
            while not self.ended.is_set():
                with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                    self._watch(media())
                with self._lock:
                    self._lost += self.has_media
                time.sleep(AGAIN_SECONDS)
        finally:
            if self._connection is not None:
                self._connection.close()

    def _watch(self, media: Iterator[None]) -> None:
        for _ in media:
            self._got()
            if self.ended.is_set():
                return

    def ask(self) -> dict[str, float]:
        with self._lock:
            now = time.monotonic()
            gap = max(self._gap, now - max(self._last, self._since))
            found = {
                "gap": gap,
                "got": self._got_some,
                "lost": self._lost,
                "failed": self._failed,
            }
            self._gap, self._since = 0.0, now
            self._got_some = self._lost = self._failed = 0
        return found

    def _got(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._gap = max(self._gap, now - self._last)
            self._last = now
            self._got_some += 1
            self.pieces += 1
            self.has_media = True

    def _ts(self) -> Iterator[None]:
        with socket.create_connection((self._host, self._ports["http"]), WAIT_SECONDS) as sock:
            head = f"GET /{self._stream}/mpegts HTTP/1.1\r\nHost: {self._host}\r\n\r\n"
            sock.sendall(head.encode())
            if b" 200 " not in sock.recv(4096):
                raise ConnectionError("refused")
            while sock.recv(1 << 18):
                yield

    def _rtmp(self) -> Iterator[None]:
        with rtmp_request.play(self._host, self._ports["rtmp"], "static", self._stream) as sock:
            while data := sock.recv(1 << 18):
                if len(data) >= LEAST_MEDIA_BYTES:
                    yield

    def _rtsp(self) -> Iterator[None]:
        with rtsp_viewer.connect(self._host, self._ports["rtsp"], self._stream, udp=False) as sock:
            data, told_at = b"", time.monotonic()
            while piece := sock.recv(1 << 18):
                data += piece
                if time.monotonic() - told_at > ALIVE_SECONDS:
                    told_at = time.monotonic()
                    sock.sendall(ALIVE)
                while len(data) >= 4:
                    if data[0] != _INTERLEAVED:  # an answer
                        head, end, _ = data.partition(b"\r\n\r\n")
                        size = len(head) + len(end) if end else len(data) + 1
                    else:
                        size = 4 + int.from_bytes(data[2:4])
                    if len(data) < size:
                        break
                    if data[0] == _INTERLEAVED and data[1] % 2 == 0:  # the others are RTCP
                        yield
                    data = data[size:]

    def _srt(self) -> Iterator[None]:
        sock = SrtSocket.blocking(1000)
        try:
            sock.set_flag(Option.STREAMID, f"#!::r={self._stream},m=request")
            sock.connect(self._host, self._ports["srt"])
            buffer = ffi.new("char[]", MAX_MESSAGE_BYTES)
            while True:
                if sock.receive(buffer):
                    yield
        finally:
            sock.close()

    def _webrtc(self) -> Iterator[None]:
        viewer = webrtc_viewer.begin(self._host, self._ports["http"], self._stream)
        with viewer.sock as sock:
            sock.settimeout(CHECK_SECONDS)
            media_at = checked_at = time.monotonic()
            while (now := time.monotonic()) - media_at < PATIENCE_SECONDS:
                with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                    if now - checked_at > CHECK_SECONDS:
                        checked_at = now
                        sock.send(viewer.check)
                    data = sock.recv(2048)
                    if data[0] < 4:
                        webrtc_viewer.answer_check(sock, data)
                    elif data[0] >= 128 and not is_rtcp(data):
                        media_at = now
                        yield

    def _hls(self) -> Iterator[None]:
        base = f"/{self._stream}/tracks-v1a1"
        seen: list[str] = []
        while True:
            text = self._fetch(f"{base}/mono.m3u8")
            for uri in (line for line in text.splitlines() if line and line[0] != "#"):
                if uri not in seen:
                    seen = [*seen[-20:], uri]
                    if self._fetch(f"{base}/{uri}"):
                        yield
            time.sleep(ASK_SECONDS)

    def _llhls(self) -> Iterator[None]:
        master = self._fetch(f"/{self._stream}/index.ll.m3u8")
        uri = next(line for line in master.splitlines() if line and line[0] != "#")
        query = ""
        while True:
            text = self._fetch(f"/{self._stream}/{uri}{query}")
            if text and (part := _newest_part(text)):
                self._fetch(f"/{self._stream}/{uri.rpartition('/')[0]}/{part}")
            if text:
                number, parts = edge(text)
                joint = "&" if "?" in uri else "?"
                query = f"{joint}_HLS_msn={number}&_HLS_part={parts}"
                yield
            else:
                time.sleep(ASK_SECONDS)

    def _new(self) -> Iterator[None]:
        while True:
            with socket.create_connection((self._host, self._ports["http"]), WAIT_SECONDS) as sock:
                head = f"GET /{self._stream}/mpegts HTTP/1.1\r\nHost: {self._host}\r\n\r\n"
                sock.sendall(head.encode())
                answer = sock.recv(4096)
            if b" 200 " in answer:
                yield
            else:
                self._fail()
            time.sleep(ASK_SECONDS)

    _connection: http.client.HTTPConnection | None = None

    def _fetch(self, path: str) -> str:
        """A body; of a connection that has ended a new one is asked, as every client does."""
        reason = ""
        for _ in range(2):
            one = self._connection
            if one is None:
                port = self._ports["http"]
                one = self._connection = http.client.HTTPConnection(
                    self._host, port, timeout=WAIT_SECONDS
                )
            try:
                one.request("GET", path)
                answer = one.getresponse()
                body = answer.read()
                if answer.status == 200:
                    return body.decode("utf-8", "replace")
                reason = f"{answer.status} {body[:100]!r}"
                break
            except (OSError, http.client.HTTPException) as error:
                reason = repr(error)
                one.close()
                self._connection = None
        self._fail(f"{time.strftime('%X')} {path}: {reason}")
        return ""

    def _fail(self, reason: str = "") -> None:
        with self._lock:
            self._failed += self.has_media
            if self.has_media and len(self.reasons) < MAX_REASONS:
                self.reasons.append(reason)


def edge(text: str) -> tuple[int, int]:
    """The segment that is being made, and how many parts of it there are (RFC 8216bis 6.2.5.2)."""
    number, parts = 0, 0
    for line in text.splitlines():
        if line.startswith("#EXT-X-MEDIA-SEQUENCE:"):
            number = int(line.partition(":")[2])
        elif line.startswith("#EXT-X-PART:"):
            parts += 1
        elif line and not line.startswith("#"):
            number, parts = number + 1, 0
    return number, parts


def _newest_part(text: str) -> str:
    """The address of the newest part that is there."""
    lines = [line for line in text.splitlines() if line.startswith("#EXT-X-PART:")]
    found = re.search(r'URI="([^"]+)"', lines[-1]) if lines else None
    return found[1] if found else ""


def main() -> int:
    ports = {name: int(port) for name, port in (one.split("=") for one in sys.argv[1].split(","))}
    viewers = {name: Viewer(*name.split(":"), ports) for name in sys.argv[2:]}
    for viewer in viewers.values():
        threading.Thread(target=viewer.watch, daemon=True).start()
    deadline = time.monotonic() + READY_SECONDS
    while not all(viewer.has_media for viewer in viewers.values()):
        if time.monotonic() > deadline:
            silent = [name for name, viewer in viewers.items() if not viewer.has_media]
            print(f"no media: {', '.join(silent)}", file=sys.stderr)
            return 1
        select.select([], [], [], 0.1)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps({name: viewer.ask() for name, viewer in viewers.items()}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
