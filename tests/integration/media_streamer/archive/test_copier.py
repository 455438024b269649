"""Copies of an archive in a real S3 server, without a streamer."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pytest
from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_streamer.archive import bucket_owner
from media_streamer.archive.copied import opened
from media_streamer.archive.copier import Copier, CopyFigures
from media_streamer.archive.copy_target import copy_target
from media_streamer.archive.declared import Declared, declared
from media_streamer.archive.keeper import keep_limits
from media_streamer.archive.library import Library
from media_streamer.archive.locks import write_locks
from media_streamer.archive.mirror import Mirror
from media_streamer.archive.places import OWNER_FILE, index_path
from media_streamer.archive.ranges import Range
from media_streamer.archive.shelf import Shelf
from media_streamer.s3 import bucket

from tests.support.recordings import SECONDS, START_MS, Recording
from tests.support.s3_server import S3Server, s3_server

pytestmark = pytest.mark.timeout(900)  # the server of the test is built the first time

STREAM = "a b/odd näme #1?%41~[x]+&'"
HOUR_MS = 3_600_000


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"waited for: {what}"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3") / "root") as server:
        yield server


@dataclass
class Archive:
    """Files of an archive of the past, and its bucket."""

    root: Path
    bucket: Path
    recording: Recording
    declared: Declared

    def record(self, *starts: int, segments: int = 3) -> None:
        """A file for each of these moments."""
        for start_ms in starts:
            self.recording.restart(start_ms)
            self.recording.write(segments)
        self.recording.shelf.close()

    @contextmanager
    def copying(self, host: str = "host1", takeover: float = 300.0) -> Iterator[Copier]:
        """Somebody copies."""
        copy = self.declared.copy
        assert copy is not None
        copier = Copier(copy.address, host, takeover)
        copier.set_streams({STREAM: self.declared})
        self.look(copier)
        try:
            yield copier
        finally:
            copier.close(30)

    def look(self, copier: Copier) -> None:
        """What the disk holds is told."""
        found = keep_limits(self.root, {STREAM: self.declared}, int(time.time() * 1000))
        copier.set_local(self.root, found.files)

    def media(self) -> dict[str, bytes]:
        """Of the bucket."""
        found = sorted((self.bucket / "of us").rglob("*.mp4"))
        return {str(one.relative_to(self.bucket / "of us")): one.read_bytes() for one in found}

    def files(self) -> dict[str, bytes]:
        """Of the disk."""
        folder = self.declared.folder
        found = sorted(folder.rglob("*.mp4"))
        return {str(one.relative_to(self.root)): one.read_bytes() for one in found}

    def forget(self) -> None:
        """The disk has them no more."""
        for one in self.declared.folder.rglob("*.mp4"):
            one.unlink()
            index_path(one).unlink()

    def segments(self) -> list[tuple[int, bytes]]:
        """What can be read, wherever it is."""
        found = []
        for group, content, _ in Library().entries(self.declared.places, 0, 2**50):
            with opened(content.file.path, content.copied) as read:
                found.append((group.start_ms, read(group.offset, group.size)))
        return found


@pytest.fixture
def archive(s3: S3Server, tmp_path: Path) -> Archive:
    name = f"bucket-{abs(hash(str(tmp_path))) % 10**9}"
    return made(s3, tmp_path, name)


def made(s3: S3Server, root: Path, name: str, options: str = "") -> Archive:
    bucket = s3.bucket(name)
    (root / OWNER_FILE).touch()
    config = StreamConfig.model_construct(name=STREAM)
    config.dvr = StreamConfig.model_validate(
        {"name": "x", "dvr": {"root": str(root), "copy": s3.url(f"{name}/of%20us{options}")}}
    ).dvr
    found = declared(config, ServerConfig())
    assert found is not None
    assert found.copy is not None
    recording = Recording(root, Shelf(STREAM, root, found.folder, found.span_ms))
    return Archive(root, bucket, recording, found)


def figures(copier: Copier) -> CopyFigures:
    found = copier.figures(STREAM)
    assert found is not None
    return found


def copied(copier: Copier, files: int) -> None:
    until(lambda: figures(copier).stored_files == files and not copier.problem, f"{files} files")


def test_finished_files_are_copied_and_played_from_there(archive: Archive) -> None:
    now_ms = int(time.time() * 1000)
    archive.record(START_MS, START_MS + HOUR_MS, now_ms - 5000)
    before, disk = archive.segments(), archive.files()
    with archive.copying() as copier:
        copied(copier, 2)
        assert figures(copier).waiting_files == 0
    assert list(archive.media()) == list(disk)[:2]  # the newest is still written to
    assert all(disk[name] == data for name, data in archive.media().items())
    assert archive.segments() == before
    stamps = {one: one.stat().st_mtime_ns for one in archive.bucket.rglob("*.mp4")}
    archive.forget()
    assert archive.segments() == before[:6]
    assert Library().ranges(archive.declared.places)[0].from_ms == START_MS
    # Nothing is copied twice, and what the bucket holds is known again from the bucket.
    for one in archive.root.glob(".remote/*/*/**/*.idx"):
        one.unlink()
    assert archive.segments() == []
    with archive.copying() as copier:
        copied(copier, 2)
        until(lambda: archive.segments() == before[:6], "the indexes are here again")
        assert figures(copier).files == 0
    assert {one: one.stat().st_mtime_ns for one in archive.bucket.rglob("*.mp4")} == stamps


def test_a_storage_that_is_away_delays_the_copies(
    archive: Archive, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "READ_SECONDS", 1)
    archive.record(START_MS)
    s3.stop()
    with archive.copying() as copier:
        until(lambda: "not reached" in copier.problem, "that is said")
        archive.record(START_MS + HOUR_MS)
        archive.look(copier)
        s3.start()
        copied(copier, 2)
        s3.suspend(signal.SIGSTOP)
        try:
            archive.record(START_MS + 2 * HOUR_MS)
            archive.look(copier)
            until(lambda: "in time" in copier.problem, "that it does not answer")
        finally:
            s3.suspend(signal.SIGCONT)
        copied(copier, 3)
    assert archive.media() == archive.files()


@pytest.mark.parametrize(
    ("key", "secret", "name", "words"),
    [
        ("testkey", "not/it", "bucket-x", "the secret is wrong"),
        ("nobody", "any", "bucket-x", "the key is unknown"),
        (None, None, "missing", "no such bucket"),
    ],
)
def test_what_is_wrong_is_said(
    s3: S3Server, tmp_path: Path, key: str | None, secret: str | None, name: str, words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    s3.bucket("bucket-x")
    url = s3.url(name) if key is None or secret is None else s3.url(name, key=key, secret=secret)
    archive = made(s3, tmp_path, "bucket-x")
    archive.declared = replaced(archive.declared, url)
    archive.record(START_MS)
    with archive.copying() as copier:
        until(lambda: words in copier.problem, words)
        assert "not/it" not in copier.problem + caplog.text
    assert archive.segments()  # it is played from the disk all the same


def replaced(one: Declared, url: str) -> Declared:
    return replace(one, copy=copy_target(url))


def test_one_server_a_bucket(archive: Archive, s3: S3Server, tmp_path: Path) -> None:
    archive.record(START_MS)
    (tmp_path / "second").mkdir()
    second = made(s3, tmp_path / "second", archive.bucket.name)
    second.record(START_MS + HOUR_MS)
    with archive.copying("first") as copier:
        copied(copier, 1)
        with second.copying("second") as other:
            until(lambda: "another server copies there (first)" in other.problem, "a refusal")
            assert len(archive.media()) == 1
        # One that died is replaced once it has been silent for long enough.
        with second.copying("second", takeover=0.5) as other:
            copied(other, 2)
    with archive.copying("first") as copier:  # the other one has gone in order
        copied(copier, 2)


def test_a_file_that_takes_long_does_not_look_like_silence(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_owner, "HEARTBEAT_SECONDS", 0.1)
    archive = made(s3, tmp_path, "bucket-slow", "?rate=500K")
    archive.recording.shelf.write(archive.recording.job(payload=bytes(30_000_000)))
    archive.recording.shelf.close()
    said = archive.bucket / "of us" / bucket_owner.OWNER_KEY
    with archive.copying():
        until(lambda: any(archive.bucket.rglob("*.idx")), "the file is on its way")
        first = said.stat().st_mtime_ns
        until(lambda: said.stat().st_mtime_ns != first, "the owner says that it lives")
        assert archive.media() == {}


def test_what_is_deleted_goes_from_the_bucket_too(archive: Archive) -> None:
    archive.record(START_MS, START_MS + HOUR_MS, segments=4)
    before = archive.segments()
    with archive.copying() as copier:
        copied(copier, 2)
        archive.forget()
        archive.look(copier)
        copy = archive.declared.copy
        assert copy is not None
        mirror = Mirror(copy.mirror(archive.root))
        second_ms = START_MS + SECONDS * 1000
        assert mirror.erase(STREAM, Range(second_ms + 1, second_ms + 2), HOUR_MS) == 1
        assert mirror.erase(STREAM, Range(START_MS + HOUR_MS, START_MS + 2 * HOUR_MS), HOUR_MS) == 4
        assert archive.segments() == [before[0], *before[2:4]]
        copier.wake()
        until(lambda: not mirror.to_erase(), "it is erased there")
    (data,) = archive.media().values()
    assert before[1][1][-8:] not in data or before[1][1] not in data
    assert before[2][1] in data
    assert archive.segments() == [before[0], *before[2:4]]


def test_limits_of_the_bucket(s3: S3Server, tmp_path: Path) -> None:
    archive = made(s3, tmp_path, "bucket-limits", "?rate=10M")
    now_ms = int(time.time() * 1000)
    archive.record(START_MS, START_MS + HOUR_MS, now_ms - HOUR_MS // 2, now_ms)
    write_locks(archive.declared.folder, [Range(START_MS, START_MS + 1)])
    with archive.copying() as copier:
        copied(copier, 3)
    archive.declared = replaced(archive.declared, s3.url("bucket-limits/of%20us?expiration=1h"))

    def kept() -> list[int]:
        return sorted(one.start_ms for one in Mirror(mirror_of(archive)).files(STREAM))

    with archive.copying() as copier:  # what is on the disk is not copied again
        until(lambda: copier.asks == {STREAM}, "somebody is asked what episodes keep")
        assert len(archive.media()) == 3
        copier.keep({STREAM: [Range(START_MS + HOUR_MS, START_MS + HOUR_MS + 1)]})
        until(lambda: not copier.asks, "it was heeded")
        assert len(kept()) == 3
        copier._kept_at = -1e9
        copier.wake()
        until(lambda: bool(copier.asks), "what was said holds once")
        copier.keep({STREAM: []})
        copied(copier, 2)
        assert figures(copier).files == 0
    assert len(archive.media()) == 2
    assert kept() == [START_MS, now_ms - HOUR_MS // 2]


def mirror_of(archive: Archive) -> Path:
    copy = archive.declared.copy
    assert copy is not None
    return copy.mirror(archive.root)


def test_odd_names_are_names(archive: Archive) -> None:
    archive.record(START_MS)
    with archive.copying() as copier:
        copied(copier, 1)
    (name,) = archive.media()
    assert name.startswith(f"{STREAM}/2023/11/14/22/")
    assert quote(STREAM) not in name
