"""A cache that cannot start says why, in one line, and leaves with 1."""

import socket

import pytest
from media_streamer.cache.cli import main


@pytest.fixture
def environ(monkeypatch, tmp_path):
    monkeypatch.setenv("CACHE_ORIGINS", "http://127.0.0.1:1")
    monkeypatch.setenv("CACHE_PORT", "0")
    monkeypatch.setenv("CACHE_PATH", str(tmp_path / "cache"))
    # It would stay with this process, bound to what is standard error in this test.
    monkeypatch.setattr("media_process.logs.set_up", lambda *_: None)
    return monkeypatch


def test_wrong_variable(environ, capsys):
    environ.setenv("CACHE_MISSES", "many")
    assert main([]) == 1
    assert capsys.readouterr().err.startswith("media-cache: CACHE_MISSES='many'")


def test_no_directory(environ, capsys, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    environ.setenv("CACHE_PATH", str(tmp_path / "file" / "cache"))
    assert main([]) == 1
    assert "cannot be used" in capsys.readouterr().err


def test_occupied_port(environ, capsys):
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        environ.setenv("CACHE_ADDRESS", "127.0.0.1")
        environ.setenv("CACHE_PORT", str(occupied.getsockname()[1]))
        assert main([]) == 1
    assert "Address already in use" in capsys.readouterr().err
