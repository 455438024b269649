"""What systemd is told, on a socket such as its own."""

import socket
from pathlib import Path

import pytest
from media_process.service_manager import ServiceManager


@pytest.fixture
def manager(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(5)
        yield end, {"NOTIFY_SOCKET": str(tmp_path / "notify")}


def test_it_tells_the_states(manager) -> None:
    end, environ = manager
    told = ServiceManager({**environ, "WATCHDOG_USEC": "60000000"})
    told.ready("serves\nMAINPID=1")
    assert end.recv(1000) == b"READY=1\nSTATUS=serves MAINPID=1"
    told.alive()
    assert end.recv(1000) == b"WATCHDOG=1"
    told.stopping()
    assert end.recv(1000) == b"STOPPING=1"
    told.close()
    told.alive()


def test_without_a_watchdog_it_says_nothing_again_and_again(manager) -> None:
    end, environ = manager
    told = ServiceManager(environ)
    told.alive()
    told.stopping()
    assert end.recv(1000) == b"STOPPING=1"
    told.close()


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "nonsense", "@no-such-abstract-name"])
def test_nobody_to_tell_is_no_failure(address: str) -> None:
    told = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1"})
    told.ready("x")
    told.alive()
    told.close()
