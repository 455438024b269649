"""Films of an archive: whole or not there, and remembered."""

import os
import threading
from pathlib import Path

import pytest
from media_streamer.archive.exports import (
    Cancelled,
    ExportJob,
    film_path,
    make_film,
    read_jobs,
    remove_film,
    write_jobs,
)
from media_streamer.archive.film import OtherTracks
from media_streamer.archive.library import Library
from media_streamer.archive.shelf import Section
from media_streamer.syntax.boxes import boxes

from .conftest import START_MS, VIDEO, Recording, track_init


def job(**fields: object) -> ExportJob:
    given = {"name": "film", "stream": "a/b", "from_ms": 0, "to_ms": 2**50, "created_at": 1}
    return ExportJob(**{**given, **fields})  # type: ignore[arg-type]  # test shorthand


def make(recording: Recording, wanted: ExportJob, stop: threading.Event | None = None) -> Path:
    stop = stop or threading.Event()
    make_film(recording.root, recording.folder, wanted, Library(), stop)
    return film_path(recording.root, wanted)


def leftovers(recording: Recording) -> list[Path]:
    return [path for path in (recording.root / ".exports").rglob("*") if path.is_file()]


def test_a_film_is_what_was_said(recording: Recording) -> None:
    recording.write(3)
    recording.restart(START_MS + 3_600_000)
    recording.write(2)
    wanted = job()
    path = make(recording, wanted)
    data = path.read_bytes()
    assert len(data) == wanted.size == wanted.bytes
    assert path == recording.root / ".exports/a/b/film.mp4"
    assert [kind for kind, _, _ in boxes(data)].count(b"moof") == 10
    remove_film(recording.root, wanted)
    assert not (recording.root / ".exports/a").exists()


def test_nothing_stays_of_what_cannot_be_made(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="nothing is recorded"):
        make(recording, job())
    recording.write(2)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        make(recording, job(), stop)
    monkeypatch.setattr("media_streamer.archive.exports.SPARE_BYTES", 2**60)
    monkeypatch.setattr("media_streamer.archive.exports.SPARE_PART", 1)
    with pytest.raises(ValueError, match="no room"):
        make(recording, job())
    monkeypatch.undo()
    library = Library()
    entries = library.entries(recording.folder, 0, 2**50)
    monkeypatch.setattr(library, "entries", lambda *_: entries)
    (file,) = recording.folder.rglob("*.mp4")
    os.truncate(file, file.stat().st_size - 5)  # cut while it is read
    with pytest.raises(OSError, match="shorter"):
        make_film(recording.root, recording.folder, job(), library, threading.Event())
    assert leftovers(recording) == []


def test_other_tracks_are_another_film(recording: Recording) -> None:
    recording.write(2)
    recording.write(2, Section((VIDEO,), (track_init(90_000, rate=1),)))
    with pytest.raises(OtherTracks, match="from there on"):
        make(recording, job())
    first = make(recording, job(to_ms=START_MS + 5000))
    assert first.exists()


def test_jobs_outlive_the_server_and_what_was_under_way_has_failed(tmp_path: Path) -> None:
    assert read_jobs(tmp_path) == []
    done, running = job(name="x", status="done"), job(name="y", status="running")
    write_jobs(tmp_path, [done, running])
    part = film_path(tmp_path, running)
    part.parent.mkdir(parents=True)
    part.with_name("y.mp4.part").write_bytes(b"half")
    first, second = read_jobs(tmp_path)
    assert first == done
    assert (second.status, bool(second.error)) == ("failed", True)
    assert list(part.parent.iterdir()) == []
    (tmp_path / ".exports/jobs.json").write_text("{")
    with pytest.raises(ValueError, match=r"."):
        read_jobs(tmp_path)
