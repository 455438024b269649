"""Files that a configuration names and that are not there are said at their place."""

import io
from pathlib import Path

from media_streamer.config.check import check

from tests.support.country_database import write_country_database

NAMED = """\
geoip {home}/countries.mmdb;
init_script {home}/init.lua;
notify a {{ sink {home}/events.lua; }}
auth_backend b {{ backend {home}/rules.lua; }}
stream s {{ input fake://fake; on_play {home}/play.lua; }}
template t {{ prefix p; on_publish lua://{home}/publish.lua; }}
vod films {{ storage {home}/films; storage http://h/films; }}
"""


def checked(path: Path) -> list[str]:
    out = io.StringIO()
    assert check(path, {}, out) == 0, out.getvalue()
    return [line.removeprefix(f"{path}:") for line in out.getvalue().splitlines()[:-1]]


def test_what_is_missing_is_said_and_no_more_once_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text(NAMED.format(home=tmp_path))
    lines = sorted(checked(path))
    assert [int(line.partition(":")[0]) for line in lines] == [1, 2, 3, 4, 5, 6, 7], lines
    assert all(line.endswith("[missing_file]") for line in lines)
    (tmp_path / "countries.mmdb").write_bytes(b"no database")
    [first, *_] = sorted(checked(path))
    assert "countries.mmdb cannot be read" in first
    write_country_database(tmp_path / "countries.mmdb", {"127.0.0.0/8": "NL"})
    for name in ("init", "events", "rules", "play", "publish"):
        (tmp_path / f"{name}.lua").touch()
    (tmp_path / "films").mkdir()
    assert checked(path) == []


def test_countries_that_come_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("geoip builtin;\n")
    assert checked(path) == []


def test_folders_that_are_files(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    (tmp_path / "file").touch()
    there = tmp_path / "file"
    path.write_text(f"pulsedb {there};\nsession_log {there}/below;\ncache c {there};\n")
    lines = [line for line in checked(path) if "cannot be a directory: a file is there" in line]
    assert [int(line.partition(":")[0]) for line in lines] == [1, 2, 3], lines
    path.write_text(f"pulsedb {tmp_path}/new/below;\nsession_log {tmp_path};\n")
    assert checked(path) == []


def test_films_are_looked_for_where_they_are_played(tmp_path: Path) -> None:
    """The longest location wins."""
    for name in ("movies", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.mp4").touch()
    (tmp_path / "movies/y.mp4").touch()
    path = tmp_path / "a.conf"
    path.write_text(
        f"vod movies {{ storage {tmp_path}/movies; }}\n"
        f"vod movies/new {{ storage {tmp_path}/new; }}\n"
        "stream a { input file://movies/x.mp4; }\n"
        "stream b { input file://movies/new/x.mp4; }\n"
        "stream c { input file://movies/new//x.mp4; }\n"
        "stream d { input file://movies/new/y.mp4; }\n"
    )
    [line] = checked(path)
    assert line.startswith("6:")
    assert "vod movies/new has no file y.mp4" in line


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    """They are told as missing; the check goes on."""
    long = "x" * 300
    path = tmp_path / "a.conf"
    path.write_text(
        f"vod films {{ storage {tmp_path}; storage {tmp_path}/{long}; }}\n"
        f"stream a {{ input file://films/{long}; on_play {tmp_path}/{long}.lua; }}\n"
        f"pulsedb {tmp_path}/{long};\n"
    )
    lines = sorted(line for line in checked(path) if line.endswith("[missing_file]"))
    assert [line.partition(":")[0] for line in lines] == ["1", "2", "2"], lines
