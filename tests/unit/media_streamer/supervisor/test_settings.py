"""Directories and numbers from the environment."""

import fcntl
import os
from pathlib import Path

import pytest
from media_streamer.supervisor import settings as module
from media_streamer.supervisor.settings import SettingsError, read_settings, remove_directories


def test_given_directories_stay(tmp_path: Path) -> None:
    environ = {
        "STREAMER_RUNTIME_DIR": str(tmp_path / "run"),
        "STREAMER_SEGMENTS_DIR": str(tmp_path / "seg"),
        "STREAMER_MEDIA_WORKERS": "3",
        "FLUSSONIC_HOSTNAME": "old",
    }
    settings = read_settings(tmp_path / "x" / "flussonic.conf", environ)
    assert settings.runtime.stat().st_mode & 0o777 == 0o700
    assert (settings.media_workers, settings.hostname) == (3, "old")
    assert settings.state == tmp_path / "x" / "state"
    assert settings.state.stat().st_mode & 0o777 == 0o700
    remove_directories(settings, environ)
    assert settings.runtime.exists()
    assert (tmp_path / "seg").exists()
    assert not settings.segments.exists()


def test_segments_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    environ = {"STREAMER_RUNTIME_DIR": str(tmp_path), "STREAMER_SEGMENTS_DIR": str(tmp_path)}
    left, stranger = tmp_path / "streamer-segments-left", tmp_path / "other"
    for directory in (left, stranger):
        directory.mkdir()
        (directory / "file").touch()
    running = read_settings(tmp_path / "conf", environ)
    assert not left.exists()
    assert (stranger / "file").exists()
    second = read_settings(tmp_path / "conf", {**environ, "STREAMER_RUNTIME_DIR": str(stranger)})
    assert running.segments.exists(), "a run that lives keeps its segments"
    assert second.segments != running.segments


def test_two_servers_do_not_share_what_they_keep(tmp_path: Path) -> None:
    environ = {"STREAMER_STATE_DIR": str(tmp_path / "state")}
    (tmp_path / "state").mkdir()
    other = os.open(tmp_path / "state", os.O_RDONLY)  # as another process has it
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(SettingsError, match=r"another streamer uses .*: stop it"):
        read_settings(tmp_path / "flussonic.conf", environ)
    os.close(other)
    settings = read_settings(tmp_path / "flussonic.conf", environ)
    assert read_settings(tmp_path / "flussonic.conf", environ).state == settings.state
    remove_directories(settings, environ)


def test_made_directories_go(tmp_path: Path) -> None:
    settings = read_settings(tmp_path / "flussonic.conf", {})
    assert settings.runtime.exists()
    remove_directories(settings, {})
    assert not settings.runtime.exists()
    assert not settings.segments.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STREAMER_MEDIA_WORKERS", "many"),
        ("STREAMER_EGRESS_WORKERS", "0"),
        ("STREAMER_RUNTIME_DIR", "/tmp/" + "x" * 120),
        ("STREAMER_STATE_DIR", "/dev/null/nothing"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, name: str, value: str) -> None:
    environ = {"STREAMER_RUNTIME_DIR": str(tmp_path), name: value}
    with pytest.raises(SettingsError, match=name):
        read_settings(tmp_path / "conf", environ)


def test_a_runtime_directory_has_one_streamer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one would take over the workers of the first."""
    monkeypatch.setattr(module, "RUNTIME_WAIT_SECONDS", 0.2)
    environ = {"STREAMER_RUNTIME_DIR": str(tmp_path), "STREAMER_SEGMENTS_DIR": str(tmp_path)}
    read_settings(tmp_path / "conf", environ)
    with pytest.raises(SettingsError, match="used by another streamer"):
        read_settings(tmp_path / "conf", environ)
