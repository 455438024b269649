"""Which cluster the tests use: the user's (KUBECONFIG), kind, or the local one.

Role: one interface for the three. What a foreign cluster cannot do (cutting a node's power)
raises NotSupported, and the test that needs it is skipped with that reason.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Protocol

from local_cluster import processes
from local_cluster.cluster import LocalCluster
from local_cluster.forwards import Forwards
from local_cluster.layout import CENTRAL, GPU_RESOURCE, STREAMER, Layout
from local_cluster.processes import ClusterError

KIND_NAME = "media-cluster"
KIND_IMAGE = "kindest/node"
KIND_TIMEOUT_S = 300.0
IMAGE_VARIABLES = {
    STREAMER: "STREAMER_IMAGE",
    CENTRAL: "CENTRAL_IMAGE",
    "postgres": "POSTGRES_IMAGE",
    "next": "NEXT_STREAMER_IMAGE",
}
"""Image -> the variable that names it for a cluster into which the tests load none."""


class NotSupported(ClusterError):  # noqa: N818
    """This kind of cluster cannot do that; the message says why."""


class Cluster(Protocol):
    """What tests may ask of a cluster."""

    @property
    def kubeconfig(self) -> Path: ...
    @property
    def nodes(self) -> dict[str, str]: ...
    @property
    def host_address(self) -> str: ...

    def kubectl(
        self, *args: str | Path, input: str | None = None, timeout: float = 60.0
    ) -> str: ...
    def images(self) -> dict[str, str]: ...
    def service_url(self, namespace: str, name: str, port: int) -> str: ...
    def need_addresses(self) -> None: ...
    def kill_node(self, name: str) -> None: ...
    def start_node(self, name: str) -> None: ...
    def load_image(self, image: str | Path) -> str: ...
    def build_image(
        self,
        tag: str,
        dockerfile: Path,
        context: Path,
        build_args: dict[str, str] | None = None,
    ) -> Path: ...
    def obstacles(self) -> list[str]: ...
    def acquire(self) -> None: ...
    def release(self) -> None: ...


class ExternalCluster:
    """The cluster of a kubeconfig. It is used as it is, never started, changed or stopped.

    The images are those that the environment names (`IMAGE_VARIABLES`). Services are reached by
    forwarded ports, unless `CLUSTER_ADDRESSES=direct` says that this machine has routes to them.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._forwards = Forwards(kubeconfig)

    @property
    def kubeconfig(self) -> Path:
        return self._kubeconfig

    @property
    def nodes(self) -> dict[str, str]:
        found = json.loads(self.kubectl("get", "nodes", "-o", "json"))["items"]
        return {
            item["metadata"]["name"]: next(
                a["address"] for a in item["status"]["addresses"] if a["type"] == "InternalIP"
            )
            for item in found
        }

    @property
    def host_address(self) -> str:
        raise NotSupported("how pods of a foreign cluster reach this host is not known")

    def kubectl(self, *args: str | Path, input: str | None = None, timeout: float = 60.0) -> str:
        """Run kubectl; its standard output. CommandError if it fails."""
        return processes.run(
            ["kubectl", "--kubeconfig", self.kubeconfig, *args], input=input, timeout=timeout
        )

    def images(self) -> dict[str, str]:
        """Those that the environment names; NotSupported without the project's two."""
        named = {name: os.environ.get(variable) for name, variable in IMAGE_VARIABLES.items()}
        lacking = [IMAGE_VARIABLES[name] for name in (STREAMER, CENTRAL) if not named[name]]
        if lacking:
            raise NotSupported(
                f"set {' and '.join(lacking)} to images of this repository that the cluster of"
                f" {self.kubeconfig} has or can pull"
            )
        return {name: image for name, image in named.items() if image}

    def service_url(self, namespace: str, name: str, port: int) -> str:
        """Base URL of a Service, by its own address or a forwarded port."""
        if not _has_routes():
            return self._forwards.url(namespace, name, port)
        shown = ["get", "service", name, "-o", "jsonpath={.spec.clusterIP}"]
        return f"http://{self.kubectl('-n', namespace, *shown)}:{port}"

    def need_addresses(self) -> None:
        """NotSupported where this machine does not reach Services and nodes themselves."""
        if not _has_routes():
            raise NotSupported(
                "it needs routes to the addresses of Services and nodes; if this machine has them,"
                " set CLUSTER_ADDRESSES=direct"
            )

    def kill_node(self, name: str) -> None:
        raise NotSupported(f"{name} is not ours to kill: the cluster is that of KUBECONFIG")

    def start_node(self, name: str) -> None:
        raise NotSupported(f"{name} is not ours to start: the cluster is that of KUBECONFIG")

    def load_image(self, image: str | Path) -> str:
        raise NotSupported(f"{image} cannot be loaded into the cluster of {self.kubeconfig}")

    def build_image(
        self,
        tag: str,
        dockerfile: Path,
        context: Path,
        build_args: dict[str, str] | None = None,
    ) -> Path:
        raise NotSupported(f"{tag} cannot be loaded into the cluster of {self.kubeconfig}")

    def obstacles(self) -> list[str]:
        if shutil.which("kubectl") is None:
            return ["KUBECONFIG is set, but kubectl is not installed"]
        if not processes.attempt(
            ["kubectl", "--kubeconfig", self.kubeconfig, "get", "--raw", "/readyz"]
        ):
            return [f"the cluster of KUBECONFIG ({self.kubeconfig}) does not answer"]
        return []

    def acquire(self) -> None:
        """Nothing to start."""

    def release(self) -> None:
        """End the forwarding of ports."""
        self._forwards.close()


