"""`python -m tests.support.part_viewers PORT NAME COUNT`: viewers of low-latency HLS.

Each has a connection for the picture and one for the sound, and does on both what players do: a
playlist request that waits for the next part (`_HLS_msn`, `_HLS_part`, `_HLS_skip`), then that
part, again and again. One epoll loop in a process of its own; a playlist is read, and what is asked
for next is written, once for all: what the viewers cost is taken from the cores of the server.

Prints `ready` once every viewer has had a part. A line on standard input begins the measurement,
its end stops it: prints one line of JSON, `playlist` and `part`: milliseconds between the end of a
part by the stream's own clock (EXT-X-PROGRAM-DATE-TIME) and the last byte of the playlist that
names it, and of the part (0.5, 50, 99 and 100 % of them); `parts`, `bytes`, `seconds`, `failed`,
and `busy`, the share of the time for which this process used a core. When bytes came the kernel
says (SO_TIMESTAMPNS), and what passes here between a playlist and the request for its part is left
out: one process has the bursts of all viewers to read.
"""

import datetime
import json
import re
import select
import socket
import struct
import sys
import time
from collections import defaultdict, deque
from dataclasses import dataclass

HOST = "127.0.0.1"
READY_SECONDS = 60.0
READ_BYTES = 1 << 18
HEAD_BYTES = 512
"""More than the head of an answer has."""
TRACKS = ("tracks-v1", "tracks-a1")
WAYS = 4
"""A playlist may be a whole one or an update, and workers hear of the other track's parts a little
earlier or later than each other."""
SO_TIMESTAMPNS = 35  # asm-generic/socket.h
_TIME = struct.Struct("qq")
SHARES = (0.005, 0.5, 0.99, 1.0)
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_MSN = re.compile(r"#EXT-X-MEDIA-SEQUENCE:(\d+)")
_SKIPPED = re.compile(r"#EXT-X-SKIP:SKIPPED-SEGMENTS=(\d+)")
_PART = re.compile(r'#EXT-X-PART:.*?DURATION=([\d.]+).*?URI="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Newest:
    """What a playlist tells of its last part."""

    uri: str
    end: float
    """By the stream's clock, Unix seconds."""
    next_msn: int
    next_part: int


@dataclass(frozen=True, slots=True)
class Step:
    """A playlist that many have got: what each does next."""

    playlist: bytes
    end: float
    """Of its last part."""
    ask_part: bytes
    ask_playlist: bytes
    """The one that waits for the next part."""


def newest(text: str) -> Newest | None:
    """Of a playlist, or of a delta update of one; None without a part."""
    msn, part, uri, end = int(_MSN.search(text)[1]), 0, "", 0.0  # type: ignore[index]
    if found := _SKIPPED.search(text):
        msn += int(found[1])
    begins = 0.0  # of the segment
    for line in text.splitlines():
        if line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
            begins = end = datetime.datetime.fromisoformat(line.partition(":")[2]).timestamp()
        elif found := _PART.match(line):
            uri, part = found[2], part + 1
            end += float(found[1])
        elif line.startswith("#EXTINF:"):
            begins += float(line[8:].partition(",")[0])
            msn, part, end = msn + 1, 0, begins
    return Newest(uri, end, msn, part) if uri and begins else None


class Line:
    """One track of one viewer, on a connection of its own."""

    def __init__(self, audience: "Audience", track: str) -> None:
        self._audience = audience
        self._folder = f"/{audience.name}/{track}"
        self._data = bytearray()
        self._left = -1
        """Bytes of the body that are to come; the head comes first."""
        self._body_at = 0
        self._part: Step | None = None
        """The part that is fetched; None while a playlist is."""
        self._late = self._asked_at = 0.0
        """How late the playlist was; when its part was asked for."""
        self.watches = False
        self.socket = socket.create_connection((HOST, audience.port))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setblocking(False)
        self.socket.send(_get(f"{self._folder}/index.ll.m3u8"))

    def read(self, buffer: bytearray | memoryview) -> None:
        """Take what is there. Raises OSError, ValueError: it is over."""
        flags = 0
        if self._part is not None:
            # Of the body of a part nobody wants to know but its length: the kernel drops it.
            flags = socket.MSG_TRUNC if self._left > 0 else 0
            buffer = buffer if flags else self._audience.head
        try:
            count, told, *_ = self.socket.recvmsg_into([buffer], 64, flags)
        except BlockingIOError:
            return
        if not count:
            raise ConnectionError("closed")
        self._audience.bytes += count
        if self._left < 0:
            self._data += buffer[:count]
            end = self._data.find(b"\r\n\r\n") + 4
            if end < 4:
                return
            found = _LENGTH.search(self._data, 0, end)
            if not self._data.startswith(b"HTTP/1.1 200 ") or found is None:
                raise ValueError(bytes(self._data[:200]))
            self._body_at, self._left = end, int(found[1]) - len(self._data) + end
        else:
            if self._part is None:
                self._data += buffer[:count]
            self._left -= count
        if self._left == 0:
            came = [data for _, kind, data in told if kind == SO_TIMESTAMPNS]
            seconds, nanoseconds = _TIME.unpack(came[0]) if came else (time.time(), 0)
            self._whole(seconds + nanoseconds / 1e9)

    def _whole(self, came: float) -> None:
        """`came`: when its last byte did, Unix seconds."""
        audience, part = self._audience, self._part
        body = bytes(self._data[self._body_at :]) if part is None else b""
        self._data.clear()
        self._left = -1
        if part is not None:
            audience.parts.append(self._late + came - self._asked_at)
            self._part, self.watches = None, True
            self.socket.send(part.ask_playlist)
            return
        self._part = step = audience.step(self._folder, body)
        self._late = came - step.end
        audience.playlists.append(self._late)
        self._asked_at = time.time()
        self.socket.send(step.ask_part)


class Audience:
    """All viewers."""

    def __init__(self, port: int, name: str, count: int) -> None:
        self.port, self.name = port, name
        self.bytes = self.failed = 0
        self.playlists: list[float] = []
        self.parts: list[float] = []
        self._steps: dict[str, deque[Step]] = defaultdict(lambda: deque(maxlen=WAYS))
        """The newest of each folder first."""
        self._epoll = select.epoll()
        self._buffer = bytearray(READ_BYTES)
        self.head = memoryview(self._buffer)[:HEAD_BYTES]
        self._lines: dict[int, Line] = {}
        for _ in range(count):
            for track in TRACKS:
                line = Line(self, track)
                self._lines[line.socket.fileno()] = line
                self._epoll.register(line.socket, select.EPOLLIN)
            self.read(0)

    def step(self, folder: str, playlist: bytes) -> Step:
        """Raises ValueError for a playlist without parts."""
        steps = self._steps[folder]
        for known in steps:
            if known.playlist == playlist:
                return known
        found = newest(playlist.decode())
        if found is None:
            raise ValueError("a playlist without parts")
        query = f"?_HLS_msn={found.next_msn}&_HLS_part={found.next_part}&_HLS_skip=YES"
        step = Step(
            playlist,
            found.end,
            _get(f"{folder}/{found.uri}"),
            _get(f"{folder}/index.ll.m3u8{query}"),
        )
        steps.appendleft(step)
        return step

    @property
    def all_watch(self) -> bool:
        return all(line.watches for line in self._lines.values())

    def watch_stdin(self) -> None:
        self._epoll.register(sys.stdin.fileno(), select.EPOLLIN | select.EPOLLHUP)

    def read(self, seconds: float) -> bool:
        """Read what is there; False for a line on standard input, or its end."""
        goes_on = True
        for number, _ in self._epoll.poll(seconds):
            if number == sys.stdin.fileno():
                goes_on = False
                continue
            try:
                self._lines[number].read(self._buffer)
            except (OSError, ValueError) as error:
                self.failed += 1
                print(f"a viewer is gone: {error}", file=sys.stderr)
                self._epoll.unregister(number)
                self._lines.pop(number).socket.close()
        return goes_on


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


def _spread(seconds: list[float]) -> list[float]:
    found = sorted(seconds)
    return [1000 * found[min(int(share * len(found)), len(found) - 1)] for share in SHARES]


def main() -> int:
    audience = Audience(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    deadline = time.monotonic() + READY_SECONDS
    while not audience.all_watch:
        if time.monotonic() > deadline:
            print("some viewers got nothing", file=sys.stderr)
            return 1
        audience.read(0.1)
    print("ready", flush=True)
    audience.watch_stdin()
    while audience.read(1.0):
        pass
    sys.stdin.readline()
    audience.playlists.clear()
    audience.parts.clear()
    audience.bytes, began, used = 0, time.monotonic(), time.process_time()
    while audience.read(1.0):
        pass
    seconds = time.monotonic() - began
    result = {
        "playlist": _spread(audience.playlists),
        "part": _spread(audience.parts),
        "parts": len(audience.parts),
        "bytes": audience.bytes,
        "seconds": seconds,
        "failed": audience.failed,
        "busy": (time.process_time() - used) / seconds,
    }
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
