"""What the pods of every tier have in common: names, labels, hardening, Services."""

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from media_api.protocols import Listener, usual_listeners

from media_operator.objects import TEMPLATE, TierObject
from media_operator.settings import Settings

Object = dict[str, Any]

PART_OF = "media-appliance"
MANAGER = "media-operator"
HTTP_PORT = 8080
"""Inside the pod: a port that needs no privilege."""
SRT_PORT = 8890
"""Inside the pod, where it has SRT."""
USER_ID = 10001
"""The user that the images make; restricted pod security forbids root."""
STATE_PATH = "/var/lib/media"
SEGMENTS_PATH = "/run/media"
DEFAULT_DRAIN_SECONDS = 60
EXIT_SECONDS = 15
"""Time for an orderly exit after the drain."""


def digest(value: Any) -> str:
    """Short name of what `value` says."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def child_name(tier: TierObject, suffix: str = "") -> str:
    return f"{tier.kind.lower()}-{tier.name}{suffix}"


def selector(tier: TierObject) -> dict[str, str]:
    return {
        **dict(tier.spec.get("selectorLabels") or {}),
        "app.kubernetes.io/part-of": PART_OF,
        "app.kubernetes.io/component": tier.kind.lower(),
        "app.kubernetes.io/instance": tier.name,
    }


def metadata(tier: TierObject, name: str) -> Object:
    return {
        "name": name,
        "namespace": tier.namespace,
        "labels": {**selector(tier), "app.kubernetes.io/managed-by": MANAGER},
        "ownerReferences": [
            {
                "apiVersion": "media.flussonic.com/v1alpha1",
                "kind": tier.kind,
                "name": tier.name,
                "uid": tier.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def pod_security() -> Object:
    """What the restricted Pod Security Standard asks for."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER_ID,
        "runAsGroup": USER_ID,
        "fsGroup": USER_ID,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Object:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def resources(tier: TierObject, requests: Mapping[str, str]) -> Object:
    """The user's resources; what they leave open is requested, so that no pod is BestEffort."""
    given: Object = copy.deepcopy(dict(tier.spec.get("resources") or {}))
    limits = given.get("limits") or {}
    # A limit without a request is the request as well.
    usual = {name: value for name, value in requests.items() if name not in limits}
    return {**given, "requests": {**usual, **(given.get("requests") or {})}}


def drain_seconds(tier: TierObject) -> int:
    return int(tier.spec.get("drainSeconds", DEFAULT_DRAIN_SECONDS))


def drain_hook(tier: TierObject) -> Object:
    """The pod leaves its Services at once and serves on while viewers and streams move.

    SIGUSR1 tells a streamer that it leaves: viewers of segments who keep their connection are sent
    to other pods one by one, and not all of them at the end, in the midst of a playlist of names
    that no other pod has.
    """
    wait = f"sleep {drain_seconds(tier)}"
    if tier.kind == "Streamer":
        wait = f"kill -USR1 1; exec {wait}"
    return {"preStop": {"exec": {"command": ["sh", "-c", wait]}}}


def probes(path: str) -> Object:
    """Ready within a second of being so; dead after half a minute of silence. On a node that has
    too little CPU time a start takes a minute, and one more is no help."""
    request = {"httpGet": {"path": f"{path}/readiness", "port": "http"}}
    liveness = {"httpGet": {"path": f"{path}/liveness", "port": "http"}}
    return {
        "startupProbe": {**liveness, "periodSeconds": 1, "failureThreshold": 180},
        "readinessProbe": {**request, "periodSeconds": 2, "timeoutSeconds": 2},
        "livenessProbe": {
            **liveness,
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
    }


def stateful_set(tier: TierObject, pod_spec: Object, annotations: Object) -> Object:
    """Of as many pods as the resource says; see `with_replicas`."""
    labels = {**dict(tier.spec.get("labels") or {}), **selector(tier)}
    annotations = {**dict(tier.spec.get("annotations") or {}), **annotations}
    version = digest([labels, annotations, pod_spec])
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(tier, child_name(tier)),
        "spec": {
            "replicas": int(tier.spec.get("replicas", 1)),
            "serviceName": child_name(tier, "-pods"),
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": selector(tier)},
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {**annotations, TEMPLATE: version},
                },
                "spec": pod_spec,
            },
        },
    }


def with_replicas(objects: Iterable[Object], replicas: int) -> list[Object]:
    """The same objects with so many pods."""
    return [
        {**body, "spec": {**body["spec"], "replicas": replicas}}
        if body["kind"] == "StatefulSet"
        else body
        for body in objects
    ]


