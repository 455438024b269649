"""Listeners that have a port together, and those that cannot."""

import io
from pathlib import Path

import pytest
from media_api.server import Listeners
from media_streamer.config.check import check
from media_streamer.config.ports import opened
from media_streamer.config.sections import SECTIONS, section_of

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
    status = check(path, {"STREAMER_EGRESS_WORKERS": "1"}, out)
    return status, [line.removeprefix(f"{path}:") for line in out.getvalue().splitlines()]


def test_one_port_for_two_is_said_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    status, lines = checked(path, "http 80;\nrtmp 80;\n")
    assert status == 0, lines
    status, lines = checked(path, "http 80;\nrtsp 80;\nhttp 80;\nwebrtc 80;\n")
    assert status == 1
    assert [line.partition(": ")[0] for line in lines[:-1]] == ["2:6", "3:6"], lines
    assert "rtsp: port 80 is that of http already: give them two" in lines[0]


def places(lines: list[str]) -> list[str]:
    return [":".join(line.split(":")[:2]) + line.split(":")[2][:6] for line in lines[:-1]]


def test_one_address_of_a_port_for_another_is_said(tmp_path: Path) -> None:
    """The kernel gives connections to whoever names their address."""
    path = tmp_path / "a.conf"
    status, lines = checked(path, "http 80;\nrtmp 0.0.0.0:80;\nhttp 127.0.0.1:80;\nrtsp [::]:81;\n")
    assert status == 0
    assert sorted(places(lines)) == ["2:6 warni", "3:6 warni"], lines
    assert "connections to 0.0.0.0:80 go to rtmp and not to http" in "".join(lines)
    status, lines = checked(path, "http [::]:80;\nrtmp 0.0.0.0:80;\nrtsp 10.0.0.1:80;\n")
    assert places(lines) == ["3:6 warni"], lines
    status, lines = checked(path, "http localhost:80;\nrtmp 127.0.0.2:80;\n")
    assert (status, places(lines)) == (0, []), "a name is not looked up"


def test_ports_by_udp_that_clash(tmp_path: Path) -> None:
    """Those of the server keep it from starting, of those of streams the first has the port."""
    path = tmp_path / "a.conf"
    server = "webrtc 9000;\nsrt2 127.0.0.1:9000;\nsrt 9001;\nsrt_play { port 10.0.0.1:9001; }\n"
    status, lines = checked(path, server)
    assert status == 1
    assert places(lines) == ["2:6 error", "4:17 error"], lines
    assert "srt port 9000 of the server is that of webrtc already" in lines[0]
    streams = (
        "srt 9001;\nwebrtc 9002;\n"
        "stream a { srt_play { port 9003; } }\n"
        "stream b { srt 9003; }\n"
        "stream c { srt_publish { port 127.0.0.1:9001; } }\n"
        "stream d { srt 9002; }\n"
        "stream e { srt 9004; srt2 9004; }\n"
        "stream f { disabled; srt 9003; }\n"
    )
    status, lines = checked(path, streams)
    assert status == 0
    assert places(lines) == ["4:16 warni", "5:31 warni", "6:16 warni"], lines
    assert "srt port 9003 of stream b is that of stream a to play already" in lines[0]


def test_a_template_has_no_ports(tmp_path: Path) -> None:
    status, lines = checked(tmp_path / "a.conf", "template t { srt_play { port 9010; } srt 9; }\n")
    assert status == 0
    assert places(lines) == ["1:14 warni", "1:38 warni"], lines


def test_every_directive_sets_a_field_of_its_object() -> None:
    for model in tuple(SECTIONS):
        names = {info.alias or name for name, info in model.model_fields.items()}
        entries = section_of(model).entries.values()
        assert {shape.key for shape in entries if shape.key} <= names, model


def test_a_number_of_workers_that_cannot_be_is_told_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("webrtc 5000;\n")
    out = io.StringIO()
    assert check(path, {"STREAMER_EGRESS_WORKERS": "0"}, out) == 0, out.getvalue()
