"""Where viewers reach the pods of a tier: what statuses and play URLs say.

Invariant: an address is told only if something of ours listens there. RTMP has a port in the
Service, and none on the node: a node has port 1935 once, and pools share nodes.
"""

from dataclasses import dataclass
from typing import Any

from media_operator.objects import Object, PodObject, Snapshot, TierObject
from media_operator.render import common


@dataclass(frozen=True, slots=True)
class Reach:
    """An address for viewers."""

    http_url: str
    """http(s)://HOST[:PORT]"""
    rtmp_port: int | None
    """Of the same host; None if RTMP cannot be reached there, or nobody knows."""


def reach(tier: TierObject, host_ip: str, snapshot: Snapshot) -> Reach:
    """Of the pod on the node at `host_ip`: public URL, node's port, or the tier's Service."""
    spec = tier.spec
    if spec.get("publicUrl"):
        return Reach(str(spec["publicUrl"]), None)
    if spec.get("hostPort") and host_ip:
        return Reach(f"http://{_bracketed(host_ip)}:{spec['hostPort']}", None)
    return _by_service(tier, snapshot)


def _by_service(tier: TierObject, snapshot: Snapshot) -> Reach:
    """Load balancer, node ports, or the name inside the cluster."""
    name = common.child_name(tier)
    service = snapshot.children.get(("Service", tier.namespace, name)) or {}
    has_rtmp = tier.kind == "Streamer"
    balancer = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    rtmp_port = common.RTMP_PORT if has_rtmp else None
    if balancer:
        host = balancer[0].get("ip") or balancer[0].get("hostname") or ""
        return Reach(f"http://{_bracketed(host)}", rtmp_port)
    node_ports = _node_ports(service)
    hosts = _host_ips(tier, snapshot)
    if node_ports.get("http") and hosts:
        return Reach(f"http://{_bracketed(hosts[0])}:{node_ports['http']}", node_ports.get("rtmp"))
    return Reach(f"http://{name}.{tier.namespace}.svc", rtmp_port)


def _node_ports(service: Object) -> dict[str, Any]:
    ports = (service.get("spec") or {}).get("ports") or []
    return {port.get("name", ""): port.get("nodePort") for port in ports}


def _host_ips(tier: TierObject, snapshot: Snapshot) -> list[str]:
    def is_serving(pod: PodObject) -> bool:
        owner = (pod.namespace, pod.tier_kind, pod.tier)
        return owner == (tier.namespace, tier.kind.lower(), tier.name) and pod.ready

    return sorted(p.host_ip for p in snapshot.pods.values() if is_serving(p) and p.host_ip)


def _bracketed(host: str) -> str:
    """As it stands in a URL (RFC 3986 section 3.2.2)."""
    return f"[{host}]" if ":" in host else host
