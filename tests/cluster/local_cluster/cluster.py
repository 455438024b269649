"""The cluster as a whole: up, down, status, and what tests do to it.

Role: the order of things; each step is another module's.
Invariants: ``up`` on a running cluster changes nothing; ``down`` removes everything from
whatever state, also one that a crash left; both hold a lock, so that two sessions on a machine
do not build the same cluster at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TextIO

from local_cluster import (
    binaries,
    certificates,
    cgroups,
    control_plane,
    images,
    made_of,
    network,
    node,
    processes,
    storage,
)
from local_cluster.docker_engine import DockerEngine
from local_cluster.layout import (
    CENTRAL,
    GPU_RESOURCE,
    HOST_ADDRESS,
    KUBECONFIG,
    NODES,
    REPOSITORY,
    STREAMER,
    Layout,
    Node,
    project_tag,
)
from local_cluster.processes import ClusterError

LOCK_TIMEOUT_S = 1800.0  # somebody else may be building Kubernetes
NODE_READY_TIMEOUT_S = 90.0
_DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
# Program -> the Debian package that has it.
NEEDED = {
    "containerd": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "iptables": "iptables",
    "nft": "nftables",
    "conntrack": "conntrack",
    "openssl": "openssl",
    "nsenter": "util-linux",
    "sysctl": "procps",
    "debootstrap": "debootstrap",
}


class LocalCluster:
    """Two nodes on this machine. Needs root."""

    def __init__(self, layout: Layout | None = None) -> None:
        self.layout = layout or Layout()
        self._users: TextIO | None = None

    @property
    def kubeconfig(self) -> Path:
        return self.layout.admin_kubeconfig

    @property
    def nodes(self) -> dict[str, str]:
        """Name -> address of each node."""
        return {its.name: its.address for its in NODES}

    @property
    def host_address(self) -> str:
        """The address at which pods reach servers of this host (a test's source, say)."""
        return HOST_ADDRESS

    def obstacles(self) -> list[str]:
        """Why this machine cannot run the cluster; empty when it can."""
        found = []
        if os.geteuid() != 0:
            found.append("not root (network namespaces, mounts and control groups need it)")
        absent = [package for name, package in NEEDED.items() if shutil.which(name) is None]
        if not (node.CNI_PLUGINS / "ptp").exists():
            absent.append("containernetworking-plugins")
        if absent:
            found.append(f"not installed: {' '.join(absent)} (Debian packages)")
        if binaries.missing(self.layout) and shutil.which("go") is None:
            found.append(f"no Go to build Kubernetes with, and none in {self.layout.bin}")
        return found

    def up(self, *, keep: bool = True) -> bool:
        """Start the cluster if it does not run; True if anything had to be started.

        ``keep``: leave it running when the test sessions that use it end.
        """
        obstacles = self.obstacles()
        if obstacles:
            raise ClusterError("; ".join(obstacles))
        with self._locked():
            started = not self._runs()
            if started:
                self._start()
            for its in NODES:
                if not self._node_runs(its):
                    self._return_node(its)
                    started = True
            storage.offer(self.layout, self.kubectl)
            if keep:
                self.layout.keep.touch()
            _copy_private(self.kubeconfig, KUBECONFIG)
        return started

    def down(self) -> None:
        """Stop and remove everything, whatever there is."""
        with self._locked():
            self._clean()

    def _runs(self) -> bool:
        return all(
            processes.is_running(self.layout, role) for role in control_plane.ROLES
        ) and control_plane.is_ready(self.layout)

    def _node_runs(self, its: Node) -> bool:
        return all(processes.is_running(self.layout, f"{its.name}/{role}") for role in node.ROLES)

    def _start(self) -> None:
        self._clean()
        binaries.ensure(self.layout)
        base = images.archive_of(self.layout, images.PYTHON_BASE)
        self.layout.state.mkdir(parents=True, mode=0o755)
        pause = images.pause_archive(self.layout)
        network.make(self.layout)
        certificates.make_all(self.layout)
        since = time.time()
        with ThreadPoolExecutor(max_workers=1 + len(NODES)) as pool:
            pending = [pool.submit(self._start_runtime, its, [pause, base]) for its in NODES]
            control_plane.start(self.layout)
            control_plane.start_rest(self.layout)
            for started in pending:
                started.result()
        for its in NODES:
            node.start_kubelet(self.layout, its)
        for its in NODES:
            self._wait_ready(its, since)

    def _start_runtime(self, its: Node, archives: list[Path]) -> None:
        node.start_containerd(self.layout, its)
        for archive in archives:
            node.import_image(self.layout, its, archive)

    def _clean(self) -> None:
        # The kubelets first: they would start again what is ended behind their back.
        for its in NODES:
            processes.stop(self.layout, f"{its.name}/kubelet", at_once=True)
            node.kill(self.layout, its)
        processes.stop(self.layout)
        for its in NODES:
            node.forget_containers(self.layout, its)
            cgroups.remove(its.cgroup)
        cgroups.remove(cgroups.DOCKER)
        network.remove(self.layout)
        node.unmount_below(self.layout.state)
        shutil.rmtree(self.layout.state, ignore_errors=True)
        _remove_traces_of_pods(self.layout)
        KUBECONFIG.unlink(missing_ok=True)

    def status(self) -> dict[str, object]:
        """What runs: `running`, `kubeconfig`, `programs` (role -> pid), `nodes` (name -> Ready)."""
        programs = {p.role: p.pid for p in processes.find(self.layout) if "shim" not in p.program}
        running = self._runs()
        ready = {its.name: self._ready_since(its) is not None for its in NODES} if running else {}
        return {
            "running": running,
            "kubeconfig": str(self.kubeconfig),
            "nodes": ready,
            "programs": dict(sorted(programs.items())),
        }

    def kubectl(self, *args: str | Path, input: str | None = None, timeout: float = 60.0) -> str:
        """Run kubectl as the administrator; its standard output. CommandError if it fails."""
        program = self.layout.bin / "kubectl"
        return processes.run(
            [program, "--kubeconfig", self.kubeconfig, *args], input=input, timeout=timeout
        )

    def kill_node(self, name: str) -> None:
        """Cut a node's power: its cable is out and everything on it, containers too, is gone."""
        its = node.by_name(name)
        with self._locked():
            network.plug(its, connected=False)
            node.kill(self.layout, its)

    def start_node(self, name: str) -> None:
        """Start a killed node again, as after a reboot, and wait until it is Ready."""
        its = node.by_name(name)
        with self._locked():
            if not self._node_runs(its):
                self._return_node(its)

    def _return_node(self, its: Node) -> None:
        node.kill(self.layout, its)
        node.forget_containers(self.layout, its)
        network.plug(its, connected=True)
        since = time.time()
        node.start_containerd(self.layout, its)
        node.start_kubelet(self.layout, its)
        self._wait_ready(its, since)

    def load_image(self, image: str | Path) -> str:
        """Load an image into every node; its tag.

        ``image`` is an archive (`docker save` format), or the tag of one of `images.RECIPES`.
        """
        path = Path(image)
        if not path.is_file():
            path = images.archive_of(self.layout, str(image))
        tag = images.tag_in(path)
        with ThreadPoolExecutor(max_workers=len(NODES)) as pool:
            list(pool.map(lambda its: node.import_image(self.layout, its, path), NODES))
        return tag

    def build_image(
        self,
        tag: str,
        dockerfile: Path,
        context: Path,
        build_args: dict[str, str] | None = None,
    ) -> Path:
        """`docker build` an image and load it into every node; its archive.

        ``BASE_IMAGE`` is the local Python base unless given. The engine runs for the build only;
        its layers stay in the cache.
        """
        base = images.archive_of(self.layout, images.PYTHON_BASE)
        arguments = {"BASE_IMAGE": images.PYTHON_BASE, **(build_args or {})}
        archive = self._built(tag)
        with DockerEngine(self.layout) as engine:
            engine.load(base)
            engine.build(tag, dockerfile, context, arguments)
            engine.save(tag, archive)
            engine.prune()
        self.load_image(archive)
        return archive

    def _built(self, tag: str) -> Path:
        """The archive of an image that is built here."""
        return self.layout.images / "built" / f"{tag.replace('/', '_').replace(':', '_')}.tar"

    def images(self) -> dict[str, str]:
        """The project's images and PostgreSQL's, built from what is here, on every node."""
        tags = {name: project_tag(name) for name in (STREAMER, CENTRAL)}
        base = images.archive_of(self.layout, images.PYTHON_BASE)
        for name, tag in tags.items():
            dockerfile = REPOSITORY / f"{name}-image" / "Dockerfile"
            inputs = made_of.digest(dockerfile, REPOSITORY, base.name)
            archive = self._built(tag)
            if made_of.is_made_of(archive, inputs):
                self.load_image(archive)
                continue
            made_of.forget(archive)
            made_of.remember(self.build_image(tag, dockerfile, REPOSITORY), inputs)
        return {**tags, "postgres": self.load_image(images.POSTGRES)}

    def service_url(self, namespace: str, name: str, port: int) -> str:
        """Base URL of a Service: this host routes the cluster's addresses."""
        shown = ["get", "service", name, "-o", "jsonpath={.spec.clusterIP}"]
        return f"http://{self.kubectl('-n', namespace, *shown)}:{port}"

    def need_addresses(self) -> None:
        """This host reaches Services and nodes at their own addresses."""

    def acquire(self) -> None:
        """Bring the cluster up for a test session, and keep other sessions from stopping it."""
        self._users = processes.open_locked(
            self.layout.users, fcntl.LOCK_SH, LOCK_TIMEOUT_S, "a session stops the cluster"
        )
        self.up(keep=False)

    def release(self) -> None:
        """End a session's use; the last session stops the cluster, unless it is to be kept."""
        if self._users is None:
            return
        if os.environ.get("KEEP_CLUSTER") == "1":
            self.layout.keep.touch()
        alone = True
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            alone = False
        if alone and not self.layout.keep.exists():
            self.down()
        self._users.close()
        self._users = None

    def _wait_ready(self, its: Node, since: float) -> None:
        """Wait for a heartbeat newer than ``since`` (Unix seconds) that says Ready, and the GPUs.

        The kubelet clears extended resources it does not know when it registers, so they are
        set after that.
        """

        def is_ready() -> bool:
            heartbeat = self._ready_since(its)
            return heartbeat is not None and heartbeat >= int(since)

        processes.wait_until(
            is_ready,
            f"{its.name} Ready",
            NODE_READY_TIMEOUT_S,
            poll=0.5,
            hint=lambda: processes.log_tail(self.layout, f"{its.name}/kubelet"),
        )
        if its.gpus:
            processes.wait_until(
                lambda: self._fake_gpus(its), f"{its.name} offers {GPU_RESOURCE}", 30.0, poll=0.5
            )

    def _ready_since(self, its: Node) -> float | None:
        """The time of the last heartbeat, in Unix seconds; None if the node is not Ready."""
        try:
            found = json.loads(self.kubectl("get", "node", its.name, "-o", "json", timeout=10))
        except ClusterError:
            return None
        for condition in found["status"].get("conditions", []):
            if condition["type"] == "Ready" and condition["status"] == "True":
                return datetime.fromisoformat(condition["lastHeartbeatTime"]).timestamp()
        return None

    def _fake_gpus(self, its: Node) -> bool:
        """Write the node's GPUs into its status; True once the kubelet has taken them over."""
        query = ["get", "node", its.name, "-o", "json"]
        status = json.loads(self.kubectl(*query))["status"]
        if status["allocatable"].get(GPU_RESOURCE) == str(its.gpus):
            return True
        patch = {"status": {"capacity": {GPU_RESOURCE: str(its.gpus)}}}
        arguments = ["patch", "node", its.name, "--subresource=status", "--type=merge"]
        self.kubectl(*arguments, "-p", json.dumps(patch))
        return False

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with processes.open_locked(
            self.layout.lock, fcntl.LOCK_EX, LOCK_TIMEOUT_S, "another process changes the cluster"
        ):
            yield


def _copy_private(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    target.write_text(source.read_text())


def _remove_traces_of_pods(layout: Layout) -> None:
    """Remove the few files whose place the CNI library and the kubelet do not let us choose."""
    for result in Path("/var/lib/cni/results").glob("*"):
        # Each names its pod's network namespace, which lies in our state directory.
        if str(layout.state) in result.read_text(errors="replace"):
            result.unlink()
    for link in Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(layout.state):
            link.unlink()
    (_DEVICE_PLUGINS / "kubelet.sock").unlink(missing_ok=True)
    for folder in (_DEVICE_PLUGINS, _DEVICE_PLUGINS.parent):
        with contextlib.suppress(OSError):  # absent, or not only ours
            folder.rmdir()
