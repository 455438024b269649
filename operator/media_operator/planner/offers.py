"""Streamers as placement sees them: the pods of the pools, and the external servers."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

from media_api.hostnames import pod_hostname

from media_operator.objects import Object, PodObject, Snapshot, TierObject, dvr_place
from media_operator.planner.actions import Plan
from media_operator.planner.archives import ArchiveWish, Storages
from media_operator.planner.encoding import MIB, THOUSAND, Encoding
from media_operator.planner.placement import DEFAULT_CHANNEL_LIMIT, StreamerOffer
from media_operator.planner.reach import Reach, reach
from media_operator.quantity import quantity
from media_operator.render.archive import archive_of, mount_path, storages_of
from media_operator.render.common import child_name, selector
from media_operator.render.streamer import gpu_count
from media_operator.settings import Settings

NOT_READY_GRACE_SECONDS = 4.0
"""A pod that misses two readiness probes keeps its streams: moving costs more than the blip."""

CONFIG_ROOT = "/etc/flussonic"
_TEMPLATE = re.compile(r"(?m)^\s*template\s+[\"']?([^\s{;\"']+)")
"""A template's block in a configuration file."""


@dataclass(frozen=True, slots=True)
class Server:
    """One streamer with what its streams' statuses say of it."""

    offer: StreamerOffer
    reach: Reach
    starting: bool
    problem: str
    ordinal: int = 0
    waits_seconds: int = 0
    """So long a stream waits for it, once it is away, that is recorded on its volume."""

    @property
    def keeps_archives(self) -> bool:
        """It has a volume, and comes back with it."""
        return self.waits_seconds > 0


def servers(
    namespace: str, snapshot: Snapshot, settings: Settings, now: datetime, plan: Plan
) -> list[Server]:
    """All streamers of a namespace."""
    pods_of: dict[str, list[PodObject]] = {}
    for pod in snapshot.pods.values():
        if pod.namespace == namespace and pod.tier_kind == "streamer":
            pods_of.setdefault(pod.tier, []).append(pod)
    result = []
    for (kind, tier_namespace, name), tier in snapshot.tiers.items():
        if kind != "Streamer" or tier_namespace != namespace:
            continue
        if is_shadowed(tier, snapshot):
            continue
        if tier.external:
            result.append(_external(tier))
        else:
            pods = pods_of.get(name, [])
            result += [_pod(tier, pod, snapshot, settings, now, plan) for pod in pods]
            result += _away(tier, {pod.ordinal for pod in pods}, settings)
    return result


def _pod(
    tier: TierObject,
    pod: PodObject,
    snapshot: Snapshot,
    settings: Settings,
    now: datetime,
    plan: Plan,
) -> Server:
    # Central asks the pods itself: Kubernetes calls those of a dead node ready for a while.
    silent = pod.address in (tier.status.get("silentAddresses") or ())
    online = pod.ready and not silent
    if not pod.ready and pod.ready_since is not None and not pod.problem:
        blip = (now - pod.ready_since).total_seconds()
        was_ready = tier.status.get("readyReplicas", 0) > 0
        if was_ready and blip < NOT_READY_GRACE_SECONDS and pod.terminating_until is None:
            online = True
            plan.look_again(NOT_READY_GRACE_SECONDS - blip)
    return Server(
        offer=StreamerOffer(
            hostname=pod_hostname(pod.name, pod.namespace, cluster_wide=settings.cluster_wide),
            pool=tier.name,
            pod=pod.name,
            online=online,
            draining=pod.terminating_until is not None or tier.deleting,
            labels={**pod.labels, **tier.labels},
            has_gpu=gpu_count(tier) > 0,
            spare=is_surge(tier, pod),
            templates=templates_of(tier),
            channel_limit=int(tier.spec.get("channelLimit") or DEFAULT_CHANNEL_LIMIT),
            bandwidth_kbit=_bandwidth_kbit(tier),
            storages=storages(tier),
            encoding=_encoding(tier),
        ),
        reach=reach(tier, pod, snapshot),
        starting=not pod.ready and not pod.problem and pod.terminating_until is None,
        problem=pod.problem or ("it does not answer" if silent else ""),
        ordinal=pod.ordinal,
        waits_seconds=0 if is_surge(tier, pod) or tier.deleting else _waits_seconds(tier),
    )


def _away(tier: TierObject, there: set[int], settings: Settings) -> list[Server]:
    """Pods with archive volumes that are between two lives: streams may wait for them."""
    if archive_of(tier) is None or tier.deleting:
        return []
    next_one = offer_of_next(tier, settings)
    result = []
    for ordinal in range(int(tier.status.get("replicas") or 0)):
        if ordinal in there:
            continue
        pod = f"{child_name(tier)}-{ordinal}"
        hostname = pod_hostname(pod, tier.namespace, cluster_wide=settings.cluster_wide)
        offer = replace(next_one, hostname=hostname, pod=pod, online=False)
        result.append(
            Server(offer, Reach(""), True, "its pod is not there", ordinal, _waits_seconds(tier))
        )
    return result


def _waits_seconds(tier: TierObject) -> int:
    archive = archive_of(tier)
    return int(archive.get("moveAfterSeconds", 300)) if archive else 0