class KindCluster(ExternalCluster):
    """A kind cluster of one control plane and two workers, the second with two faked GPUs."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout.cache / "kind" / "kubeconfig")
        self._made = False

    def acquire(self) -> None:
        if KIND_NAME in processes.run(["kind", "get", "clusters"]).split():
            return
        roles = "".join(f"- role: {role}\n" for role in ("control-plane", "worker", "worker"))
        config = f"kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n{roles}"
        self.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        processes.run(
            [
                "kind",
                "create",
                "cluster",
                "--name",
                KIND_NAME,
                "--config",
                "-",
                "--wait",
                "120s",
                "--kubeconfig",
                str(self.kubeconfig),
                "--image",
                _kind_image(),
            ],
            input=config,
            timeout=KIND_TIMEOUT_S,
        )
        self._made = True
        self._fake_gpus()

    def _fake_gpus(self) -> None:
        patch = json.dumps({"status": {"capacity": {GPU_RESOURCE: "2"}}})
        node = f"{KIND_NAME}-worker2"
        self.kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p", patch)

    def release(self) -> None:
        super().release()
        if self._made and os.environ.get("KEEP_CLUSTER") != "1":
            processes.run(["kind", "delete", "cluster", "--name", KIND_NAME], timeout=120)

    def kill_node(self, name: str) -> None:
        processes.run(["docker", "kill", name])

    def start_node(self, name: str) -> None:
        processes.run(["docker", "start", name])
        self.kubectl("wait", "--for=condition=Ready", f"node/{name}", "--timeout=90s", timeout=100)
        if name.endswith("worker2"):
            self._fake_gpus()

    def load_image(self, image: str | Path) -> str:
        kind = "image-archive" if Path(image).is_file() else "docker-image"
        processes.run(
            ["kind", "load", kind, str(image), "--name", KIND_NAME], timeout=KIND_TIMEOUT_S
        )
        return str(image)


def _has_routes() -> bool:
    return os.environ.get("CLUSTER_ADDRESSES") == "direct"


def _kind_image() -> str:
    """The newest node image the engine has; empty when there is none."""
    listing = ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", KIND_IMAGE]
    try:
        return (processes.run(listing, timeout=10).split() or [""])[0]
    except ClusterError:
        return ""


def choose(layout: Layout | None = None) -> Cluster:
    """The cluster to test on: KUBECONFIG's, else kind if it can start, else the local one."""
    layout = layout or Layout()
    named = os.environ.get("KUBECONFIG")
    if named and not _is_local(layout, Path(named)):
        return ExternalCluster(Path(named))
    if not named and shutil.which("kind") and shutil.which("docker") and _kind_image():
        return KindCluster(layout)
    return LocalCluster(layout)


def _is_local(layout: Layout, kubeconfig: Path) -> bool:
    """Whether a kubeconfig is a copy of the local cluster's."""
    try:
        return kubeconfig.read_bytes() == layout.admin_kubeconfig.read_bytes()
    except OSError:
        return False
