"""A file system of a few bytes, for disks that fill up and disks that go away."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(place: Path, size: str) -> Iterator[Path]:
    """One of that size (`256k`, `8m`) in a new folder, gone afterwards."""
    place.mkdir(parents=True)
    mount(place, size)
    try:
        yield place
    finally:
        umount(place)


def mount(place: Path, size: str) -> None:
    """An empty one in a folder; skips the test where that may not be done."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "small", str(place)]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=10)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")


def umount(place: Path) -> None:
    subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=10)
