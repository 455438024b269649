"""What all processes of a test run use and one makes: encoded footage, above all.

A fixture of the session is one of each process, so seven processes would encode the
same clip seven times. The parts of `python -m tests` share a folder as well.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = "TESTS_ONCE_FOLDER"
"""The environment variable that names the folder, where a run of several parts has one."""


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A file or folder that `make(path)` makes, for all processes of this run; nobody changes it.

    `name` says all that it depends on. `make` is given a path that ends as `name` does.
    """
    root = factory.getbasetemp()
    folder = Path(os.environ.get(FOLDER) or root / "once")
    folder.mkdir(exist_ok=True)
    place = folder / name
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            making = folder / f"making-{os.getpid()}-{name}"  # what failed half way is not taken
            make(making)
            making.rename(place)
    return place
