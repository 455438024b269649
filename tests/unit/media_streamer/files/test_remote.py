"""Files of storages by HTTP, read from a real server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.files import storages
from media_streamer.files.disk import Changed
from media_streamer.files.names import NoFile
from media_streamer.files.remote import (
    BLOCK_BYTES,
    MAX_RUN,
    Answer,
    Blocks,
    HttpStorage,
    RemoteContent,
    Unreachable,
)
from media_streamer.files.storages import identity_of, open_content

from tests.support.ports import free_port
from tests.support.storage import Storage, http_storage

DATA = bytes(range(251)) * 8000  # two megabytes


@pytest.fixture
def storage() -> Iterator[Storage]:
    storages._failed.clear()
    with http_storage() as made:
        made.files = {"/films/a.mp4": DATA, "/films/new/ü b?.mp4": b"b", "/films/empty.mp4": b""}
        yield made


def opened(storage: Storage, path: str = "a.mp4", blocks: Blocks | None = None) -> RemoteContent:
    url = f"{storage.base}/films"
    return RemoteContent(url, path, HttpStorage(url), blocks or Blocks())


def test_ranges_of_a_file_are_what_is_in_it(storage: Storage) -> None:
    content = opened(storage)
    assert content.identity.size == len(DATA)
    for offset, size in ((0, 16), (100, BLOCK_BYTES), (len(DATA) - 5, 100), (len(DATA), 1)):
        assert content(offset, size) == DATA[offset : offset + size]
    buffers = [memoryview(bytearray(size)) for size in (10, 300_000, 7)]
    assert content.into(5, buffers) == 300_017
    assert b"".join(buffers) == DATA[5:300_022]
    assert opened(storage, "empty.mp4")(0, 10) == b""
    assert opened(storage, "new/ü b?.mp4")(0, 10) == b"b"


def test_what_is_near_is_asked_for_at_once_and_what_was_read_not_again(storage: Storage) -> None:
    content = opened(storage)
    content(10, 3 * BLOCK_BYTES)
    content(2 * BLOCK_BYTES, BLOCK_BYTES)
    size = BLOCK_BYTES
    assert storage.asked == [
        f"/films/a.mp4 0-{size - 1}",
        f"/films/a.mp4 {size}-{4 * size - 1}",
    ]


def test_what_is_kept_has_a_bound(storage: Storage) -> None:
    content = opened(storage, blocks=Blocks(2 * BLOCK_BYTES))
    for number in (1, 2, 1, 0):
        content(number * BLOCK_BYTES, 1)
    asked = [int(one.split()[1].split("-")[0]) // BLOCK_BYTES for one in storage.asked]
    assert asked == [0, 1, 2, 0]


def test_a_long_read_is_one_request_and_is_not_kept(storage: Storage) -> None:
    data = bytes(BLOCK_BYTES) * (MAX_RUN + 2)
    storage.files["/films/long.mp4"] = data
    content = opened(storage, "long.mp4")
    assert content(1, len(data)) == data[1:]
    assert len(storage.asked) == 2
    content(BLOCK_BYTES, 1)
    assert len(storage.asked) == 3


def test_threads_wait_for_what_another_one_reads(storage: Storage) -> None:
    content = opened(storage)
    waits = Event()

    def hold(_: BaseHTTPRequestHandler) -> bool:
        assert waits.wait(30)
        return False

    storage.answer = hold
    with ThreadPoolExecutor(4) as threads:
        reads = [threads.submit(content, BLOCK_BYTES, 100) for _ in range(4)]
        waits.set()
        found = [one.result(30) for one in reads]
    assert set(found) == {DATA[BLOCK_BYTES : BLOCK_BYTES + 100]}
    assert len(storage.asked) == 2


@pytest.mark.parametrize("what", ["tag", "modified", "size", "gone"])
def test_a_file_that_was_changed_is_not_read_on(storage: Storage, what: str) -> None:
    content = opened(storage)
    if what == "gone":
        storage.files.clear()
    elif what == "size":
        storage.files["/films/a.mp4"] += b"more"
    else:
        setattr(storage, what, '"2"' if what == "tag" else "Mon, 01 Jan 2024 00:00:01 GMT")
    with pytest.raises(Changed):
        content(BLOCK_BYTES, 1)
    if what != "gone":
        assert opened(storage).identity != content.identity


def _plain(status: int, body: bytes, *headers: tuple[str, str]) -> object:
    def answer(request: BaseHTTPRequestHandler) -> bool:
        request.send_response(status)
        for name, value in headers:
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)
        request.close_connection = True
        return True

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        _plain(200, DATA, ("Content-Length", str(len(DATA)))),
        _plain(206, b"x", ("Content-Length", "1")),
        _plain(206, b"x", ("Content-Length", "1"), ("Content-Range", "bytes 5-5/10")),
        _plain(206, b"x", ("Content-Length", "1"), ("Content-Range", "bytes 0-0/99999999999999")),
        _plain(206, b"x", ("Content-Length", "9"), ("Content-Range", "bytes 0-8/9")),
        _plain(206, b"", ("Content-Length", "x"), ("Content-Range", "bytes 0-8/9")),
        _plain(302, b"", ("Location", "/films/a.mp4"), ("Content-Length", "0")),
        _plain(500, b"", ("Content-Length", "0")),
        _plain(403, b"", ("Content-Length", "0")),
    ],
)
def test_servers_that_answer_nonsense_are_said_to_fail(storage: Storage, answer: object) -> None:
    storage.answer = answer  # type: ignore[assignment]
    with pytest.raises(Unreachable, match=r"server of the storage"):
        opened(storage)


def test_a_login_is_sent_and_never_said(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    storage.with_login = True
    host = storage.base.removeprefix("http://")
    good = open_content([f"http://reader:secret@{host}/films"], "a.mp4")
    assert good.read(0, 4) == DATA[:4]
    with pytest.raises(Unreachable) as error:
        open_content([f"http://reader:wrong@{host}/films"], "a.mp4")
    assert "wrong" not in f"{error.value} {caplog.text}"
    assert "401" in caplog.text


def test_the_first_storage_that_has_a_file_wins_whatever_it_is(
    storage: Storage, tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"local")
    remote, local = f"{storage.base}/films", str(tmp_path)
    down = f"http://127.0.0.1:{free_port()}/films"
    assert identity_of([remote, local], "a.mp4").size == len(DATA)
    assert identity_of([local, remote], "a.mp4").size == 5
    assert identity_of([down, local], "a.mp4").size == 5
    assert identity_of([local, remote], "new/ü b?.mp4").size == 1
    with pytest.raises(NoFile):
        open_content([local, remote], "none.mp4")
    with pytest.raises(Unreachable):  # it might be there
        open_content([down, local, remote], "none.mp4")


def test_a_storage_that_fails_rests(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"local")
    storage.answer = _plain(503, b"", ("Content-Length", "0"))  # type: ignore[assignment]
    both = [f"{storage.base}/films", str(tmp_path)]
    for _ in range(3):
        assert identity_of(both, "a.mp4").size == 5
    assert len(storage.asked) == 1
    monkeypatch.setattr(storages, "REST_SECONDS", 0.0)
    storage.answer = lambda _: False
    assert identity_of(both, "a.mp4").size == len(DATA)


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 1500)), max_size=20))
def test_any_reads_give_what_lies_there(reads: list[tuple[int, int]]) -> None:
    data = DATA[: 2 * BLOCK_BYTES + 1000]

    def fetch(_: str, first: int, end: int) -> Answer:
        return Answer(data[first:end], len(data), ("", ""))

    content = RemoteContent("s", "a", fetch, Blocks(BLOCK_BYTES))
    for at, size in reads:
        offset, length = at * 180, size * 400
        assert content(offset, length) == data[offset : offset + length]
