"""Ports of the nodes for pools that ask to be given some (`hostPorts.allot`). Pure.

A node has port 1935 once, and pools share nodes: each pool gets numbers that no other one has or
asks for, whichever nodes its pods are on. What was allotted stays (`status.hostPorts`), for viewers
know it, as long as no resource claims the number by its spec.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from media_operator.objects import Snapshot, TierObject
from media_operator.settings import Settings


def with_allotted(snapshot: Snapshot, settings: Settings) -> Snapshot:
    """The snapshot with the specs of such pools as if they named their ports themselves."""
    asking = [tier for tier in snapshot.tiers.values() if asked_of(tier)]
    if not asking:
        return snapshot
    # Who has numbers comes before who has none: else a new pool of an earlier name would take them.
    asking.sort(key=lambda tier: (not allotted_to(tier), tier.created, tier.key))
    taken = {port for tier in snapshot.tiers.values() for port in _named(tier)}
    tiers = dict(snapshot.tiers)
    for tier in asking:
        ports = _allot(tier, taken, settings.host_ports)
        taken |= set(ports.values())
        tiers[tier.kind, tier.namespace, tier.name] = _as_named(tier, ports)
    return replace(snapshot, tiers=tiers)


def asked_of(tier: TierObject) -> list[str]:
    """Listeners for which a pool wants ports and names none itself."""
    ports = tier.spec.get("hostPorts") or {}
    named = {name for name, port in ports.items() if port}  # `rtmp: null` names none
    named |= {"http"} if tier.spec.get("hostPort") else set()
    return [name for name in ports.get("allot") or [] if name not in named]


def allotted_to(tier: TierObject) -> Mapping[str, int]:
    """What it was given before."""
    found: Mapping[str, int] = tier.status.get("hostPorts") or {}
    return found


def status_of(tier: TierObject) -> dict[str, int]:
    """What to keep of a pool as `with_allotted` made it."""
    spec = tier.spec.get("hostPorts") or {}
    ports = {**spec, "http": tier.spec.get("hostPort")}
    return {name: int(ports[name]) for name in spec.get("allot") or [] if ports.get(name)}


def _named(tier: TierObject) -> Iterable[int]:
    """Numbers that a resource claims by its spec; of WebRTC's the first eight."""
    spec = tier.spec
    ports = {name: port for name, port in (spec.get("hostPorts") or {}).items() if name != "allot"}
    if webrtc := ports.pop("webrtc", None):
        yield from range(int(webrtc), int(webrtc) + 8)
    yield from (int(port) for port in ports.values() if port)
    yield from (int(spec[key]) for key in ("hostPort", "adminHostPort") if spec.get(key))


def _allot(tier: TierObject, taken: set[int], among: range) -> dict[str, int]:
    """Numbers by listener; a listener for which none is left has none."""
    before = allotted_to(tier)
    kept = {
        name: before[name]
        for name in asked_of(tier)
        if before.get(name) in among and before[name] not in taken
    }
    free = (port for port in among if port not in taken and port not in kept.values())
    fresh = zip((name for name in asked_of(tier) if name not in kept), free, strict=False)
    return {**kept, **dict(fresh)}


def _as_named(tier: TierObject, ports: Mapping[str, int]) -> TierObject:
    others = {name: port for name, port in ports.items() if name != "http"}
    spec = {**tier.spec, "hostPorts": {**tier.spec["hostPorts"], **others}}
    if "http" in ports:
        spec["hostPort"] = ports["http"]
    return replace(tier, spec=spec)
