"""Hits by the bytes of a request: what is answered so, and what stays with the handler."""

import math
import os
import time
from dataclasses import dataclass

import pytest
from media_streamer.cache.grants import Grants
from media_streamer.cache.index import Meta
from media_streamer.cache.metrics import Metrics
from media_streamer.cache.policy import private_key, read_target
from media_streamer.cache.quick import QuickHits
from media_streamer.cache.send import wanted_range
from media_streamer.cache.store import TOUCH_SECONDS, Store
from media_streamer.egress.http.connection import Connection
from media_streamer.egress.http.sending import FileMessage
from media_streamer.files.samples import Span

ONE = "/a/tracks-v1/2026/01/01/00/00/00-05000.m4s"
TWO = ONE.replace("00-05000", "05-05000")
FIELDS = "Host: x\r\nUser-Agent: player\r\n\r\n"
BODY = b"".join(number.to_bytes(2) for number in range(500))


def now() -> float:
    return 1_000_000.0


class Asked(Connection):
    """What the handler sees of a connection; without a socket."""

    def __init__(self, asked: bytes) -> None:
        self._asked = asked


@dataclass
class Request:
    """A request as aiohttp tells of it."""

    protocol: Asked
    raw_path: str
    headers: dict[str, str]
    keep_alive: bool = True


def request(path: str, fields: str = FIELDS, version: str = "1.1") -> bytes:
    return f"GET {path} HTTP/{version}\r\n{fields}".encode()


