import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_streamer import folders
from media_streamer.archive.claiming import NotOurs, claim
from media_streamer.archive.declared import NoArchive, declared
from media_streamer.archive.keeper import keep_limits
from media_streamer.archive.places import HOUR_MS, file_path, files_between, index_path
from media_streamer.folders import Folders
from media_streamer.supervisor import archive_root
from media_streamer.supervisor.archive_errors import ArchiveError
from media_streamer.supervisor.archives import Archives
from media_streamer.supervisor.catalog import Catalog
from media_streamer.supervisor.readable import WorkerFolders
from media_streamer.supervisor.tasks import Tasks
from media_streamer.wire.control import ArchivePlace


def server(*streams: dict[str, Any], **more: Any) -> ServerConfig:
    return ServerConfig.model_validate({"streams": list(streams), **more})


def test_a_stream_says_more_than_its_storage() -> None:
    config = server(dvrs=[{"name": "s", "root": "/srv", "expiration": 60, "storage_limit": 5}])
    stream = StreamConfig.model_validate(
        {"name": "a/b", "dvr": {"reference": "s", "expiration": 3600}}
    )
    found = declared(stream, config)
    assert found is not None
    assert found.folder == Path("/srv/a/b")
    assert (found.limits.expiration_seconds, found.limits.size_bytes) == (3600, 5)
    assert found.records


@pytest.mark.parametrize(
    ("dvr", "words"),
    [
        ({"reference": "none"}, "no storage"),
        ({"root": "s3://key:secret@host/bucket"}, "no absolute path"),
        ({"root": "storage"}, "no absolute path"),
        ({"reference": "disks"}, "no disk of the storage 'disks' is in mode normal"),
    ],
)
def test_what_cannot_be_recorded_is_said(dvr: dict[str, Any], words: str) -> None:
    config = server(
        dvrs=[{"name": "disks", "root": "/srv", "disks": [{"path": "d", "mode": "keep"}]}]
    )
    stream = StreamConfig.model_validate({"name": "a", "dvr": dvr})
    with pytest.raises(NoArchive, match=words) as raised:
        declared(stream, config)
    assert "secret" not in str(raised.value)


def test_a_storage_of_disks() -> None:
    disks = [{"path": "d1"}, {"path": "/mnt/d2"}, {"path": "old", "mode": "readonly"},
             {"path": "dead", "mode": "abandon"}]  # fmt: skip
    storage = {"name": "s", "root": "/srv", "disks": disks, "active": 1, "check_mount": True}
    stream = StreamConfig.model_validate({"name": "a", "dvr": {"reference": "s"}})
    found = declared(stream, server(dvrs=[storage]))
    assert found is not None
    assert [str(one.folder) for one in found.places] == [
        "/srv/a", "/srv/d1/a", "/mnt/d2/a", "/srv/old/a",
    ]  # fmt: skip
    assert found.writable == (Path("/srv/d1"), Path("/mnt/d2"))
    assert found.mounts == {Path("/srv/d1"), Path("/mnt/d2"), Path("/srv/old")}
    assert found.active == 1


async def rows_of_disks(archives: Archives, root: Path) -> None:
    """Once the threads of the disks have looked at them."""
    for _ in range(600):
        archives.tick(time.monotonic() + 60)
        rows = {row["path"]: row for row in archives.disks()}
        if rows.get(str(root / "d1"), {}).get("total_mb"):
            break
        await asyncio.sleep(0.05)
    row = rows[str(root / "d1")]
    assert (row["dvr_streams"], row["dvr_bytes"], row["dvr_depth"]) == (0, 0, 0)
    assert "error" not in row
    assert rows[str(root / "file")]["error"]


