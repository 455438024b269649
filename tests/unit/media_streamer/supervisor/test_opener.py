"""What is opened for egress workers, and what is not: real files, a real confined process."""

import asyncio
import errno
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from media_streamer import cage, opening
from media_streamer.folders import Folders
from media_streamer.supervisor.opener import MAX_WAYS, Judge, Opener

from tests.support.streamer import until


class Disk(NamedTuple):
    """A machine in small."""

    root: Path
    films: Path
    cache: Path
    log: Path

    @property
    def folders(self) -> Folders:
        return Folders(written=[self.cache], read=[self.films])

    def judge(self) -> Judge:
        return Judge(lambda: self.folders, self.log)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    found = Disk(tmp_path, tmp_path / "films", tmp_path / "cache", tmp_path / "log" / "access.log")
    found.films.mkdir()
    found.cache.mkdir()
    (found.films / "film.mp4").write_text("film")
    (tmp_path / "secret").write_text("secret")
    return found


def read(judge: Judge, path: Path | str) -> str:
    descriptor = judge.do(["read", str(path)])
    assert descriptor is not None
    with os.fdopen(descriptor) as file:
        return file.read()


def refusal(judge: Judge, *words: Path | str) -> int | None:
    """The error's number."""
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is what is looked at
        judge.do(list(map(str, words)))
    return caught.value.errno


def test_what_lies_below_a_configured_folder_is_read(disk: Disk) -> None:
    judge = disk.judge()
    assert read(judge, disk.films / "film.mp4") == "film"
    (disk.films / "again.mp4").symlink_to("film.mp4")
    assert read(judge, disk.films / "again.mp4") == "film"
    (disk.root / "way").symlink_to(disk.films)
    by_link = Judge(lambda: Folders(read=[disk.root / "way"]))
    assert read(by_link, disk.root / "way" / "film.mp4") == "film"
    folder = judge.do(["read", str(disk.films)])
    assert folder is not None
    assert sorted(os.listdir(folder)) == ["again.mp4", "film.mp4"]
    os.close(folder)
    assert refusal(judge, "read", disk.films / "none.mp4") == errno.ENOENT


def test_nothing_else_is(disk: Disk) -> None:
    judge = disk.judge()
    (disk.films / "out").symlink_to(disk.root / "secret")
    (disk.films / "up").symlink_to(disk.root)
    os.mkfifo(disk.films / "pipe")
    (disk.root / "films2").mkdir()
    (disk.root / "films2" / "a").write_text("secret")
    for path in (
        disk.root / "secret",
        disk.films / "out",
        disk.films / "up" / "secret",
        f"{disk.films}/../secret",
        disk.films / "pipe",
        disk.root / "films2" / "a",
        "/etc/passwd",
        "secret",
        "",
    ):
        assert refusal(judge, "read", path) == errno.EACCES, path


def test_in_caches_files_are_made_moved_and_removed(disk: Disk) -> None:
    judge, new, kept = disk.judge(), disk.cache / "new", disk.cache / "ab" / "file"
    for folder in (disk.cache, new, new, kept.parent):
        assert judge.do(["folder", str(folder)]) is None
    descriptor = judge.do(["make", str(new / "1")])
    assert descriptor is not None
    os.write(descriptor, b"kept")
    os.close(descriptor)
    judge.do(["move", str(new / "1"), str(kept)])
    assert kept.read_text() == "kept"
    judge.do(["remove", str(kept)])
    assert not kept.exists()
    assert refusal(judge, "remove", kept) == errno.ENOENT


def test_nothing_is_written_elsewhere(disk: Disk) -> None:
    judge = disk.judge()
    (disk.cache / "out").symlink_to(disk.root / "secret")
    (disk.cache / "up").symlink_to(disk.root)
    (disk.cache / "kept").write_text("kept")
    film = disk.films / "film.mp4"
    for words in (
        ("make", disk.films / "new"),
        ("make", disk.root / "secret"),
        ("make", disk.cache / "up" / "secret"),
        ("make", f"{disk.cache}/../secret"),
        ("make", disk.cache),
        ("move", disk.cache / "kept", disk.root / "kept"),
        ("move", film, disk.cache / "film"),
        ("remove", film),
        ("remove", disk.cache / "up" / "secret"),
        ("folder", disk.root / "new"),
        ("folder", disk.films / "new"),
        ("append", disk.root / "secret"),
        ("append", disk.films / "access.log"),
        ("chmod", disk.cache),
        ("move", disk.cache / "kept"),
    ):
        assert refusal(judge, *words) == errno.EACCES, words
    assert refusal(judge, "make", disk.cache / "out") == errno.ELOOP
    assert (disk.root / "secret").read_text() == "secret"
    assert film.read_text() == "film"


def test_the_log_of_requests_is_written_behind_what_is_there(disk: Disk) -> None:
    for _ in range(2):
        descriptor = disk.judge().do(["append", str(disk.log)])
        assert descriptor is not None
        os.write(descriptor, b"line\n")
        os.close(descriptor)
    assert disk.log.read_text() == "line\nline\n"


