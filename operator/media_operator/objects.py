"""What the operator remembers of each object: small records parsed once from the watch.

The watch delivers ten thousand streams at a start; a record keeps what plans need and lets go of
the rest, which is most of the memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from media_api.playback import ENCRYPTED
from media_api.protocols import switches
from media_api.resources import StreamSpec
from media_api.resources.conditions import WANTED
from media_api.timestamps import parse_timestamp
from media_api.unsupported import input_schemes, unserved_options
from media_rest.errors import validation_error
from pydantic import ValidationError

from media_operator.planner.encoding import Encoding, encoding_by_gpu, encoding_of

TEMPLATE = "media.flussonic.com/template"
"""Annotation of a pod: which version of its tier's pods it is."""
REBALANCE = "media.flussonic.com/rebalance"
"""Annotation of a Streamer: a new value asks once for an even load."""
OUR_CONDITIONS = frozenset({"Ready", "Scheduled", "Stalled", "ConfigAccepted", "ArchiveReady"})
"""Types that the operator writes; the others of a status are Central's."""
_OUR_STREAM_STATUS = frozenset(
    {
        "observedGeneration",
        "streamName",
        "streamer",
        "preferredStreamer",
        "previousStreamer",
        "archives",
        "urls",
    }
)
Object = Mapping[str, Any]
Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class StreamObject:
    """One Stream resource."""

    namespace: str
    name: str
    uid: str
    generation: int
    created: str
    stream_name: str
    """The name in URLs: `spec.name`, else the resource's own name."""
    disabled: bool
    static: bool
    streamer: str | None
    preferred: str | None
    required_labels: Mapping[str, str]
    needs_gpu: bool
    bandwidth_kbit: int
    encoding: Encoding
    """What its ladder takes of a streamer."""
    encoding_by_gpu: Encoding | None
    """The same of one with a GPU, where that differs."""
    denied_protocols: frozenset[str]
    template: str
    """Of which it inherits; empty for none."""
    dvr: tuple[str, str] | None
    """Root and reference of its archive, either may be empty; None if it says nothing of one."""
    unserved: tuple[str, ...]
    """Paths within its spec that have no effect."""
    schemes: tuple[str, ...]
    """Of its inputs."""
    invalid: str
    """What is wrong with its spec, without secrets; empty if nothing."""
    active_on: str
    """`status.activeStreamer` (Central's): the streamer on which frames were last seen."""
    wanted_at: datetime | None
    """When somebody last asked for it while it had no streamer (Central's condition `Wanted`)."""
    status: Mapping[str, Any]
    """The operator's own part of it, which is compared with what it should be."""

    @property
    def key(self) -> Key:
        return self.namespace, self.name

    @classmethod
    def parse(cls, body: Object, before: "StreamObject | None" = None) -> "StreamObject":
        """`before`: what was known of it; while its generation is the same, so is its spec."""
        meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
        own_status = {
            **{key: value for key, value in status.items() if key in _OUR_STREAM_STATUS},
            "conditions": our_conditions(status),
        }
        active_on, wanted_at = status.get("activeStreamer", ""), _wanted_at(status)
        identity = meta["uid"], meta.get("generation", 0)
        if before is not None and identity == (before.uid, before.generation):
            return replace(before, active_on=active_on, wanted_at=wanted_at, status=own_status)
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            generation=meta.get("generation", 0),
            created=meta.get("creationTimestamp", ""),
            stream_name=spec.get("name") or meta["name"],
            disabled=bool(spec.get("disabled")),
            static=spec.get("static", True) is not False,
            streamer=spec.get("streamer"),
            preferred=spec.get("preferredStreamer"),
            required_labels=(spec.get("streamerSelector") or {}).get("matchLabels") or {},
            needs_gpu=_needs_gpu(spec),
            bandwidth_kbit=int((spec.get("claims") or {}).get("bitrate") or 0),
            encoding=encoding_of(spec.get("transcoder"), spec.get("claims") or {}),
            encoding_by_gpu=encoding_by_gpu(spec.get("transcoder"), spec.get("claims") or {}),
            denied_protocols=_denied_switches(spec),
            template=str(spec.get("template") or ""),
            dvr=dvr_place(spec),
            unserved=tuple(unserved_options(spec)),
            schemes=tuple(input_schemes(spec)),
            invalid=_invalid(spec),
            active_on=active_on,
            wanted_at=wanted_at,
            status=own_status,
        )


def _wanted_at(status: Object) -> datetime | None:
    conditions: list[Object] = status.get("conditions") or []
    wanted: Object = next((c for c in conditions if c.get("type") == WANTED), {})
    moment = wanted.get("lastTransitionTime")
    return parse_timestamp(moment) if moment and wanted.get("status") == "True" else None


def _invalid(spec: Object) -> str:
    """What the schema of the API server lets pass and no streamer would take; empty if nothing."""
    try:
        StreamSpec.model_validate(spec)
    except ValidationError as error:
        refused = validation_error(error, spec)
        path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in refused.path or [])
        return f"{path.lstrip('.')}: {refused.title}"
    return ""


def dvr_place(spec: Object) -> tuple[str, str] | None:
    """Root and reference of the archive of a stream or template."""
    dvr = spec.get("dvr")
    return None if dvr is None else (str(dvr.get("root") or ""), str(dvr.get("reference") or ""))


def our_conditions(status: Object) -> list[Object]:
    """Those that the operator writes."""
    conditions: list[Object] = status.get("conditions") or []
    return [condition for condition in conditions if condition.get("type") in OUR_CONDITIONS]


def _needs_gpu(spec: Object) -> bool:
    """As the spec says, else whether its transcoder asks for NVIDIA's encoder."""
    if spec.get("gpuRequired") is not None:
        return bool(spec["gpuRequired"])
    options = (spec.get("transcoder") or {}).get("global") or {}
    return options.get("hw") in ("nvenc", "nvenc2")


