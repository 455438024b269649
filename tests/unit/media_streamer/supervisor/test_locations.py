"""Files as streams that are made for a moment."""

from pathlib import Path

import pytest
from media_api.server import ServerConfig
from media_streamer.supervisor.delivery import delivery_config
from media_streamer.supervisor.locations import (
    Locations,
    changed_locations,
    file_stream,
    is_ts_file,
    location_of,
)

from tests.support.ports import free_port


def config(*vods: dict[str, object]) -> ServerConfig:
    return ServerConfig.model_validate({"vods": list(vods)})


def test_the_longest_prefix_has_the_file() -> None:
    server = config(
        {"prefix": "films"}, {"prefix": "films/new"}, {"prefix": "off", "disabled": True}
    )
    found = {
        name: vod.prefix if (vod := location_of(server, name)) is not None else ""
        for name in ("films/a.mp4", "films/new/a.mp4", "films", "filmsx/a.mp4", "off/a.mp4")
    }
    assert found == {
        "films/a.mp4": "films",
        "films/new/a.mp4": "films/new",
        "films": "",
        "filmsx/a.mp4": "",
        "off/a.mp4": "",
    }


def test_a_file_has_the_rules_of_its_location_and_any_name() -> None:
    server = config(
        {
            "prefix": "films",
            "storages": [{"url": "/a"}, {"url": "ftp://k@h/b"}, {"url": "file:///c"}],
            "on_play": {"url": "http://127.0.0.1/auth"},
            "segment_duration": 2000,
            "download": True,
        }
    )
    stream = file_stream(server.vods[0], "films/sub/Ein Film (2024) ü.mp4")
    assert stream.config.on_play == server.vods[0].on_play
    told = delivery_config(stream, server, is_published=False)
    assert (told.storages, told.file) == (["/a", "file:///c"], "sub/Ein Film (2024) ü.mp4")
    assert (told.segment_duration, told.download) == (2000, True)


def test_what_is_said_of_a_location_is_told_of_its_files() -> None:
    location = {"prefix": "films", "provider": "Works", "add_audio_only": True}
    kept = {"cache": {"path": "/all"}, "segment_cache": {"path": "/segments"}}
    for said, path in ((kept, "/segments"), ({"cache": {"path": "/all"}}, "/all")):
        server = config({**location, **said})
        stream = file_stream(server.vods[0], "films/a.mp4")
        told = delivery_config(stream, server, is_published=False)
        assert told.cache is not None
        assert told.cache.path == path
        assert (told.provider, told.add_audio_only) == ("Works", True)


def test_locations_that_are_others_now_are_named() -> None:
    old = config({"prefix": "a"}, {"prefix": "b"}, {"prefix": "c"})
    new = config({"prefix": "a"}, {"prefix": "b", "download": True})
    assert changed_locations(old, new) == ["b", "c"]


@pytest.mark.parametrize(
    ("name", "proto", "path", "is_file"),
    [
        ("films/a", "tshttp", "/films/a.ts", True),
        ("films/a", "tshttp", "/films/a/mpegts", False),
        ("films/a", "hls", "/films/a.ts", False),
        ("films/a.mp4", "tshttp", "/films/a.mp4.ts", False),
        ("films/a.ts", "tshttp", "/films/a.ts.ts", False),
    ],
)
def test_a_name_with_ts_behind_it_is_a_file(
    name: str, proto: str, path: str, is_file: bool
) -> None:
    vod = location_of(config({"prefix": "films"}), name)
    assert vod is not None
    assert is_ts_file(file_stream(vod, name), proto, path) == is_file


@pytest.mark.parametrize(
    ("name", "proto", "status"),
    [
        ("films/a.mp4", "hls", 0),
        ("films/a.mp4", "rtmp", 0),
        ("films/a.mp4", "webrtc", 404),
        ("films/a.mp4", "mp4", 403),
        ("films/b.mp4", "hls", 404),
        ("films/.a.mp4", "hls", 400),
        ("films/../a.mp4", "dash", 400),
        ("remote/a.mp4", "hls", 404),
        ("away/a.mp4", "hls", 503),
        ("films/set", "hls", 404),
        ("sets/set", "hls", 0),
        ("sets/set", "dash", 0),
        ("sets/set", "tshttp", 404),
        ("sets/a.mp4", "tshttp", 0),
        ("sets/empty", "hls", 404),
    ],
)
async def test_what_is_not_played_is_said(
    tmp_path: Path, name: str, proto: str, status: int
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a")
    for folder in ("set", "empty"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "set-1.mp4").write_bytes(b"a")
    storages = [{"url": str(tmp_path)}]
    server = config(
        {"prefix": "films", "storages": storages},
        {"prefix": "sets", "storages": storages, "auto_mbr": True},
        {"prefix": "remote", "storages": [{"url": "ftp://127.0.0.1/films"}]},
        {"prefix": "away", "storages": [{"url": f"http://127.0.0.1:{free_port()}/films"}]},
    )
    vod = location_of(server, name)
    assert vod is not None
    refusal = await Locations().refusal(file_stream(vod, name), proto)
    assert (refusal.status if refusal is not None else 0) == status
