"""One row and one folder are a protocol: every program knows it, without an edit elsewhere."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tests.support.own_protocol as own

FOLDER = Path(own.__file__).parent


@pytest.fixture(scope="module")
def derived() -> Any:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "derived.py")],
        env={**os.environ, "PYTHONPATH": str(FOLDER)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_file_and_the_environment_take_it(derived: Any) -> None:
    assert derived["problems"] == []
    assert derived["environment"] == {"lines": 7079}


def test_its_ports_are_opened_everywhere(derived: Any) -> None:
    assert derived["listens"] == ["lines 127.0.0.1:7070"]
    assert derived["service"]["lines"] == 7070
    assert derived["trial"]["lines"] == 7071


def test_it_is_routed_and_offered(derived: Any) -> None:
    assert derived["route"] == "a/b"
    assert derived["urls"]["lines"] == "lines://h/watch/s"
    assert derived["urls"]["weblines"] == "http://h/s/lines"


def test_it_can_be_switched_off(derived: Any) -> None:
    assert derived["denied"] == ["lines"]
    assert derived["resources"]


def test_the_check_says_only_what_it_does_not_do(derived: Any) -> None:
    assert list(derived["unsupported"]) == ["push_weblines"]
    assert "nobody asked for it" in derived["unsupported"]["push_weblines"]


def test_it_is_documented(derived: Any) -> None:
    assert "| Lines | yes |  | `lines` |  |" in derived["readme"]
    assert "| Lines over HTTP | `http://HOST:8080/NAME/lines` |" in derived["readme"]
