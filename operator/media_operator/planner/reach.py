"""Where viewers reach the pods of a tier: what statuses and play URLs say.

Invariant: an address is told only if something of ours listens there. RTMP and the like have a port
in the Service (SRT where the resource says which), and on the node only where the resource says
which: a node has port 1935 once, and pools share nodes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from media_operator.objects import Object, PodObject, Snapshot, TierObject
from media_operator.render import common

TOLD = ("rtmp", "rtsp", "srt")
"""Listeners with addresses of their own; peers of WebRTC are told theirs when they call."""


@dataclass(frozen=True, slots=True)
class Reach:
    """An address for viewers."""

    http_url: str
    """http(s)://HOST[:PORT]"""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Other listeners of the same host that can be reached there, by name."""
    is_known: bool = True
    """Or the name within the cluster stands in for an address outside of it that comes later."""


def reach(tier: TierObject, pod: PodObject, snapshot: Snapshot) -> Reach:
    """Of the pod: public URL, the node's port that the pod has, or the tier's Service.

    The pod says which port, not the resource: between an edit and the new pod they differ.
    """
    if tier.spec.get("publicUrl"):
        return Reach(str(tier.spec["publicUrl"]), tier.spec.get("publicPorts") or {})
    if "http" in pod.host_ports and pod.host_ip:
        ports = {name: pod.host_ports[name] for name in TOLD if name in pod.host_ports}
        return Reach(f"http://{_bracketed(pod.host_ip)}:{pod.host_ports['http']}", ports)
    return _by_service(tier, snapshot)


def _by_service(tier: TierObject, snapshot: Snapshot) -> Reach:
    """Load balancer, node ports, or the name inside the cluster."""
    name = common.child_name(tier)
    service = snapshot.children.get(("Service", tier.namespace, name)) or {}
    ports = common.service_ports() if tier.kind == "Streamer" else {}
    if srt := common.service_srt(tier):
        ports["srt"] = srt
    balancer = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    if balancer:
        host = balancer[0].get("ip") or balancer[0].get("hostname") or ""
        return Reach(f"http://{_bracketed(host)}", ports)
    node_ports = _node_ports(service)
    hosts = _host_ips(tier, snapshot)
    if node_ports.get("http") and hosts:
        http = node_ports.pop("http")
        return Reach(f"http://{_bracketed(hosts[0])}:{http}", node_ports)
    is_known = not node_ports.get("http")  # which no node answers before a pod is ready
    return Reach(f"http://{name}.{tier.namespace}.svc", ports, is_known)


def _node_ports(service: Object) -> dict[str, int]:
    ports = (service.get("spec") or {}).get("ports") or []
    return {port.get("name", ""): port["nodePort"] for port in ports if port.get("nodePort")}


def _host_ips(tier: TierObject, snapshot: Snapshot) -> list[str]:
    """Addresses of nodes with a ready pod; those whose pods answer nobody only if all are so.

    Kubernetes calls the pods of a dead node ready for a while, and who calls that node waits long
    in vain: nothing there refuses him.
    """
    silent = tier.status.get("silentAddresses") or ()

    def is_serving(pod: PodObject) -> bool:
        owner = (pod.namespace, pod.tier_kind, pod.tier)
        return owner == (tier.namespace, tier.kind.lower(), tier.name) and pod.ready

    serving = [pod for pod in snapshot.pods.values() if is_serving(pod) and pod.host_ip]
    answering = [pod for pod in serving if pod.address not in silent]
    return sorted(pod.host_ip for pod in answering or serving)


def _bracketed(host: str) -> str:
    """As it stands in a URL (RFC 3986 section 3.2.2)."""
    return f"[{host}]" if ":" in host else host
