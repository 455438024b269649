"""Files of another server's archive among our own."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from media_api.input import InputConfig
from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_streamer.archive import replica
from media_streamer.archive.declared import Declared, declared
from media_streamer.archive.erasing import Locked, before_erasing
from media_streamer.archive.gaps import MAX_SEGMENT_MS
from media_streamer.archive.library import Library
from media_streamer.archive.locks import write_locks
from media_streamer.archive.origin import origin_of
from media_streamer.archive.places import OWNER_FILE, files_between
from media_streamer.archive.ranges import Range
from media_streamer.archive.replica import ReplicaSource, install, part_path, read_left_out

from .conftest import SECONDS, START_MS, Recording

STEP_MS = SECONDS * 1000
Record = Callable[..., Recording]


def stream_of(root: Path, **more: Any) -> Declared:
    inputs = [{"url": "m4f://origin:8080/far/a", "cluster_key": "between-us"}]
    dvr = {"root": str(root), "dvr_replicate": True, **more.pop("dvr", {})}
    stream = StreamConfig.model_validate({"name": "a", "inputs": inputs, "dvr": dvr, **more})
    found = declared(stream, ServerConfig())
    assert found is not None
    return found


def source_of(root: Path, **more: Any) -> ReplicaSource:
    found = stream_of(root, **more).replica
    assert found is not None
    return found


@pytest.fixture
def source(tmp_path: Path) -> ReplicaSource:
    found = source_of(tmp_path / "here")
    found.place.disk.mkdir(parents=True)
    (found.place.disk / OWNER_FILE).touch()
    return found


def test_where_gaps_are_filled_from() -> None:
    found = source_of(Path("/srv"), dvr={"replication_port": 81, "replication_speed": 800})
    assert (found.base, found.stream, found.rate) == ("http://origin:81", "far/a", 100)
    assert found.place.folder == Path("/srv/.replicas/a")
    assert found.place in stream_of(Path("/srv")).places
    assert "between-us" not in repr(found)


@pytest.mark.parametrize(
    ("url", "base", "name"),
    [
        ("tshttp://o:81/far/a/mpegts", "http://o:81", "far/a"),
        ("hls://o/far/a/index.m3u8", "http://o", "far/a"),
        ("hlss2://o/a/tracks-v1a1/index.fmp4.m3u8?token=x", "https://o", "a"),
        ("hls://o/tracks-v1/index.m3u8", "http://o", "tracks-v1"),
    ],
)
def test_what_a_stream_is_called_there(url: str, base: str, name: str) -> None:
    found = origin_of(InputConfig(url=url))
    assert found is not None
    assert (found.base, found.stream) == (base, name)


@pytest.mark.parametrize("url", ["hls://o/index.m3u8", "hls://o/a.mp4", "tshttp://o/a/mpegts/b"])
def test_what_is_no_stream_of_a_server(url: str) -> None:
    assert origin_of(InputConfig(url=url)) is None


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"url": "udp://239.0.0.1:1"}, "no input is m4f"),
        ({"url": "m4f://origin/a"}, "from origin has no cluster_key"),
        ({"url": "hls://origin/a/index.m3u8"}, "from origin has no cluster_key"),
    ],
)
def test_why_they_are_not(item: dict[str, Any], words: str) -> None:
    found = stream_of(Path("/srv"), inputs=[item])
    assert found.replica is None
    assert words in found.replica_refused


def test_a_storage_asks_for_those_that_can() -> None:
    config = {"dvrs": [{"name": "s", "root": "/srv", "dvr_replicate": True}]}
    inputs = [[{"url": "fake://fake"}], [{"url": "m4s://o/a", "cluster_key": "between-us"}]]
    for given, is_filled in zip(inputs, (False, True), strict=True):
        stream = StreamConfig.model_validate(
            {"name": "a", "inputs": given, "dvr": {"reference": "s"}}
        )
        found = declared(stream, ServerConfig.model_validate(config))
        assert found is not None
        assert (found.replica is not None, found.replica_refused) == (is_filled, "")


def test_a_file_of_the_other_server_is_in_order_with_ours(
    record: Record, source: ReplicaSource, tmp_path: Path
) -> None:
    ours = record("here/a")
    ours.write(2)
    ours.count += 3
    ours.write(2)  # the same file goes on
    theirs = record("there")
    theirs.write(7)
    (file,) = files_between(theirs.folder)
    gap = Range(START_MS, START_MS + 7 * STEP_MS)
    part = part_path(source)
    shutil.copy(file.path, part)
    places = stream_of(tmp_path / "here").places
    found = install(part, source, gap, places)
    assert (found.segments, found.duration_ms) == (7, 7 * STEP_MS)
    assert not part.exists()
    entries = Library().entries(places, 0, 2**50)
    assert [one.group.start_ms - START_MS for one in entries] == [n * STEP_MS for n in range(7)]
    assert not any(one.broken for one in entries[:2])
    assert Library().ranges(places) == [gap]


def test_what_is_no_whole_answer_is_not_put_there(record: Record, source: ReplicaSource) -> None:
    theirs = record("there")
    theirs.write(3)
    (file,) = files_between(theirs.folder)
    whole = file.path.read_bytes()
    gap = Range(START_MS, START_MS + 3 * STEP_MS)
    for data, wanted in (
        (b"", gap),
        (whole[:-1], gap),
        (whole[:100], gap),
        (whole + b"more", gap),
        (b"\0" * 1000, gap),
        (whole, Range(START_MS + 2 * STEP_MS, START_MS + 9 * STEP_MS)),
    ):
        part = part_path(source)
        part.write_bytes(data)
        with pytest.raises(ValueError, match=r"no file|no whole file|not asked for"):
            install(part, source, wanted, [source.place])
    assert files_between(source.place.folder) == []


def test_two_files_of_one_moment(record: Record, source: ReplicaSource) -> None:
    theirs = record("there")
    theirs.write(1)
    (file,) = files_between(theirs.folder)
    for _ in range(2):
        part = part_path(source)
        shutil.copy(file.path, part)
        install(part, source, Range(START_MS, START_MS + STEP_MS), [source.place])
    found = files_between(source.place.folder)
    assert [one.start_ms for one in found] == [START_MS, START_MS + 1]
    (again,) = {one.groups for one in map(Library().content, found) if one is not None}
    assert len(again) == 1


def test_nothing_is_written_where_the_disk_is_away_or_full(
    source: ReplicaSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "ROOM_BYTES", 2**60)
    monkeypatch.setattr(replica, "ROOM_SHARE", 1)
    with pytest.raises(OSError, match="is full"):
        part_path(source)
    (source.place.disk / OWNER_FILE).unlink()
    with pytest.raises(FileNotFoundError, match="is it mounted"):
        part_path(source)


def test_what_is_deleted_does_not_come_back(tmp_path: Path) -> None:
    one = stream_of(tmp_path)
    assert one.replica is not None
    folder = one.replica.place.folder
    wanted = Range(START_MS, START_MS + 1000)
    write_locks(one.folder, [wanted])
    with pytest.raises(Locked):
        before_erasing(one, wanted)
    assert read_left_out(folder) == []
    before_erasing(one, Range(START_MS + 5000, START_MS + 9000))
    assert read_left_out(folder) == [
        Range(START_MS + 5000 - MAX_SEGMENT_MS, START_MS + 9000 + MAX_SEGMENT_MS)
    ]
    (folder / replica.LEFT_OUT_FILE).write_text("[1]")
    with pytest.raises(ValueError, match="cannot be read"):
        read_left_out(folder)
