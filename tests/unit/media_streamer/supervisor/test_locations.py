"""Files as streams that are made for a moment."""

from pathlib import Path

import pytest
from media_api.server import ServerConfig
from media_streamer.supervisor.delivery import delivery_config
from media_streamer.supervisor.locations import (
    Locations,
    changed_locations,
    file_stream,
    location_of,
)


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
            "storages": [{"url": "/a"}, {"url": "s3://k@h/b"}, {"url": "file:///c"}],
            "on_play": {"url": "http://127.0.0.1/auth"},
            "segment_duration": 2000,
            "download": True,
        }
    )
    stream = file_stream(server.vods[0], "films/sub/Ein Film (2024) ü.mp4")
    assert stream.config.on_play == server.vods[0].on_play
    told = delivery_config(stream, server, is_published=False)
    assert (told.storages, told.file) == (["/a", "/c"], "sub/Ein Film (2024) ü.mp4")
    assert (told.segment_duration, told.download) == (2000, True)


def test_locations_that_are_others_now_are_named() -> None:
    old = config({"prefix": "a"}, {"prefix": "b"}, {"prefix": "c"})
    new = config({"prefix": "a"}, {"prefix": "b", "download": True})
    assert changed_locations(old, new) == ["b", "c"]


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
    ],
)
async def test_what_is_not_played_is_said(
    tmp_path: Path, name: str, proto: str, status: int
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a")
    server = config(
        {"prefix": "films", "storages": [{"url": str(tmp_path)}]},
        {"prefix": "remote", "storages": [{"url": "http://127.0.0.1/films"}]},
    )
    vod = location_of(server, name)
    assert vod is not None
    refusal = await Locations().refusal(file_stream(vod, name), proto)
    assert (refusal.status if refusal is not None else 0) == status
