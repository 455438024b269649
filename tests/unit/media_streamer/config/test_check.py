"""`--check` says what does not work, at its place."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from media_streamer.config.check import check

CONFIG = """\
http 127.0.0.1:80;
snmp 16161;
stream a {
  input ndi://host;
  drm aes128;
  protocols mss shoutcast;
  epg_enabled;
  backup none/x.mp4;
  on_play /etc/x.sh;
  on_publish http://h allowed_countries=DE;
}
"""


def run(path: Path) -> tuple[int, list[str]]:
    out = io.StringIO()
    status = check(path, {}, out)
    return status, out.getvalue().splitlines()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.conf"
    path.write_text(CONFIG)
    return path


def test_what_is_not_served_is_said_at_its_place(file: Path) -> None:
    status, lines = run(file)
    assert status == 0
    assert lines[-1] == f"{file}: ok, 1 stream"
    places = [line.removeprefix(f"{file}:").split(": warning: ") for line in lines[:-1]]
    assert [(place, text.partition(" ")[0]) for place, text in places] == [
        ("2:6", "snmp"),
        ("4:3", "ndi://"),
        ("5:3", "drm"),
        ("6:3", "mss"),
        ("6:3", "shoutcast"),
        ("7:3", "epg_enabled"),
        ("8:10", "backup:"),
        ("9:11", "on_play"),
        ("10:23", "allowed_countries"),
    ]


def test_sources_and_locations_are_told_of_too(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("""\
source origin { logo /x; drm aes128; group g { on_play /etc/x.sh; dvr /d 7d locked_write; } }
vod films { storage /films; drm aes128; read_queue 4; }
license_key abc;
license_txt abc;
""")
    status, lines = run(path)
    assert status == 0
    said = [line.partition(": warning: ")[2] for line in lines]
    for words in (
        "logo has no effect",
        "drm aes128 needs keyserver=URL: it is not played at all",
        "on_play names no http(s)://",
        "locked_write of dvr has no effect",
        "vod films: drm aes128 needs keyserver=URL",
        "vod films: read_queue has no effect",
        "license_key has no effect: this server needs no licence",
        "license_txt has no effect: this server needs no licence",
    ):
        assert any(one.startswith(words) for one in said), (words, lines)


def test_the_file_is_still_ok_for_what_works(tmp_path: Path) -> None:
    path = tmp_path / "good.conf"
    path.write_text("http 80;\nstream a { input fake://fake; protocols hls cmaf; }\n")
    assert run(path) == (0, [f"{path}: ok, 1 stream"])


def test_behind_a_refused_object_the_name_stands_for_the_place(file: Path) -> None:
    file.write_text(f"stream b {{ }}\nstream b {{ }}\n{CONFIG}")
    status, lines = run(file)
    assert status == 1
    assert f"{file}:0:0: warning: a: epg_enabled has no effect in this version [not_served]" in (
        lines
    )


def test_a_reader_that_leaves_is_no_failure(file: Path) -> None:
    file.write_text(CONFIG + "".join(f"stream s{n} {{ logo /l; }}\n" for n in range(3000)))
    command = [sys.executable, "-m", "media_streamer.cli", "--check", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) in (0, 1)