def pod_spec(tier: TierObject, container: Object, volumes: Iterable[Object]) -> Object:
    spec = tier.spec
    spread: list[Object] = spec.get("topologySpreadConstraints") or [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector(tier)},
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]
    result: Object = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(),
        "terminationGracePeriodSeconds": drain_seconds(tier) + EXIT_SECONDS,
        "containers": [container],
        "volumes": list(volumes),
        "topologySpreadConstraints": spread,
        # A node that is gone gives its pods up after 10 s in place of Kubernetes' 5 min.
        "tolerations": [
            *(spec.get("tolerations") or []),
            *(
                {
                    "key": f"node.kubernetes.io/{taint}",
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": 10,
                }
                for taint in ("not-ready", "unreachable")
            ),
        ],
    }
    for name in _PASSED_ON:
        if spec.get(name):
            result[name] = spec[name]
    if spec.get("hostNetwork"):
        result |= {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    return result


_PASSED_ON = (
    "affinity",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "priorityClassName",
    "runtimeClassName",
    "serviceAccountName",
)
"""Fields of the resource that are fields of the pod, alike in name and shape."""


def image(tier: TierObject, default: str) -> str:
    """The image with its tag: the resource's `version` where its `image` has none."""
    given = str(tier.spec.get("image") or default)
    version = tier.spec.get("version")
    tagged = ":" in given.rpartition("/")[2] or "@" in given
    if version and not tagged:
        return f"{given}:{version}"
    return given


def secret_env(name: str, given: Any, settings: Settings, key: str) -> Object:
    """A secret variable: as the resource says, else a key of the operator's own Secret.

    `given` comes in each shape that the vendor's secret fields have.
    """
    if given is None:
        reference = {"name": settings.secret_name, "optional": True, "key": key}
        return {"name": name, "valueFrom": {"secretKeyRef": reference}}
    if isinstance(given, str):
        return {"name": name, "value": given}
    if "valueFrom" in given or "value" in given:
        return {"name": name, **given}
    return {"name": name, "valueFrom": dict(given)}


def with_user_env(tier: TierObject, own: Iterable[Object]) -> list[Object]:
    """The user's own variables come last: a repeated name overrides ours."""
    given: list[Object] = tier.spec.get("env") or []
    names = {entry["name"] for entry in given}
    return [*(entry for entry in own if entry["name"] not in names), *given]


@dataclass(frozen=True, slots=True)
class OwnVolume:
    """A volume that the operator gives a pod; the user's own at its path takes its place."""

    name: str
    path: str
    source: Object
    read_only: bool = False

    def gives_way(self, mount_path: str) -> bool:
        """Whether the user's volume at `mount_path` stands in for this one.

        Also the volume of a folder above stands in for an empty one, which would hide a part of it.
        """
        mine, given = PurePosixPath(self.path), PurePosixPath(mount_path)
        return mine == given or ("emptyDir" in self.source and mine.is_relative_to(given))


def volumes(tier: TierObject, own: Iterable[OwnVolume]) -> tuple[list[Object], list[Object]]:
    """Ours and the resource's own volumes as (mounts of the container, volumes of the pod).

    The API server refuses two volumes of one name and two mounts of one path.
    """
    given_mounts, given_volumes = _user_volumes(tier)
    taken = {volume["name"] for volume in given_volumes}
    mounts, result = [], []
    for volume in own:
        if any(volume.gives_way(mount["mountPath"]) for mount in given_mounts):
            continue
        name = f"media-{volume.name}" if volume.name in taken else volume.name
        read_only = {"readOnly": True} if volume.read_only else {}
        mounts.append({"name": name, "mountPath": volume.path, **read_only})
        result.append({"name": name, **volume.source})
    return [*mounts, *given_mounts], [*result, *given_volumes]


def _user_volumes(tier: TierObject) -> tuple[list[Object], list[Object]]:
    """The resource's own volumes as (mounts of the container, volumes of the pod).

    The source stands beside the mount or, as in older vendor manifests, under `source`.
    """
    mounts, volumes = [], []
    for volume in tier.spec.get("volumes") or []:
        mount = {key: volume[key] for key in ("name", *_MOUNT_KEYS) if key in volume}
        source = {k: v for k, v in volume.items() if k not in mount and k != "source"}
        mounts.append(mount)
        volumes.append({"name": volume["name"], **(volume.get("source") or source)})
    return mounts, volumes


_MOUNT_KEYS = ("mountPath", "readOnly", "subPath")


HTTP_SERVICE_PORT: Object = {
    "name": "http", "port": 80, "targetPort": HTTP_PORT, "protocol": "TCP",
}  # fmt: skip


def media_listeners() -> list[tuple[Listener, str]]:
    """Listeners of a streamer pod beside HTTP, with the transport as Kubernetes calls it."""
    return [
        (item, "UDP" if item.socket == "datagram" else "TCP")
        for name, (_, item) in usual_listeners().items()
        if name != "http"
    ]


def service_ports() -> dict[str, int]:
    """Ports of a streamer's Service beside HTTP, by listener."""
    return {item.name: item.port or item.unprivileged or 0 for item, _ in media_listeners()}


def service_srt(tier: TierObject) -> int | None:
    """The port of its Service for SRT, if it has one."""
    port = (tier.spec.get("service") or {}).get("srt")
    return int(port) if port else None


def services(tier: TierObject, *, media: bool) -> list[Object]:
    """The Service for viewers and the headless one that names each pod; `media`: not only HTTP.

    Viewers stick to a pod, because parts of LL-HLS have numbers of the pod, and datagrams of a
    connection belong to the one that answered the first of them.
    """
    service = tier.spec.get("service") or {}
    entries = [HTTP_SERVICE_PORT]
    if media:
        entries += [
            {
                "name": item.name,
                "port": service_ports()[item.name],
                "targetPort": item.unprivileged,
                "protocol": protocol,
            }
            for item, protocol in media_listeners()
        ]
        if port := service_srt(tier):
            entries.append({"name": "srt", "port": port, "targetPort": SRT_PORT, "protocol": "UDP"})
    public: Object = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            **metadata(tier, child_name(tier)),
            "annotations": dict(service.get("annotations") or {}),
        },
        "spec": {
            "type": service.get("type", "ClusterIP"),
            "selector": selector(tier),
            "ports": entries,
            "sessionAffinity": "ClientIP",
        },
    }
    public["metadata"]["labels"] |= service.get("labels") or {}
    for name in ("loadBalancerClass", "loadBalancerIP", "externalTrafficPolicy"):
        if service.get(name):
            public["spec"][name] = service[name]
    headless = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(tier, child_name(tier, "-pods")),
        "spec": {
            "clusterIP": "None",
            "selector": selector(tier),
            "ports": entries,
            "publishNotReadyAddresses": True,
        },
    }
    return [public, headless]


def disruption_budget(tier: TierObject) -> Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(tier, child_name(tier)),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector(tier)}},
    }