class Viewer:
    """Hits of a store in which two files are."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.grants = Grants()
        self.metrics = Metrics()
        self.quick = QuickHits(store, self.grants, self.metrics, now)

    async def put(self, key: str, *, public: bool = True) -> None:
        await self.store.put(key, [BODY], Meta(0, len(BODY), "video/mp4", "x", public), math.inf)

    async def handled(self, path: str, fields: str = FIELDS, *, keep_alive: bool = True) -> None:
        """A hit that the handler has answered."""
        raw_path, _, query = path.partition("?")
        wanted = read_target(raw_path, query)
        headers = dict(line.split(": ") for line in fields.split("\r\n") if line)
        asked = Request(Asked(request(path, fields)), path, headers, keep_alive)
        for key in (wanted.path, private_key(wanted.path, wanted.identity)):
            if (found := await self.store.find(key)) is not None:
                with found[0] as file:
                    self.store.hold(key, file, found[1], is_read=True)
                    self.quick.learn(asked, wanted)
                return
        raise AssertionError(f"{path} is not stored")

    def ask(self, path: str, fields: str = FIELDS, version: str = "1.1") -> FileMessage | None:
        return self.quick.find(request(path, fields, version))


@pytest.fixture
async def viewer(tmp_path):
    store = Store(tmp_path, clock=now)
    await store.open()
    made = Viewer(store)
    await made.put(ONE[1:])
    await made.put(TWO[1:])
    yield made
    store.close()


def sent(message: FileMessage | None) -> tuple[str, bytes]:
    assert message is not None
    (part,) = message.parts
    assert isinstance(part, Span)
    body = os.pread(message.descriptor, part.size, part.offset)
    message.on_end(message.length, None)
    return message.head.decode(), body


async def test_the_same_is_answered_as_the_handler_does(viewer):
    assert viewer.ask(ONE) is None, "nothing is known yet"
    await viewer.handled(ONE)
    head, body = sent(viewer.ask(ONE))
    assert body == BODY
    lines = head.split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    for line in ("Content-Type: video/mp4", "Cache-Control: x", "X-Cache: HIT", "Age: 0"):
        assert line in lines
    assert f"Content-Length: {len(BODY)}" in lines
    assert lines[-2:] == ["", ""]
    assert lines[-3].startswith("Date: ")
    text = viewer.metrics.text().decode()
    for line in ("requests_total 1.0", "hits_total 1.0", f"sent_bytes_total {len(BODY)}.0"):
        assert f"\nmedia_cache_{line}\n" in text


async def test_parts_that_are_known_from_different_requests(viewer):
    """Another viewer's file with this one's fields and token."""
    await viewer.handled(ONE)
    viewer.grants.accepted("a", "token=t", time.monotonic())
    await viewer.handled(f"{TWO}?token=t", FIELDS.replace("player", "other"))
    for path in (ONE, TWO, f"{ONE}?token=t", f"{TWO}?token=t"):
        for fields in (FIELDS, FIELDS.replace("player", "other")):
            assert sent(viewer.ask(path, fields))[1] == BODY
    assert viewer.ask(f"{ONE}?token=u") is None
    assert viewer.ask(ONE, FIELDS.replace("player", "third")) is None


@pytest.mark.parametrize(
    ("field", "status", "part"),
    [
        ("Range: bytes=0-", "206 Partial Content", BODY),
        ("Range: bytes=10-19", "206 Partial Content", BODY[10:20]),
        ("Range: bytes=-5", "206 Partial Content", BODY[-5:]),
        ("Range: lines=1-2", "200 OK", BODY),
        ("If-Range: x\r\nRange: bytes=10-19", "200 OK", BODY),
    ],
)
async def test_ranges(viewer, field, status, part):
    fields = f"{field}\r\n{FIELDS}"
    await viewer.handled(ONE, fields)
    for _ in range(2):
        head, body = sent(viewer.ask(ONE, fields))
        assert head.startswith(f"HTTP/1.1 {status}\r\n")
        assert f"\r\nContent-Length: {len(part)}\r\n" in head
        assert body == part
    first = BODY.index(part) if len(part) < len(BODY) else 0
    said = f"Content-Range: bytes {first}-{first + len(part) - 1}/{len(BODY)}"
    assert (said in head) is status.startswith("206")


async def test_a_range_beyond_another_file_is_left_to_the_handler(viewer):
    assert wanted_range(Request(Asked(b""), ONE, {"Range": "bytes=5-"})) == "bytes=5-"
    fields = f"Range: bytes={len(BODY) - 1}-\r\n{FIELDS}"
    await viewer.handled(ONE, fields)
    short = TWO.replace("05-05000", "10-05000")
    await viewer.store.put(short[1:], [b"ab"], Meta(0, 2, "video/mp4", "x", True), math.inf)
    await viewer.handled(short)
    assert viewer.ask(short, fields) is None
    assert sent(viewer.ask(short))[1] == b"ab"


@pytest.mark.parametrize(
    "asked",
    [
        request(ONE)[:-1],
        request(ONE) + b"x",
        request(ONE) * 2,
        request(ONE).replace(b"GET", b"HEAD"),
        request(ONE).replace(b"GET ", b"GET  "),
        request(ONE, version="1.0"),
        request(ONE + "#x"),
        b"\r\n" + request(ONE),
        FIELDS.encode(),
        b"GET HTTP/1.1\r\n" + FIELDS.encode(),
        b"",
    ],
)
async def test_only_the_very_bytes_are_known(viewer, asked):
    await viewer.handled(ONE)
    assert viewer.quick.find(asked) is None


async def test_what_is_too_long_or_ends_the_connection_is_not_learned(viewer):
    await viewer.handled(ONE, keep_alive=False)
    await viewer.handled(f"{ONE}?token={'x' * 2000}")
    await viewer.handled(ONE, f"Cookie: {'x' * 3000}\r\n{FIELDS}")
    assert viewer.ask(ONE) is None


async def test_leave_is_asked_for_each_time(viewer):
    await viewer.handled(ONE)
    viewer.grants.refused("a", "")
    assert viewer.ask(ONE) is None
    viewer.grants.accepted("a", "", time.monotonic())
    assert sent(viewer.ask(ONE))[1] == BODY


async def test_a_file_of_one_viewer(viewer):
    path = TWO.replace("05-05000", "10-05000")
    await viewer.put(private_key(path[1:], "token=t"), public=False)
    at = time.monotonic()
    for token in "tu":
        viewer.grants.accepted("a", f"token={token}", at)
    await viewer.handled(f"{path}?token=t")
    await viewer.handled(f"{ONE}?token=u")
    assert sent(viewer.ask(f"{path}?token=t"))[1] == BODY
    assert viewer.ask(f"{path}?token=u") is None
    viewer.grants.refused("a", "token=t")
    assert viewer.ask(f"{path}?token=t") is None


async def test_what_has_left_the_store_is_gone(viewer, tmp_path):
    await viewer.handled(ONE)
    message = viewer.ask(ONE)
    await viewer.put(ONE[1:])
    assert viewer.ask(ONE) is None, "the new file is another one"
    assert sent(message)[1] == BODY, "who gets the old one gets it whole"
    await viewer.handled(ONE)
    assert sent(viewer.ask(ONE))[1] == BODY


async def test_now_and_then_the_handler_writes_down_the_use(viewer):
    await viewer.handled(ONE)
    found = await viewer.store.find(ONE[1:])
    found[0].close()
    found[1].touched_at -= TOUCH_SECONDS + 1
    assert viewer.ask(ONE) is None
    await viewer.handled(ONE)
    assert sent(viewer.ask(ONE))[1] == BODY
