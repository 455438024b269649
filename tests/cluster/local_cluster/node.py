"""A node: containerd, kubelet and kube-proxy in a network namespace of their own.

Role: write a node's configuration, start it, load images into it, cut its power.
Invariant: all that a node mounts and keeps is below ``Layout.node``; a node that was killed
starts again as after a reboot (its containers are gone, its images are not).
"""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

from local_cluster import cgroups, control_plane, images, processes
from local_cluster.images import PAUSE
from local_cluster.layout import (
    CLUSTER_DOMAIN,
    HOST_ADDRESS,
    NODES,
    Layout,
    Node,
)

CNI_PLUGINS = Path("/usr/lib/cni")  # where Debian puts them
CONTAINERD_TIMEOUT_S = 20.0
IMPORT_TIMEOUT_S = 300.0
IMPORT_ATTEMPTS = 3
LEASE_S = 10

ROLES = ("containerd", "kubelet", "kube-proxy")


def start_containerd(layout: Layout, node: Node) -> None:
    """Write the configuration, start containerd and wait until it answers."""
    folder = layout.node(node)
    (folder / "cni").mkdir(parents=True, exist_ok=True)
    (folder / "cni" / "10-pods.conflist").write_text(_cni_config(layout, node))
    config = folder / "containerd.toml"
    config.write_text(_containerd_config(layout, node))
    cgroups.make(node.cgroup)
    processes.start(layout, f"{node.name}/containerd", ["containerd", "--config", config], node)
    socket = layout.containerd_socket(node)
    processes.wait_until(
        lambda: socket.exists() and processes.attempt(["ctr", "-a", socket, "version"], timeout=10),
        f"{node.name}: containerd answers",
        CONTAINERD_TIMEOUT_S,
        hint=lambda: processes.log_tail(layout, f"{node.name}/containerd"),
    )


def start_kubelet(layout: Layout, node: Node) -> None:
    """Start the kubelet and kube-proxy; the node gets Ready some seconds later."""
    folder = layout.node(node)
    config = folder / "kubelet.json"
    config.write_text(json.dumps(_kubelet_config(layout, node)))
    processes.start(
        layout,
        f"{node.name}/kubelet",
        [
            layout.bin / "kubelet",
            f"--config={config}",
            f"--kubeconfig={layout.kubeconfig(node.name)}",
            f"--root-dir={folder / 'kubelet'}",
            f"--cert-dir={folder / 'kubelet-pki'}",
            f"--hostname-override={node.name}",
            f"--node-ip={node.address}",
        ],
        node,
    )
    control_plane.start_kube_proxy(layout, node)


def import_image(layout: Layout, node: Node, archive: Path) -> None:
    """Load an image archive (`docker save` format) into the node, unless it is there already."""
    ctr: list[str | Path] = ["ctr", "-a", layout.containerd_socket(node), "-n", "k8s.io"]
    tag = images.tag_in(archive)
    note = layout.node(node) / "imported" / tag.replace("/", "_")
    state = archive.stat()
    which = f"{archive} {state.st_size} {state.st_mtime_ns}"
    if note.is_file() and note.read_text() == which:
        # The kubelet removes images when the disk is full.
        if tag in processes.run([*ctr, "images", "ls", "-q"]).split():
            return
        note.unlink()
    for left in reversed(range(IMPORT_ATTEMPTS)):
        try:
            processes.run([*ctr, "images", "import", archive], timeout=IMPORT_TIMEOUT_S)
        except processes.CommandError as error:
            # The import moved a tag away from an older image, and the collection of that one's
            # layers overtook the unpacking of this one, which shares some of them.
            if not left or "not found" not in str(error):
                raise
        else:
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(which)
            return


def kill(layout: Layout, node: Node) -> None:
    """End everything on the node at once, containers too."""
    processes.stop(layout, f"{node.name}/", at_once=True)
    cgroups.kill(node.cgroup)
    processes.stop(layout, f"{node.name}/", at_once=True)


def forget_containers(layout: Layout, node: Node) -> None:
    """Drop what a reboot drops: mounts, pod network namespaces, sockets of dead shims."""
    state = layout.containerd_state(node)
    for address in state.glob("io.containerd.runtime.v2.task/*/*/address"):
        with contextlib.suppress(OSError):
            Path(address.read_text().removeprefix("unix://")).unlink(missing_ok=True)
    unmount_below(layout.node(node))
    shutil.rmtree(state, ignore_errors=True)


def unmount_below(folder: Path) -> None:
    """Unmount everything mounted below a folder, the innermost first."""
    mounts = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        # proc(5): the fifth field is the mount point; blanks are written in octal.
        point = line.split()[4].encode().decode("unicode_escape")
        if Path(point).is_relative_to(folder):
            mounts.append(point)
    for point in reversed(mounts):
        processes.attempt(["umount", "--lazy", point])


def _containerd_config(layout: Layout, node: Node) -> str:
    folder = layout.node(node)
    runtimes = "".join(
        f"""
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}.options]
      SystemdCgroup = false
      Root = "{layout.containerd_state(node)}/runc"
"""
        for name in (["runc", "nvidia"] if node.gpus else ["runc"])
    )
    # restrict_oom_score_adj: without the right to lower oom_score_adj every pod sandbox dies
    # with "can't get final child's PID from pipe: EOF".
    return f"""
version = 2
root = "{folder}/containerd"
state = "{layout.containerd_state(node)}"
[grpc]
  address = "{layout.containerd_socket(node)}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "{folder}/cni"
{runtimes}
"""


def _cni_config(layout: Layout, node: Node) -> str:
    """Point-to-point links, not a bridge: every packet between pods is routed.

    On a bridge the answer of a Service's pod goes straight to a client pod of the same node,
    past the translation that kube-proxy set up, unless br_netfilter is loaded.
    """
    pods = {
        "type": "ptp",
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": node.pod_subnet}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(layout.node(node) / "ipam"),
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    return json.dumps({"cniVersion": "0.4.0", "name": node.netns, "plugins": [pods, ports]})


def _kubelet_config(layout: Layout, node: Node) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "clusterDNS": [HOST_ADDRESS],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": "",
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket(node)}",
        "podLogsDir": str(layout.node(node) / "pod-logs"),
        "volumePluginDir": str(layout.node(node) / "volume-plugins"),
        # A developer's disk may be nearly full, and no image can be pulled again.
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "nodeStatusUpdateFrequency": "4s",
        "nodeLeaseDurationSeconds": LEASE_S,
        "makeIPTablesUtilChains": False,
    }


def by_name(name: str) -> Node:
    """The node of that name. Raises ClusterError naming those there are."""
    for node in NODES:
        if node.name == name:
            return node
    known = ", ".join(node.name for node in NODES)
    raise processes.ClusterError(f"{name}: no such node; there are {known}")
