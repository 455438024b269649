"""kill -9 at every moment of a write: what was acknowledged is there, and recording goes on.

A child records segments and tells of each once it was written. It is killed before its first system
call on the disk, before its second, and so on up to its last one, and in the middle of each write.
"""

import hashlib
import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from media_streamer.archive.container import Group
from media_streamer.archive.library import Library, read_file
from media_streamer.archive.places import MAX_SPAN_MS, OWNER_FILE, RecordedFile, files_between
from media_streamer.archive.shelf import Shelf

from .conftest import SECONDS, START_MS, Recording

SEGMENTS = 4
PAYLOAD = b"picture" * 400
CALLS = ("open", "mkdir", "write", "writev", "ftruncate", "truncate", "close", "fdatasync")


def recording_of(root: Path) -> Recording:
    root.mkdir(exist_ok=True)
    (root / OWNER_FILE).touch()
    return Recording(root, Shelf("a", root, root / "a", MAX_SPAN_MS))


def payload(number: int) -> bytes:
    return b"%d" % number + PAYLOAD


def record(root: Path, told: int, last: int, half: bool) -> None:
    """In the child: killed before call number `last` on the disk, or once it has done half."""
    recording, left = recording_of(root), last
    jobs = [recording.job(payload=payload(n)) for n in range(SEGMENTS)]
    for job in jobs:
        job.load()

    def killing(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            nonlocal left
            left -= 1
            if left:
                return real(*arguments, **more)
            if half and name == "write":
                real(arguments[0], arguments[1][: len(arguments[1]) // 2])
            if half and name == "writev":
                whole = b"".join(arguments[1])
                os.pwrite(arguments[0], whole[: len(whole) // 2], os.fstat(arguments[0]).st_size)
            os.kill(os.getpid(), signal.SIGKILL)
            return None

        return call

    write = os.write
    for name in CALLS:
        setattr(os, name, killing(name, getattr(os, name)))
    for number, job in enumerate(jobs):
        assert recording.shelf.write(job)
        recording.shelf.sync()
        write(told, bytes((number,)))
    recording.shelf.close()


def killed_at(root: Path, call: int, *, half: bool) -> tuple[int, bool]:
    """How many segments the child has acknowledged, and whether it was killed."""
    reading, told = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it does nothing but these calls
        pid = os.fork()
    if not pid:
        try:
            record(root, told, call, half)
        finally:
            os._exit(0)
    os.close(told)
    try:
        acknowledged = len(os.read(reading, 100)) if _ended(pid) else 0
        return acknowledged, os.WTERMSIG(_status[pid]) == signal.SIGKILL
    finally:
        os.close(reading)


_status: dict[int, int] = {}


def _ended(pid: int) -> bool:
    _status[pid] = os.waitpid(pid, 0)[1]
    return True


def digests(root: Path, groups: list[Group]) -> list[str]:
    (file,) = files_between(root / "a")[:1]
    data = file.path.read_bytes()
    return [hashlib.sha256(data[g.offset : g.offset + g.size]).hexdigest() for g in groups]


@pytest.mark.parametrize("half", [False, True])
def test_what_was_acknowledged_is_there(tmp_path: Path, half: bool) -> None:
    whole = recording_of(tmp_path / "whole")
    for number in range(SEGMENTS):
        whole.shelf.write(whole.job(payload=payload(number)))
    whole.shelf.close()
    all_groups = [one.group for one in Library().entries(whole.folder, 0, 2**50)]
    written = digests(tmp_path / "whole", all_groups)
    call, killed, moments = 0, True, set()
    while killed:
        call += 1
        root = tmp_path / f"killed-{call}"
        acknowledged, killed = killed_at(root, call, half=half)
        moments.add(acknowledged)
        left = [one.group for one in Library().entries(root / "a", 0, 2**50)]
        assert len(left) >= acknowledged, f"call {call}: {acknowledged} were acknowledged"
        if left:
            assert digests(root, left) == written[: len(left)]
        after = recording_of(root)
        after.period_ms = START_MS + 60_000
        after.shelf.write(after.job(payload=b"after"))
        after.shelf.close()
        starts = [one.group.start_ms for one in Library().entries(root / "a", 0, 2**50)]
        assert starts == [*(one.start_ms for one in left), START_MS + 60_000]
        for file in files_between(root / "a"):
            ends_whole(file)
    assert moments == set(range(SEGMENTS + 1))
    assert call > 4 * SEGMENTS


def ends_whole(file: RecordedFile) -> None:
    """One that was killed before its head was written is none, and passed over."""
    try:
        content = read_file(file, file.path.stat().st_size)
    except ValueError:
        return
    end = content.head.size
    for group in content.groups:
        assert group.end_ms - group.start_ms == SECONDS * 1000
        end = group.offset + group.size
    assert end == content.size