WORKER = """
import errno, json, os, socket, sys
from pathlib import Path
from media_streamer import cage, opening, system_files
runtime, films, cache, log, secret = map(Path, sys.argv[1:])
cage.enter(cage.Limits(places=[runtime]), listens=True)
found = {}
def attempt(name, work):
    try:
        found[name] = work()
    except OSError as error:
        found[name] = errno.errorcode.get(error.errno, str(error))
def listed(folder):
    with opening.listed(folder) as entries:
        return sorted((one.name, one.is_file()) for one in entries)
def keep():
    opening.make_folder(cache / "new")
    opening.make_folder(cache / "ab")
    for name in ("1", "2"):
        with os.fdopen(opening.make(cache / "new" / name), "wb") as file:
            file.write(b"kept")
    opening.move(cache / "new" / "1", cache / "ab" / "file")
    opening.remove(cache / "new" / "2")
    opening.remove(cache / "new" / "2")
def note():
    with os.fdopen(opening.append(log, 0o640), "wb") as file:
        file.write(b"line")
attempt("alone", lambda: opening.read_bytes(films / "film.mp4").decode())
opening.ask_in(runtime)
attempt("read", lambda: opening.read_bytes(films / "film.mp4").decode())
attempt("inherited", lambda: os.get_inheritable(opening.read(films / "film.mp4")))
attempt("listed", lambda: listed(films))
attempt("keep", keep)
attempt("note", note)
for name, path in {"secret": secret, "shadow": "/etc/shadow", "folder": secret.parent}.items():
    attempt(name, lambda: opening.read_bytes(path).decode())
attempt("made", lambda: opening.make(secret))
opening.ask_for_names()
attempt("usual", lambda: len(socket.getaddrinfo("127.0.0.1", 1)) > 0)
system_files.identities = lambda: {"/etc/resolv.conf": (1, 1)}
attempt("names", lambda: socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)[0][4])
attempt("wrong", lambda: socket.getaddrinfo("no..such..name", 80))
print(json.dumps(found))
"""


async def asked(disk: Disk, runtime: Path) -> dict[str, object]:
    """What a confined process gets."""
    words = (runtime, disk.films, disk.cache, disk.log, disk.root / "secret")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, *map(str, words),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    found: dict[str, object] = json.loads(out)
    return found


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "run"
    folder.mkdir()
    yield folder
    opening._door.clear()


@pytest.mark.skipif(not cage.version(), reason="this kernel has no Landlock")
async def test_a_confined_process_gets_what_is_configured(disk: Disk, runtime: Path) -> None:
    opener = Opener(runtime, lambda: disk.folders, lambda pid: pid != os.getpid(), disk.log)
    opener.start()
    try:
        found = await asked(disk, runtime)
    finally:
        opener.close()
    wrong = str(found.pop("wrong"))
    assert wrong not in ("EACCES", "[]"), "the words of the resolver"
    assert found == {
        "alone": "EACCES",
        "read": "film",
        "inherited": False,
        "listed": [["film.mp4", True]],
        "keep": None,
        "note": None,
        "secret": "EACCES",
        "shadow": "EACCES",
        "folder": "EACCES",
        "made": "EACCES",
        "usual": True,
        "names": ["127.0.0.1", 80],
    }
    assert (disk.cache / "ab" / "file").read_text() == "kept"
    assert not list((disk.cache / "new").iterdir())
    assert disk.log.read_text() == "line"


@pytest.mark.skipif(not cage.version(), reason="this kernel has no Landlock")
async def test_who_is_no_egress_worker_gets_nothing(
    disk: Disk, runtime: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Transcoders and media workers reach the socket, too."""
    opener = Opener(runtime, lambda: disk.folders, lambda _: False, disk.log)
    opener.start()
    try:
        found = await asked(disk, runtime)
    finally:
        opener.close()
    assert {found[name] for name in ("read", "listed", "keep", "note", "secret")} == {"EACCES"}
    assert "asks for files and is no egress worker" in caplog.text


async def test_a_worker_has_so_many_ways(
    disk: Disk, runtime: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opener = Opener(runtime, lambda: disk.folders, lambda _: True)
    opener.start()
    opening.ask_in(runtime)
    refused = PermissionError(errno.EACCES, "")
    ways = []
    try:
        for _ in range(MAX_WAYS):
            opening._own.way = None
            ways.append(opening._way())
        with pytest.raises(PermissionError):
            await asyncio.to_thread(opening._ask, refused, "read", disk.films)
        assert f"{MAX_WAYS} threads wait for files already" in caplog.text
        ways.pop()
        opening._own.way = None

        async def is_free() -> bool:
            return len(opener._ways) < MAX_WAYS

        await until(is_free, "there is room")
        text, descriptors = await asyncio.to_thread(opening._ask, refused, "read", disk.films)
        assert text == b"+"
        os.close(descriptors[0])
    finally:
        opener.close()


async def test_one_that_is_there_again_is_asked_again(disk: Disk, runtime: Path) -> None:
    """As after a supervisor was killed."""
    opening.ask_in(runtime)
    refused = PermissionError(errno.EACCES, "")
    loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1)

    def ask() -> None:
        os.close(opening._ask(refused, "read", disk.films)[1][0])

    first = Opener(runtime, lambda: disk.folders, lambda _: True)
    first.start()
    await loop.run_in_executor(thread, ask)
    first.close()
    waiting = loop.run_in_executor(thread, ask)
    second = Opener(runtime, lambda: disk.folders, lambda _: True)
    second.start()
    try:
        await asyncio.wait_for(waiting, 30)
    finally:
        second.close()
        thread.shutdown()
