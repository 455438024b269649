"""A real S3 server on this machine: versitygw over a folder of the test, built from its Go module.

The build (a minute and a half of two cores, the first time) lies in the user's cache.
"""

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.ports import free_port

MODULE = Path(__file__).with_name("s3")
PACKAGE = "github.com/versity/versitygw/cmd/versitygw"
BUILD_SECONDS = 900
READY_SECONDS = 30
KEY = "testkey"
SECRET = "se/cr+et%40"


class S3Server:
    """It may be stopped and started again on the same port, over the same folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._program = s3_program()
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, path: str, *, secret: str = SECRET, key: str = KEY) -> str:
        """Of a bucket, or a folder in one."""
        return f"s3://{key}:{quote(secret, safe='')}@127.0.0.1:{self.port}/{path}"

    def bucket(self, name: str) -> Path:
        """A bucket that there is from now on: what is in it as files."""
        folder = self.directory / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory.parent / "s3.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._program, "--quiet", "--port", f"127.0.0.1:{self.port}",
                    "posix", self.directory,
                ],
                env={**os.environ, "ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET},
                stdout=log,
                stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            assert self._process.poll() is None, "the S3 server does not start: see s3.log"
            assert time.monotonic() < deadline, "the S3 server does not answer"
            time.sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """As if its machine were gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(READY_SECONDS)
            self._process = None

    def suspend(self, signal: int) -> None:
        """SIGSTOP: it takes connections and answers nothing; SIGCONT ends that."""
        assert self._process is not None
        self._process.send_signal(signal)


@contextmanager
def s3_server(directory: Path) -> Iterator[S3Server]:
    """A running one."""
    server = S3Server(directory)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def s3_program() -> Path:
    """The program, built if it is not there; skips the test where that cannot be."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "media-appliance"
    files = sorted(one for one in MODULE.iterdir() if one.is_file())
    digest = hashlib.sha256(b"\0".join(one.read_bytes() for one in files)).hexdigest()[:16]
    program = base / f"versitygw-{digest}"
    if program.exists():
        return program
    if shutil.which("go") is None:
        pytest.skip("no S3 server: it is built by Go, which is not installed")
    base.mkdir(parents=True, exist_ok=True)
    with (base / "versitygw.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            made = program.with_suffix(".new")
            subprocess.run(
                ["go", "build", "-ldflags", "-s -w", "-o", made, PACKAGE],
                cwd=MODULE,
                env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=readonly"},
                check=True,
                timeout=BUILD_SECONDS,
            )
            made.rename(program)
    return program


if __name__ == "__main__":
    print(s3_program())