async def test_disks_that_are_ours_are_recorded_on(tmp_path: Path) -> None:
    catalog, tasks = Catalog(), Tasks()
    archives = Archives(catalog, tasks, lambda: "host1", WorkerFolders(tmp_path, catalog))
    (tmp_path / "file").touch()
    disks = [{"path": name} for name in ("d1", "file", "d3")]
    storage: dict[str, Any] = {"name": "s", "root": str(tmp_path), "disks": disks}
    config = server({"name": "a", "dvr": {"reference": "s"}}, dvrs=[storage])
    archives.streams_changed(catalog.set_config(config))
    place: ArchivePlace | None = None
    for _ in range(600):
        archives.tick(0.0)
        place = archives.place("a")
        if place is not None and len(place.disks) == 2 and archives.alerts():
            break
        await asyncio.sleep(0.05)
    assert place is not None
    assert place.disks == (str(tmp_path / "d1"), str(tmp_path / "d3"))
    assert f"dvr_{tmp_path / 'file'}" in archives.alerts()
    assert archives.statistics(catalog.streams["a"]).get("dvr_write") is None
    disks = sorted(tmp_path / one for one in ("d1", "d3", "file"))
    assert folders.told(tmp_path, "media") == Folders(disks, [tmp_path]), "its root is read"
    await rows_of_disks(archives, tmp_path)
    await archives.erase("a", 0, 2**40)
    assert await archives.ranges("a") == []
    storage["active"] = 1
    archives.streams_changed(catalog.set_config(
        server({"name": "a", "dvr": {"reference": "s"}}, dvrs=[storage])))  # fmt: skip
    archives.configured()
    now = archives.place("a")
    assert now is not None
    assert now.disks == (str(tmp_path / "d1"),)
    archives.close()
    await tasks.close()


def test_a_disk_that_is_not_mounted_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(NotOurs, match="no disk is mounted"):
        claim(tmp_path / "d", "first", must_be_mounted=True)
    assert not (tmp_path / "d").exists()


def test_offline_and_disabled_streams_are_only_read() -> None:
    for more in ({"disabled": True}, {"dvr": {"root": "/d", "dvr_offline": True}}):
        stream = StreamConfig.model_validate({"name": "a", "dvr": {"root": "/d"}, **more})
        found = declared(stream, server())
        assert found is not None
        assert not found.records
    assert declared(StreamConfig(name="a"), server()) is None


def test_one_server_a_folder(tmp_path: Path) -> None:
    descriptor = claim(tmp_path / "new", "first (process 1)")
    assert descriptor >= 0
    with pytest.raises(NotOurs, match=r"another server records there: first \(process 1\)"):
        claim(tmp_path / "new", "second")


