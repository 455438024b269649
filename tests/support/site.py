"""The site of the documentation as `make docs` builds it, built once for all who look at it."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from media_docs.operations import main as write_operations

from tests.support.once import once

DOCS = Path(__file__).resolve().parents[2] / "docs"
BUILD_SECONDS = 500
"""A bound, also of a machine that does much else: alone it takes ten."""
FIRST_TEST_SECONDS = BUILD_SECONDS + 100
"""The time-out of tests of which whichever is the first one builds it."""


def site(factory: pytest.TempPathFactory) -> Path:
    return once(factory, "site", _build)


def _build(path: Path) -> None:
    with tempfile.TemporaryDirectory() as read:
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
        command += ["-d", read, str(DOCS), str(path)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
        )
    assert done.returncode == 0, done.stderr
    write_operations(path / "operations.js")
