"""The wires of the cluster: a bridge, a network namespace a node, routes to the pods.

Role: make and remove what the kernel keeps for us.
Invariants: no address translation between pods, nodes and host, so everyone sees true source
addresses; nothing leaves the machine: what a pod sends anywhere but to the cluster or to this
host is rejected at once. `remove` undoes `make` from any half-made state.
"""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path

from local_cluster.layout import (
    BRIDGE,
    HOST_ADDRESS,
    NODE_NETWORK,
    NODES,
    POD_NETWORK,
    SERVICE_NETWORK,
    Layout,
    Node,
)
from local_cluster.processes import ClusterError, attempt, run

_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
# Inserted before any other rule: a Docker engine on the host sets the policy to DROP.
_FORWARD_RULES = (
    ["-i", BRIDGE, "-o", BRIDGE, "-j", "ACCEPT"],
    ["-i", BRIDGE, "-j", "REJECT"],
)


def conflicts() -> list[str]:
    """Routes of this host that overlap the cluster's networks, as `NETWORK via DEVICE`."""
    ours = [ipaddress.ip_network(n) for n in (NODE_NETWORK, POD_NETWORK, SERVICE_NETWORK)]
    found = []
    for route in json.loads(run(["ip", "-j", "-4", "route", "show", "table", "all"])):
        if route["dst"] == "default" or route.get("dev") == BRIDGE:
            continue
        network = ipaddress.ip_network(route["dst"], strict=False)
        if any(network.overlaps(own) for own in ours):
            found.append(f"{route['dst']} via {route.get('dev', 'no device')}")
    return found


def make(layout: Layout) -> None:
    """Make the bridge and every node's network namespace."""
    taken = conflicts()
    if taken:
        raise ClusterError(f"this host already uses the cluster's networks: {', '.join(taken)}")
    (layout.state / "ip_forward").write_text(_FORWARDING.read_text())
    _FORWARDING.write_text("1")
    run(["ip", "link", "add", BRIDGE, "type", "bridge"])
    run(["ip", "address", "add", f"{HOST_ADDRESS}/24", "dev", BRIDGE])
    run(["ip", "link", "set", BRIDGE, "up"])
    for node in NODES:
        _make_node(node)
    for position, rule in enumerate(_FORWARD_RULES, start=1):
        run(["iptables", "-w", "10", "-I", "FORWARD", str(position), *rule])


def _make_node(node: Node) -> None:
    run(["ip", "netns", "add", node.netns])
    run(
        [
            "ip",
            "link",
            "add",
            node.veth,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            node.netns,
        ]
    )
    run(["ip", "link", "set", node.veth, "master", BRIDGE, "up"])
    inside = ["ip", "-n", node.netns]
    run([*inside, "address", "add", f"{node.address}/24", "dev", "eth0"])
    run([*inside, "link", "set", "lo", "up"])
    run([*inside, "link", "set", "eth0", "up"])
    run([*inside, "route", "add", "default", "via", HOST_ADDRESS])
    run(["nsenter", f"--net=/run/netns/{node.netns}", "sysctl", "-qw", "net.ipv4.ip_forward=1"])
    run(["ip", "route", "add", node.pod_subnet, "via", node.address, "dev", BRIDGE])


def plug(node: Node, *, connected: bool) -> None:
    """Pull a node's cable, or put it back."""
    run(["ip", "link", "set", node.veth, "up" if connected else "down"])


def remove(layout: Layout) -> None:
    """Remove everything that `make` and the programs of the nodes left in the kernel."""
    for rule in _FORWARD_RULES:
        while attempt(["iptables", "-w", "10", "-D", "FORWARD", *rule]):
            pass
    for family in ("ip", "ip6"):  # the host's own kube-proxy
        attempt(["nft", "delete", "table", family, "kube-proxy"])
    for node in NODES:
        attempt(["ip", "link", "delete", node.veth])
        attempt(["ip", "netns", "delete", node.netns])
    attempt(["ip", "link", "delete", BRIDGE])
    before = layout.state / "ip_forward"
    if before.exists():
        _FORWARDING.write_text(before.read_text())
