"""Names, addresses and paths of the local cluster.

Role: the one place that says what is called how and lies where.
Invariants: every path is below ``Layout.state`` (what a cluster is) or ``Layout.cache`` (what
outlives it); every kernel object's name starts with ``mc-``. Unix socket paths are limited to
107 bytes (unix(7)), which is why the state directory is not in the repository.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

KUBERNETES_VERSION = "1.34.4"

BRIDGE = "mc-br0"
HOST_ADDRESS = "172.30.0.1"
NODE_NETWORK = "172.30.0.0/24"
POD_NETWORK = "10.244.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
# The first address of the service network is always that of the service `kubernetes`.
API_SERVICE_ADDRESS = "10.96.0.1"
API_PORT = 6443
API_URL = f"https://{HOST_ADDRESS}:{API_PORT}"
CLUSTER_DOMAIN = "cluster.local"
GPU_RESOURCE = "nvidia.com/gpu"

PACKAGE = Path(__file__).resolve().parent
MODULES = PACKAGE.parent / "kubernetes"
REPOSITORY = PACKAGE.parents[2]
KUBECONFIG = REPOSITORY / ".cache" / "cluster" / "kubeconfig"


@dataclass(frozen=True)
class Node:
    """One node: a network namespace with its own containerd, kubelet and kube-proxy."""

    name: str
    index: int
    gpus: int = 0

    @property
    def address(self) -> str:
        return f"172.30.0.{10 + self.index}"

    @property
    def pod_subnet(self) -> str:
        return f"10.244.{self.index}.0/24"

    @property
    def netns(self) -> str:
        return f"mc-{self.name}"

    @property
    def veth(self) -> str:
        """The host's end of the node's cable (an interface name has at most 15 bytes)."""
        return f"mc-veth{self.index}"

    @property
    def cgroup(self) -> str:
        return f"mc-{self.name}"


NODES = (Node("node-1", 1), Node("node-2", 2, gpus=2))


STREAMER, CENTRAL = "streamer", "central"
"""What the project's images are called here."""


def project_tag(name: str) -> str:
    """Of an image of the project that is built here."""
    return f"localhost/media-appliance/{name}:test"


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "media-appliance"


@dataclass(frozen=True)
class Layout:
    """Where a cluster keeps what it needs."""

    # One cluster a machine: its addresses and the names of its network are fixed.
    state: Path = Path("/var/lib/media-cluster")
    cache: Path = field(default_factory=_default_cache)

    @property
    def lock(self) -> Path:
        """Held while the cluster changes; beside the state directory, which `down` removes."""
        return self.state.with_suffix(".lock")

    @property
    def docker_lock(self) -> Path:
        """Held while a Docker engine of ours runs."""
        return self.state.with_suffix(".docker-lock")

    @property
    def users(self) -> Path:
        """Held shared by every test session that uses the cluster: the last one stops it."""
        return self.state.with_suffix(".users")

    @property
    def keep(self) -> Path:
        """Present when `up` was asked for by a person: test sessions then leave it running."""
        return self.state / "keep"

    @property
    def bin(self) -> Path:
        return self.cache / f"kubernetes-{KUBERNETES_VERSION}" / "bin"

    @property
    def images(self) -> Path:
        return self.cache / "images"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def volumes(self) -> Path:
        return self.state / "volumes"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.kubeconfig("admin")

    def kubeconfig(self, identity: str) -> Path:
        return self.state / "kubeconfigs" / f"{identity}.json"

    def node(self, node: Node) -> Path:
        return self.state / node.name

    def containerd_socket(self, node: Node) -> Path:
        return self.node(node) / "containerd.sock"

    def containerd_state(self, node: Node) -> Path:
        return self.node(node) / "run"
