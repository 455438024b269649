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