def _denied_switches(spec: Object) -> frozenset[str]:
    """As `media_api.playback.denied_switches`, of a spec that nobody has checked."""
    protocols: Object = spec.get("protocols") or {}
    names = {name for name, allowed in protocols.items() if allowed is False} - {"whitelist"}
    if protocols.get("whitelist"):
        allowed = {name for name, on in protocols.items() if on is True}
        names |= switches().keys() - allowed
    if spec.get("drm") is not None:
        names |= switches().keys() - ENCRYPTED
    return frozenset(names)


@dataclass(frozen=True, slots=True)
class TierObject:
    """One Streamer or Cache resource: few of them, so the body is kept whole."""

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    created: str
    deleting: bool
    spec: Mapping[str, Any]
    labels: Mapping[str, str]
    rebalance: str
    """Annotation by which somebody asks once for an even load; empty if nobody does."""
    status: Mapping[str, Any]

    @property
    def key(self) -> Key:
        return self.namespace, self.name

    @property
    def external(self) -> bool:
        """A server outside the cluster, given by the URL of its API."""
        return bool(self.spec.get("apiUrl"))

    @classmethod
    def parse(cls, body: Object) -> "TierObject":
        meta = body["metadata"]
        return cls(
            kind=body["kind"],
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            generation=meta.get("generation", 0),
            created=meta.get("creationTimestamp", ""),
            deleting="deletionTimestamp" in meta,
            spec=body.get("spec") or {},
            labels=meta.get("labels") or {},
            rebalance=str((meta.get("annotations") or {}).get(REBALANCE) or ""),
            status=body.get("status") or {},
        )


@dataclass(frozen=True, slots=True)
class PodObject:
    """One pod of a tier."""

    namespace: str
    name: str
    tier: str
    tier_kind: str
    labels: Mapping[str, str]
    template: str
    """Which version of its resource it is."""
    revision: str
    """Which version of its StatefulSet, as Kubernetes counts them; empty for a pod of none."""
    created: str
    host_ports: Mapping[str, int]
    """Ports of its node that lead to it, by the names of its own."""
    ready: bool
    ready_since: datetime | None
    """When `ready` last changed."""
    terminating_until: datetime | None
    """When a pod that is being deleted should be gone; None for one that is to stay."""
    node: str
    host_ip: str
    address: str
    """Its own; empty before it has one."""
    problem: str
    """What keeps its container from running, as the kubelet says it; empty if nothing."""

    @property
    def key(self) -> Key:
        return self.namespace, self.name

    @property
    def ordinal(self) -> int:
        """Its place in the StatefulSet; 0 for a pod that is of none."""
        number = self.name.rpartition("-")[2]
        return int(number) if number.isdecimal() else 0

    @classmethod
    def parse(cls, body: Object) -> "PodObject":
        meta, status = body["metadata"], body.get("status") or {}
        labels = meta.get("labels") or {}
        conditions: list[Object] = status.get("conditions") or []
        ready: Object = next((c for c in conditions if c["type"] == "Ready"), {})
        since = ready.get("lastTransitionTime")
        is_ready = ready.get("status") == "True"
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            tier=labels.get("app.kubernetes.io/instance", ""),
            tier_kind=labels.get("app.kubernetes.io/component", ""),
            labels=labels,
            template=(meta.get("annotations") or {}).get(TEMPLATE, ""),
            revision=labels.get("controller-revision-hash", ""),
            created=meta.get("creationTimestamp", ""),
            host_ports=_host_ports(body.get("spec") or {}),
            ready=is_ready,
            ready_since=parse_timestamp(since) if since else None,
            terminating_until=_terminating_until(meta, is_ready, conditions),
            node=(body.get("spec") or {}).get("nodeName", ""),
            host_ip=status.get("hostIP", ""),
            address=status.get("podIP", ""),
            problem=_problem(status),
        )


def _terminating_until(meta: Object, ready: bool, conditions: list[Object]) -> datetime | None:
    """The end of the drain; for a pod that its dead node cannot drain, when it was given up.

    A node that does not answer makes its pods not ready, then the taint manager evicts them
    (condition DisruptionTarget). A node that is alive keeps them ready while they drain.
    """
    if "deletionTimestamp" not in meta:
        return None
    until = parse_timestamp(meta["deletionTimestamp"])
    evicted = any(
        c["type"] == "DisruptionTarget" and c.get("reason") == "DeletionByTaintManager"
        for c in conditions
    )
    if evicted and not ready:
        return until - timedelta(seconds=meta.get("deletionGracePeriodSeconds") or 0)
    return until


def _host_ports(spec: Object) -> dict[str, int]:
    return {
        str(port.get("name", "")): int(port["hostPort"])
        for container in spec.get("containers") or []
        for port in container.get("ports") or []
        if port.get("hostPort")
    }


def _problem(status: Object) -> str:
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting")
        if waiting and waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{condition.get('reason', '')}: {condition.get('message', '')}"
    return ""


@dataclass(slots=True)
class Snapshot:
    """Everything a plan looks at."""

    streams: dict[Key, StreamObject] = field(default_factory=dict)
    tiers: dict[tuple[str, str, str], TierObject] = field(default_factory=dict)
    """Streamer and Cache resources by kind, namespace and name."""
    pods: dict[Key, PodObject] = field(default_factory=dict)
    children: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    """StatefulSets, Services and so on that the operator made, by kind, namespace and name."""

    def summary(self) -> str:
        return (
            f"{len(self.streams)} streams, {len(self.tiers)} tiers, {len(self.pods)} pods, "
            f"{len(self.children)} objects of theirs"
        )
