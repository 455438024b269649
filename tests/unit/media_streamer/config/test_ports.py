"""Listeners that have a port together, and those that cannot."""

import io
from pathlib import Path

import pytest
from media_api.server import Listeners
from media_streamer.config.check import check
from media_streamer.config.ports import opened

OTHER = {"certificate": "other.crt", "certificate_key": "other.key"}


def names(**listeners: object) -> list[tuple[str, int, str]]:
    config = Listeners.model_validate(listeners)
    return [(one.name, one.listener.port, one.guest) for one in opened(config, Path("/etc"))]


def test_rtmp_is_a_guest_of_http() -> None:
    assert names(http=[80, 81], rtmp=[80, 1935]) == [
        ("http", 80, "rtmp"),
        ("http", 81, ""),
        ("rtmp", 1935, ""),
    ]
    assert names(https=443, rtmps=443) == [("https", 443, "rtmps")]
    assert opened(None, Path("/")) == []


@pytest.mark.parametrize(
    "listeners",
    [
        {"http": 80, "rtmp": "127.0.0.1:80"},
        {"http": 80, "rtmps": 80},
        {"https": 443, "rtmps": {"port": 443, **OTHER}},
        {"https": 443, "rtmps": {"port": 443, "ssl_protocols": ["tlsv1.3"]}},
        {"http": 80, "rtsp": 80},
    ],
)
def test_others_are_not(listeners: dict[str, object]) -> None:
    assert [guest for _, _, guest in names(**listeners)] == ["", ""]


def checked(path: Path, text: str) -> tuple[int, list[str]]:
    path.write_text(text)
    out = io.StringIO()
    status = check(path, {}, out)
    return status, [line.removeprefix(f"{path}:") for line in out.getvalue().splitlines()]


def test_one_port_for_two_is_said_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    status, lines = checked(path, "http 80;\nrtmp 80;\n")
    assert status == 0, lines
    status, lines = checked(path, "http 80;\nrtsp 80;\nhttp 80;\nwebrtc 80;\n")
    assert status == 1
    assert [line.partition(": ")[0] for line in lines[:-1]] == ["2:6", "3:6"], lines
    assert "rtsp: port 80 is that of http already: give them two" in lines[0]