def test_limits_delete_files_with_their_index_and_empty_folders(tmp_path: Path) -> None:
    now = 1_700_000_000_000
    stream = StreamConfig.model_validate(
        {"name": "a", "dvr": {"root": str(tmp_path), "expiration": 2 * 3600}}
    )
    one = declared(stream, server())
    assert one is not None
    for hour in range(6):
        path = file_path(one.folder, now - hour * HOUR_MS)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * 10)
        index_path(path).write_bytes(b"x")
    summaries = keep_limits(tmp_path, {"a": one}, now).summaries
    left = files_between(one.folder)
    assert [(now - file.start_ms) // HOUR_MS for file in left] == [2, 1, 0]
    assert len([path for path in one.folder.rglob("*") if path.is_dir()]) <= 7
    assert summaries["a"].as_json() == {
        "from": (now - 2 * HOUR_MS) // 1000, "depth": 7200, "ranges": [], "duration": 0,
        "bytes": 33, "disk_size": 33,
    }  # fmt: skip
    (one.folder / "locks.json").write_text("no json")
    with pytest.raises(ValueError, match="Expecting"):
        keep_limits(tmp_path, {"a": one}, now + 100 * HOUR_MS)  # nothing may be deleted then


async def on_schedule(archives: Archives, catalog: Catalog, root: str) -> None:
    """Not now: the schedule begins in some hours, and then it is everything."""
    hour = int(time.time() // 3600 + 3) % 24
    for schedule, recorded in (([[100 * hour, 100 * hour + 1]], False), ([[0, 2400]], True)):
        dvr = {"root": root, "schedule": schedule}
        archives.streams_changed(catalog.set_config(server({"name": "a", "dvr": dvr})))
        archives.tick(0.0)
        assert (archives.place("a") is not None) is recorded


async def test_a_stream_is_recorded_once_its_folder_is_ours(tmp_path: Path) -> None:
    catalog, tasks = Catalog(), Tasks()
    archives = Archives(catalog, tasks, lambda: "host1", WorkerFolders(tmp_path, catalog))
    root = tmp_path / "archive"
    changes = catalog.set_config(server({"name": "a", "dvr": {"root": str(root)}}))
    archives.streams_changed(changes)
    assert archives.place("a") is None
    assert folders.told(tmp_path, "media") == Folders(
        [root], []
    )  # a media worker that starts may write there
    told: set[str] = set()
    for _ in range(600):
        told |= archives.tick(0.0)
        if told:
            break
        await asyncio.sleep(0.05)
    assert told == {"a"}
    assert archives.place("a") == ArchivePlace((str(root),), HOUR_MS)
    await on_schedule(archives, catalog, str(root))
    await archives.lock("a", 100, 10)
    assert [one.as_json()["from"] for one in await archives.locks("a")] == [100]
    assert await archives.ranges("a") == []
    with pytest.raises(ArchiveError, match="no archive"):
        await archives.ranges("b")
    second = Archives(catalog, tasks, lambda: "host2", WorkerFolders(tmp_path, catalog))
    second.streams_changed(changes)
    for _ in range(600):
        second.tick(0.0)
        if second.alerts():
            break
        await asyncio.sleep(0.05)
    assert "another server records there: host1" in str(second.alerts())
    assert second.place("a") is None
    archives.streams_changed(catalog.set_config(server()))
    archives.tick(0.0)
    assert archives.place("a") is None
    archives.close()
    second.close()
    await tasks.close()


async def ticked(archives: Archives, condition: Callable[[], object]) -> None:
    """It is always time to look at limits."""
    for _ in range(1200):
        archives.tick(time.monotonic() + 3600)
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(archives.alerts())


async def test_a_disk_that_hangs_is_said_and_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads the locks of `a` waits, as for a disk that does not answer."""
    monkeypatch.setattr(archive_root, "ANSWER_SECONDS", 0.2)
    catalog, tasks = Catalog(), Tasks()
    archives = Archives(catalog, tasks, lambda: "host1", WorkerFolders(tmp_path, catalog))
    streams = [{"name": name, "dvr": {"root": str(tmp_path / name)}} for name in "ab"]
    archives.streams_changed(catalog.set_config(server(*streams)))
    await ticked(archives, lambda: all(archives.place(name) for name in "ab"))
    folder = archives.folder("a")
    assert folder is not None
    path = file_path(folder, 1_700_000_000_000)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    os.mkfifo(folder / "locks.json")
    hung = f"dvr_{tmp_path / 'a'}"
    try:
        await ticked(archives, lambda: "does not answer" in archives.alerts().get(hung, ""))
        with pytest.raises(ArchiveError, match="does not answer"):
            await archives.locks("a")
        assert await archives.locks("b") == []
        assert archives.alerts().keys() == {hung}
        told = {row["path"]: row.get("error") for row in archives.disks()}
        assert told == {str(tmp_path / "a"): "the disk does not answer", str(tmp_path / "b"): None}
    finally:
        (folder / "locks.json").rename(folder / "was")
        os.close(os.open(folder / "was", os.O_WRONLY | os.O_NONBLOCK))
    await ticked(archives, lambda: not archives.alerts())
    assert path.exists()
    archives.close()
    await tasks.close()


async def test_a_disk_in_place_of_another_one_is_seen_soon_however_large_the_archive_is(
    tmp_path: Path,
) -> None:
    """And nobody records there before it is ours: another server may have claimed it."""
    catalog, tasks = Catalog(), Tasks()
    archives = Archives(catalog, tasks, lambda: "host1", WorkerFolders(tmp_path, catalog))
    root = tmp_path / "archive"
    archives.streams_changed(catalog.set_config(server({"name": "a", "dvr": {"root": str(root)}})))
    await ticked(archives, lambda: archives.place("a"))
    await ticked(archives, archives.disks)
    now, known = time.monotonic(), archives._roots[root]
    while known.is_busy:  # noqa: ASYNC110 - its threads end it
        await asyncio.sleep(0.01)
    known.took, known.looked_at, known.due = 60.0, now, now + 6000
    root.rename(tmp_path / "old")
    other, known.mount = claim(root, "host2"), None
    told: set[str] = set()
    catalog.streams["a"].stats["dvr_write"] = {"error": "no such folder"}
    for _ in range(600):
        told |= archives.tick(now + 5)
        if archives.place("a") is None:
            break
        await asyncio.sleep(0.05)
    told |= archives.tick(now)
    assert archives.place("a") is None
    assert told == {"a"}, "its worker stops"
    await ticked(archives, lambda: "another server records there" in str(archives.alerts()))
    os.close(other)
    archives.close()
    await tasks.close()
