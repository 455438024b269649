"""What workers are let use of what is configured."""

from pathlib import Path

import pytest
from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_streamer import folders
from media_streamer.supervisor.catalog import Catalog
from media_streamer.supervisor.readable import (
    WorkerFolders,
    input_folders,
    shows_files,
    vod_folders,
)

KEPT = [Path("/cache", name) for name in ("a", "b", "c")]
SPARED = (Path("/etc/flussonic"), Path("/var/lib/flussonic"))


def stream(**options: object) -> dict[str, object]:
    return {"name": "a", "inputs": [{"url": "fake://fake"}], **options}


@pytest.mark.parametrize(
    ("flag", "given"),
    [
        ("/srv/flags/a", "/srv/flags"),
        ("/etc/flussonic/flag", "/etc/flussonic/flag"),
        ("/etc/flag", "/etc/flag"),
        ("/flag", "/flag"),
        ("/var/flag", "/var/flag"),
        ("/root/flag", "/root/flag"),
        ("/home/me/flag", "/home/me"),
        ("/etc/flussonic/flags/a", "/etc/flussonic/flags"),
        ("relative/flag", None),
    ],
)
def test_the_folder_of_a_flag_is_given_unless_it_holds_secrets(
    flag: str, given: str | None
) -> None:
    inputs = [{"url": "fake://fake", "allow_if": flag}, {"url": "fake://other"}]
    config = StreamConfig.model_validate(stream(inputs=inputs))
    assert input_folders(config, SPARED) == ({Path(given)} if given else set())


def test_workers_are_told_of_all_that_is_configured(tmp_path: Path) -> None:
    vods = [
        {"prefix": "a", "storages": [{"url": "/srv/a"}, {"url": "s3://k:s@host/bucket"}]},
        {"prefix": "b", "storages": [{"url": "/srv/b"}], "disabled": True},
        {"prefix": "d", "storages": [{"url": "s3://k:s@host/d"}], "cache": {"path": "/cache/b"}},
    ]
    inputs = [{"url": "fake://fake", "deny_if": "/srv/flags/a"}]
    caches = [{"name": "c", "path": "/cache/c"}, {"name": "d", "path": "relative"}]
    own = stream(inputs=inputs, cache={"path": "/cache/a"})
    config = ServerConfig.model_validate({"vods": vods, "streams": [own], "caches": caches})
    assert vod_folders(config) == {Path("/srv/a")}
    catalog = Catalog()
    worker_folders = WorkerFolders(tmp_path, catalog, SPARED)
    worker_folders.streams_changed(catalog.set_config(config))
    worker_folders.tell([])
    assert folders.told(tmp_path, "media").read == [Path("/srv/a"), Path("/srv/flags")]
    served = folders.Folders(written=KEPT, read=[Path("/srv/a")])
    assert folders.told(tmp_path, "egress") == worker_folders.served() == served
    assert worker_folders.inputs_of("a") == {Path("/srv/flags")}
    worker_folders.streams_changed(catalog.set_config(ServerConfig()))
    worker_folders.tell([])
    assert folders.told(tmp_path, "media") == folders.Folders()
    assert folders.told(tmp_path, "egress") == worker_folders.served() == folders.Folders()


def test_what_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    config = {"vods": [{"prefix": "a", "storages": [{"url": "/srv/a"}]}]}
    catalog = Catalog()
    catalog.set_config(ServerConfig.model_validate(config))
    worker_folders = WorkerFolders(tmp_path / "later", catalog)
    for _ in range(2):
        worker_folders.tell([])
        assert worker_folders.served().read == [Path("/srv/a")]
        (tmp_path / "later").mkdir(exist_ok=True)
    assert folders.told(tmp_path / "later", "egress").read == [Path("/srv/a")]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, False),
        ({"inputs": [{"url": "fake://fake"}, {"url": "file://a/b.mp4"}]}, True),
        ({"inputs": [{"url": "sdp://a/b.sdp"}]}, True),
        ({"inputs": [{"url": "publish://"}], "backup": {"file": "a/b.mp4"}}, True),
    ],
)
def test_who_shows_files(options: dict[str, object], shown: bool) -> None:
    assert shows_files(StreamConfig.model_validate(stream(**options))) is shown
