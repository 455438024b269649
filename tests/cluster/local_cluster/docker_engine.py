"""A Docker engine of our own, for the length of a build.

Role: `docker build` where no engine runs: dockerd with its own data, socket and configuration.
Invariants: it makes no bridge and no firewall rule (builds use the host's network); its layers
stay in the cache directory, so the next build of the same Dockerfile is short; it is gone after
the ``with`` block.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from types import TracebackType

from local_cluster import cgroups, images, node, processes
from local_cluster.layout import Layout
from local_cluster.processes import ClusterError, CommandError

START_TIMEOUT_S = 60.0
LOCK_TIMEOUT_S = 3600.0
BUILD_TIMEOUT_S = 1800.0
TRANSFER_TIMEOUT_S = 300.0
ROLE = "dockerd"
# Where the build finds the package index, if the host is told by its environment.
_PASSED_ON = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
)


class DockerEngine:
    """``with DockerEngine(layout) as engine: engine.build(...)``. Needs root."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._run_folder = layout.state / "docker"
        self._socket = self._run_folder / "docker.sock"

    def __enter__(self) -> DockerEngine:
        for program in ("docker", "dockerd"):
            if shutil.which(program) is None:
                raise ClusterError(f"{program} is not installed (Debian package docker.io)")
        self._lock = processes.open_locked(
            self._layout.docker_lock, fcntl.LOCK_EX, LOCK_TIMEOUT_S, "another build runs"
        )
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def _start(self) -> None:
        self._end()
        self._run_folder.mkdir(parents=True, exist_ok=True)
        config = self._run_folder / "daemon.json"
        config.write_text("{}")  # not the host's /etc/docker/daemon.json
        processes.start(
            self._layout,
            ROLE,
            [
                "dockerd",
                f"--config-file={config}",
                f"--data-root={self._layout.cache / 'docker'}",
                f"--exec-root={self._run_folder / 'exec'}",
                f"--host=unix://{self._socket}",
                f"--pidfile={self._run_folder / 'docker.pid'}",
                f"--cgroup-parent=/{cgroups.DOCKER}",
                "--bridge=none",
                "--iptables=false",
            ],
        )
        processes.wait_until(
            lambda: processes.attempt([*self._docker(), "info"], timeout=10),
            "dockerd answers",
            START_TIMEOUT_S,
            hint=lambda: processes.log_tail(self._layout, ROLE),
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        try:
            self._end()
        finally:
            self._lock.close()

    def _end(self) -> None:
        processes.stop(self._layout, ROLE)
        cgroups.remove(cgroups.DOCKER)
        node.unmount_below(self._layout.cache / "docker")
        node.unmount_below(self._run_folder)
        shutil.rmtree(self._run_folder, ignore_errors=True)

    def _docker(self) -> list[str | Path]:
        return ["docker", "--host", f"unix://{self._socket}"]

    def build(
        self,
        tag: str,
        dockerfile: Path,
        context: Path,
        build_args: dict[str, str],
        timeout: float = BUILD_TIMEOUT_S,
    ) -> None:
        """`docker build`; CommandError with the end of its output if it fails."""
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        arguments = [f"--build-arg={k}={v}" for k, v in {**passed_on, **build_args}.items()]
        processes.run(
            [
                *self._docker(),
                "build",
                "--network=host",
                "--tag",
                tag,
                "--file",
                dockerfile,
                *arguments,
                context,
            ],
            env={"DOCKER_BUILDKIT": "0"},  # BuildKit is a plugin that Debian's package has not
            timeout=timeout,
        )

    def prune(self) -> None:
        """Remove the layers of builds that are a week old and have no tag any more."""
        self.run("image", "prune", "--force", "--filter=until=168h")

    def load(self, archive: Path) -> None:
        """Load an image archive into the engine, unless it has that image already."""
        if not self._has(archive, images.tag_in(archive)):
            command = [*self._docker(), "load", "--input", archive]
            processes.run(command, timeout=TRANSFER_TIMEOUT_S)

    def _has(self, archive: Path, tag: str) -> bool:
        """Whether the engine's image of this tag is the one in the archive."""
        try:
            digest = self.run("image", "inspect", "--format={{.Id}}", tag)
        except CommandError:  # no image of this tag
            return False
        return images.holds(archive, digest.strip().removeprefix("sha256:"))

    def save(self, tag: str, archive: Path) -> None:
        """Write an image of the engine to an archive, unless it is that image already."""
        if archive.exists() and self._has(archive, tag):
            return
        archive.parent.mkdir(parents=True, exist_ok=True)
        unfinished = archive.with_suffix(".new")
        command = [*self._docker(), "save", "--output", unfinished, tag]
        processes.run(command, timeout=TRANSFER_TIMEOUT_S)
        unfinished.rename(archive)

    def run(self, *args: str, timeout: float = 60.0) -> str:
        """Any other docker command (`engine.run("run", "--rm", ...)`); its output."""
        return processes.run([*self._docker(), *args], timeout=timeout)