def is_surge(tier: TierObject, pod: PodObject) -> bool:
    """Whether the pod is there only while others are replaced."""
    return pod.ordinal >= int(tier.status.get("replicas") or 1)


def _external(tier: TierObject) -> Server:
    """A server outside the cluster; Central's condition `Reachable` says whether it answers."""
    conditions: list[Object] = tier.status.get("conditions") or []
    reachable: Object = next((c for c in conditions if c.get("type") == "Reachable"), {})
    spec = tier.spec
    return Server(
        offer=StreamerOffer(
            hostname=tier.name,
            pool=tier.name,
            online=reachable.get("status") != "False",
            draining=tier.deleting,
            labels=tier.labels,
            has_gpu=gpu_count(tier) > 0,
            templates=templates_of(tier),
            channel_limit=int(spec.get("channelLimit") or DEFAULT_CHANNEL_LIMIT),
            bandwidth_kbit=_bandwidth_kbit(tier),
            encoding=_encoding(tier),
        ),
        reach=Reach(str(spec.get("publicUrl") or spec["apiUrl"]), spec.get("publicPorts") or {}),
        starting=False,
        problem=str(reachable.get("message", "")),
    )


def offer_of_next(tier: TierObject, settings: Settings) -> StreamerOffer:
    """What one more pod of a pool will be able to take."""
    pod = f"{child_name(tier)}-0"
    return StreamerOffer(
        hostname=pod_hostname(pod, tier.namespace, cluster_wide=settings.cluster_wide),
        pool=tier.name,
        pod=pod,
        labels={**(tier.spec.get("labels") or {}), **selector(tier), **tier.labels},
        has_gpu=gpu_count(tier) > 0,
        templates=templates_of(tier),
        channel_limit=int(tier.spec.get("channelLimit") or DEFAULT_CHANNEL_LIMIT),
        bandwidth_kbit=_bandwidth_kbit(tier),
        storages=storages(tier),
        encoding=_encoding(tier),
    )


def storages(tier: TierObject) -> Storages:
    """What the pods of a pool can record to."""
    spec = tier.spec
    volumes = [volume for volume in spec.get("volumes") or [] if not volume.get("readOnly")]
    paths = [str(volume.get("mountPath")) for volume in spec.get("volumes") or []]
    files = [str(text) for text in (spec.get("configExtra") or {}).values()]
    templates = (spec.get("config") or {}).get("templates") or []
    return Storages(
        mounts=tuple(str(volume.get("mountPath")) for volume in volumes),
        volume=mount_path(tier),
        named={str(one.get("name")): str(one.get("root") or "") for one in storages_of(tier)},
        templates={
            str(one.get("name")): ArchiveWish(*place)
            for one in templates
            if (place := dvr_place(one)) is not None
        },
        all_known=not any("dvr" in text for text in files)
        and not any(path.startswith(CONFIG_ROOT) for path in paths),
    )


def older_namesake(tier: TierObject, snapshot: Snapshot) -> TierObject | None:
    """The external server of another namespace that has this one's name in Central, the older one
    of the two; None for a name of its own."""
    found = [
        other
        for (kind, _, name), other in snapshot.tiers.items()
        if kind == "Streamer" and name == tier.name and other.external
    ]
    oldest = min(found, key=lambda other: (other.created, other.namespace), default=tier)
    return None if oldest.key == tier.key else oldest


def is_shadowed(tier: TierObject, snapshot: Snapshot) -> bool:
    """Whether it is an external server without streams, as its name is that of an older one."""
    return tier.external and older_namesake(tier, snapshot) is not None


def templates_of(tier: TierObject) -> frozenset[str] | None:
    """Names of the templates that a pool's servers know; None where nobody here can say."""
    mounts = [str(volume.get("mountPath")) for volume in tier.spec.get("volumes") or []]
    if tier.external or any(path.startswith(CONFIG_ROOT) for path in mounts):
        return None
    declared = (tier.spec.get("config") or {}).get("templates") or []
    files = (tier.spec.get("configExtra") or {}).values()
    written = (name for text in files for name in _TEMPLATE.findall(str(text)))
    return frozenset({*(str(item.get("name")) for item in declared), *written})


def _bandwidth_kbit(tier: TierObject) -> int:
    """The directive `total_bandwidth` (bit/s) in kbit/s; 0 for no limit."""
    return int((tier.spec.get("config") or {}).get("total_bandwidth") or 0) // 1000


def _encoding(tier: TierObject) -> Encoding:
    """What each pod has for ladders: CPU as its author limits or requests it, else as much as its
    node has; GPUs as the resource says. Of an external server nobody here can say."""
    given = tier.spec.get("resources") or {}
    cpu = (given.get("limits") or {}).get("cpu") or (given.get("requests") or {}).get("cpu")
    cores = quantity(cpu) if cpu is not None else None
    gpu, cards = tier.spec.get("gpu") or {}, gpu_count(tier)
    memory = quantity(gpu.get("memory")) or 0
    return Encoding(
        round(cores * THOUSAND) if cores else 0,
        THOUSAND * cards,
        cards * int(gpu.get("sessions") or 0),
        cards * int(memory / MIB),
    )


def seeded(namespace: str) -> Random:
    """Placement draws ties at random, but a plan must be a function of its snapshot."""
    return Random(namespace)
