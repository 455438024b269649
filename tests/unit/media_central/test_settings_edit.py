"""Changes of the settings file: what is asked for, and nothing else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_central.settings import settings_of
from media_central.settings_edit import SetByEnvironmentError, change_file, edit_settings
from media_central.settings_file import SettingsError, parse_settings

FILE = """\
% of the first release
http_port 9019;
CENTRAL_API_KEY=one   # kept for years

EDIT_AUTH admin admin
HTTP_PORT=9020
"""


def test_only_what_is_asked_for_is_touched() -> None:
    changed = edit_settings(FILE, {"http_port": "9021", "edit_auth": None, "log_level": "debug"})
    assert changed == (
        "% of the first release\nHTTP_PORT=9021\n"
        "CENTRAL_API_KEY=one   # kept for years\n\nLOG_LEVEL=debug\n"
    )


@given(st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), min_size=1, max_size=40))
def test_what_is_written_is_read_back(value: str) -> None:
    try:
        text = edit_settings(FILE, {"api_key": value})
    except SettingsError:
        assert {'"', "'"} <= set(value) or not value.isprintable()
        return
    found = {item.name: item.value for item in parse_settings(text, "f")}
    assert found["API_KEY"] == value
    assert "CENTRAL_API_KEY" not in found


def test_a_bad_value_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "central.conf"
    path.write_text(FILE)
    for changes in ({"http_port": "many"}, {"api_key": "a\nHTTP_PORT=1"}):
        with pytest.raises(SettingsError):
            change_file(path, changes, {})
    with pytest.raises(SetByEnvironmentError, match="HTTP_PORT comes from the environment"):
        change_file(path, {"http_port": "1"}, {"CENTRAL_HTTP_PORT": "2"})
    assert path.read_text() == FILE


def test_the_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "central.conf"
    path.write_text(FILE)
    path.chmod(0o640)
    loaded = change_file(path, {"layouter_sleeping_interval": "7000ms"}, {})
    assert loaded.settings.layouter_sleeping_interval == 7.0
    assert settings_of(parse_settings(path.read_text(), ""), path, {}).settings.http_port == 9020
    assert path.stat().st_mode & 0o777 == 0o640
    assert [item.name for item in tmp_path.iterdir()] == ["central.conf"]
