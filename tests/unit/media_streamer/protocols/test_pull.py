"""Input lines as FFmpeg's URL, demuxer and options."""

import threading
from typing import cast

import pytest
from media_api.input import InputConfig
from media_api.protocols import Protocol, pull_protocol, roles, served_schemes
from media_streamer.media.inputs import factory
from media_streamer.media.inputs.base import InputError, Limits, Receiver, Stored
from media_streamer.media.inputs.factory import create_input
from media_streamer.media.inputs.ffmpeg import FFmpegSource
from media_streamer.media.inputs.http import http_headers
from media_streamer.protocols import load

LIMITS = Limits(open_seconds=5, read_seconds=7.5)


FETCHED = {
    scheme
    for scheme in served_schemes("pull")
    if pull_protocol(scheme).package in ("hls", "ts")  # type: ignore[union-attr]
}
WHEP = {"whep", "wheps", "webrtc", "webrtcs"}
RTSP = {"rtsp", "rtsps", "rtsp2", "rtsp-udp"}
OWN = (
    {"copy", "fake", "file", "playlist", "timeshift", "srt", "rtp", "sdp"}
    | {"m4f", "m4fs", "m4s", "m4ss"}
    | FETCHED
    | WHEP
    | RTSP
)
"""What is opened otherwise than by FFmpeg's network protocols."""


def source(url: str, **options: object) -> FFmpegSource:
    config = InputConfig.model_validate({"url": url, **options})
    row = pull_protocol(config.scheme)
    assert row is not None
    found = load(row, "pull").source(config, LIMITS)
    assert isinstance(found, FFmpegSource)
    return found


@pytest.mark.parametrize(
    "row", [row for row, role in roles("pull") if role.served], ids=lambda row: row.name
)
def test_every_served_source_has_its_module(row: Protocol) -> None:
    assert callable(load(row, "pull").create)


@pytest.mark.parametrize(
    ("url", "opened", "demuxer"),
    [
        ("rtmp://host/app/name", "rtmp://host/app/name", "flv"),
        ("rtmps://host/app/name", "rtmps://host/app/name", "flv"),
        ("udp://239.1.2.3:5000", "udp://239.1.2.3:5000", "mpegts"),
        ("udp://239.1.2.3:5000/10.0.0.5", "udp://239.1.2.3:5000", "mpegts"),
        ("udp://[ff15::1]:5000", "udp://[ff15::1]:5000", "mpegts"),
    ],
)
def test_addresses(url: str, opened: str, demuxer: str) -> None:
    assert (source(url).url, source(url).format) == (opened, demuxer)


@pytest.mark.parametrize("scheme", sorted(served_schemes("pull") - OWN))
def test_no_source_may_name_a_local_file(scheme: str) -> None:
    whitelist = source(f"{scheme}://127.0.0.1:5000/x").options["protocol_whitelist"].split(",")
    assert not {"file", "concat", "pipe", "data", "subfile", "fd"} & set(whitelist)


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("tshttp://host:8080/a/mpegts?x=1", "http://host:8080/a/mpegts?x=1"),
        ("tshttps://host/a", "https://host/a"),
        ("hls://host/a/index.m3u8", "http://host/a/index.m3u8"),
        ("hlss://u:p@host/a.m3u8", "https://u:p@host/a.m3u8"),
        ("hls2://host/a.m3u8", "http://host/a.m3u8"),
        ("hlss2://host/a.m3u8", "https://host/a.m3u8"),
        ("cmafs://host/a.m3u8", "https://host/a.m3u8"),
    ],
)
def test_addresses_over_http(url: str, asked: str) -> None:
    config = InputConfig.model_validate({"url": url})
    row = pull_protocol(config.scheme)
    assert row is not None
    assert load(row, "pull").source_url(config) == asked


def test_headers_over_http() -> None:
    config = {"url": "hls://host/a", "user_agent": "tv", "headers": {"X-Key": "1", "B": "2"}}
    headers = http_headers(InputConfig.model_validate(config))
    assert headers == {"User-Agent": "tv", "X-Key": "1", "B": "2"}


def test_a_header_cannot_smuggle_another() -> None:
    config = {"url": "hls://host/a", "headers": {"X": "1\r\nHost: evil"}}
    with pytest.raises(InputError):
        http_headers(InputConfig.model_validate(config))


def test_rtmp_options() -> None:
    options = source("rtmp://h/a/b", pageUrl="http://p/", tcUrl="rtmp://t/a").options
    assert options["rtmp_pageurl"] == "http://p/"
    assert options["rtmp_tcurl"] == "rtmp://t/a"
    assert "rtmp_swfurl" not in options
    assert source("rtmp://h/a/b", swfUrl="http://p/x").options["rtmp_swfurl"] == "http://p/x"


@pytest.mark.parametrize(
    ("url", "local", "shared"),
    [
        ("udp://239.1.2.3:5000/10.0.0.5", "10.0.0.5", "1"),
        ("udp://239.1.2.3:5000", None, "1"),
        ("udp://[ff15::1]:5000", None, "1"),
        ("udp://127.0.0.1:5000", None, "0"),
        ("udp://0.0.0.0:5000", None, "0"),
    ],
)
def test_udp_groups(url: str, local: str | None, shared: str) -> None:
    options = source(url).options
    assert options.get("localaddr") == local
    assert options["reuse"] == shared


def test_the_interface_of_a_group() -> None:
    for url in ("udp://239.1.2.3:5000", "udp://239.1.2.3:5000/10.0.0.9"):
        assert source(url, bind_ip="10.0.0.5").options["localaddr"] == "10.0.0.5"


def test_one_source_of_a_group() -> None:
    found = source("udp://10.0.0.9@232.1.2.3:5000/10.0.0.5")
    assert found.url == "udp://232.1.2.3:5000"
    assert found.options["sources"] == "10.0.0.9"
    assert found.options["localaddr"] == "10.0.0.5"
    assert "sources" not in source("udp://232.1.2.3:5000").options


@pytest.mark.parametrize(
    "url", ["udp://239.1.2.3", "udp://239.1.2.3:x", "udp://eth0@239.1.2.3:5000"]
)
def test_what_cannot_be_opened(url: str) -> None:
    with pytest.raises(InputError):
        source(url)


@pytest.mark.parametrize("url", ["ndi://host", "rtmpe://host/a/b"])
def test_what_nobody_pulls_says_why(url: str) -> None:
    config = InputConfig.of(url)
    with pytest.raises(InputError, match=r"inputs are (not served|this server)"):
        create_input("s", config, cast(Receiver, None), LIMITS, Stored())


async def test_what_reads_a_source_is_imported_beside_the_streams_that_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, bool]] = []

    def load(row: Protocol, part: str) -> None:
        asked.append((row.name, threading.current_thread() is threading.main_thread()))

    monkeypatch.setattr(factory.protocols, "load", load)
    urls = ("fake://fake", "publish://", "copy://other", "fake://fake")
    await factory.load_inputs([InputConfig(url=url) for url in urls])
    assert asked == [("fake", False), ("copy", False)]
