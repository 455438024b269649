"""The objects of a Streamer resource: a pool of media servers fed by Central."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from media_api.hostnames import pod_hostname
from media_api.resources.streamer import WEBRTC_PORTS

from media_operator.objects import TierObject
from media_operator.quantity import quantity
from media_operator.render import common
from media_operator.render.archive import add_archive, add_mount, storages_of
from media_operator.settings import Settings

Object = dict[str, Any]

DEFAULT_SEGMENTS_SIZE = "2Gi"
TOKEN_PATH = "/var/run/secrets/media-central"
API = "/streamer/api/v3/monitoring"


def streamer_objects(tier: TierObject, settings: Settings) -> list[Object]:
    """Everything that must exist for this pool; an external server needs nothing."""
    if tier.external:
        return []
    config = _config_map(tier)
    checksum = common.digest(config["data"])
    mounts, volumes = common.volumes(tier, _own_volumes(tier))
    pod = common.pod_spec(tier, _container(tier, mounts, settings), volumes)
    _add_gpu(tier, pod)
    add_mount(tier, pod)
    checksums = {"media.flussonic.com/config-checksum": checksum}
    stateful_set = common.stateful_set(tier, pod, checksums)
    add_archive(tier, stateful_set)
    return [
        config,
        *common.services(tier, media=True),
        stateful_set,
        common.disruption_budget(tier),
    ]


def config_files(spec: Mapping[str, Any], storages: Sequence[Object] = ()) -> dict[str, str]:
    """Drop-ins for `flussonic.conf.d`: the resource's global directives, then `configExtra`."""
    data = dict(spec.get("configExtra") or {})
    config = dict(spec.get("config") or {})
    if storages:
        config["dvrs"] = [*storages]
    if config:
        data["00-resource.json"] = json.dumps(config, indent=2, sort_keys=True)
    return data


def _config_map(tier: TierObject) -> Object:
    data = config_files(tier.spec, storages_of(tier))
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": common.metadata(tier, common.child_name(tier)),
        "data": data,
    }


def _container(tier: TierObject, mounts: list[Object], settings: Settings) -> Object:
    spec = tier.spec
    http: Object = {"name": "http", "containerPort": common.HTTP_PORT}
    if spec.get("hostPort"):
        http["hostPort"] = int(spec["hostPort"])
    outside = spec.get("hostPorts") or {}
    ports = [
        http,
        *(
            {"name": item.name, "containerPort": item.unprivileged}
            | ({"protocol": protocol} if protocol != "TCP" else {})
            | ({"hostPort": int(outside[item.name])} if outside.get(item.name) else {})
            for item, protocol in common.media_listeners()
        ),
        *_datagram_ports(tier),
    ]
    if spec.get("adminHostPort"):
        ports.append(
            {
                "name": "admin",
                "containerPort": common.HTTP_PORT + 1,
                "hostPort": int(spec["adminHostPort"]),
            }
        )
    container: Object = {
        "name": "streamer",
        "image": common.image(tier, settings.streamer_image),
        "imagePullPolicy": spec.get("imagePullPolicy", "IfNotPresent"),
        "args": ["-c", "/etc/flussonic/flussonic.conf"],
        "env": _environment(tier, settings),
        "ports": ports,
        "volumeMounts": mounts,
        "securityContext": common.container_security(),
        "lifecycle": common.drain_hook(tier),
        "resources": common.resources(tier, {"cpu": "100m", "memory": "384Mi"}),
        **common.probes(API),
    }
    return container


def _has_srt(tier: TierObject) -> bool:
    return bool((tier.spec.get("hostPorts") or {}).get("srt") or common.service_srt(tier))


def _datagram_ports(tier: TierObject) -> list[Object]:
    """Of listeners that a pod has only where the node, or for SRT the Service, has a port for them.

    Peers of WebRTC are told the ports of the workers, which must be those of the node therefore.
    """
    outside = tier.spec.get("hostPorts") or {}
    ports: list[Object] = []
    if _has_srt(tier):
        srt: Object = {"name": "srt", "containerPort": common.SRT_PORT, "protocol": "UDP"}
        ports.append(srt | ({"hostPort": int(outside["srt"])} if outside.get("srt") else {}))
    if outside.get("webrtc"):
        first = int(outside["webrtc"])
        ports += [
            {
                "name": f"webrtc-{protocol.lower()}-{worker}",
                "containerPort": first + worker,
                "hostPort": first + worker,
                "protocol": protocol,
            }
            for worker in range(WEBRTC_PORTS)
            for protocol in ("UDP", "TCP")
        ]
    return ports


def _datagram_environment(tier: TierObject) -> list[Object]:
    outside = tier.spec.get("hostPorts") or {}
    env: list[Object] = []
    if _has_srt(tier):
        env.append({"name": "STREAMER_SRT", "value": str(common.SRT_PORT)})
    if outside.get("webrtc"):
        env += [
            {"name": "STREAMER_WEBRTC", "value": str(outside["webrtc"])},
            {
                "name": "STREAMER_WEBRTC_ADDRESSES",
                "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}},
            },
        ]
    return env


def _environment(tier: TierObject, settings: Settings) -> list[Object]:
    spec = tier.spec
    env: list[Object] = [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "STREAMER_HOSTNAME", "value": _hostname(tier, settings)},
        {"name": "STREAMER_HTTP", "value": str(common.HTTP_PORT)},
        *(
            {"name": f"STREAMER_{item.name.upper()}", "value": str(item.unprivileged)}
            for item, _ in common.media_listeners()
        ),
        *_datagram_environment(tier),
        {"name": "STREAMER_STATE_DIR", "value": common.STATE_PATH},
        {"name": "STREAMER_RUNTIME_DIR", "value": f"{common.SEGMENTS_PATH}/run"},
        {"name": "STREAMER_SEGMENTS_DIR", "value": f"{common.SEGMENTS_PATH}/segments"},
        common.secret_env("STREAMER_CLUSTER_KEY", spec.get("clusterKey"), settings, "cluster-key"),
        common.secret_env("STREAMER_EDIT_AUTH", spec.get("editAuth"), settings, "edit-auth"),
    ]
    if spec.get("adminHostPort"):
        env.append({"name": "STREAMER_ADMIN_HTTP", "value": str(common.HTTP_PORT + 1)})
    if spec.get("viewAuth"):
        env.append(common.secret_env("STREAMER_VIEW_AUTH", spec["viewAuth"], settings, ""))
    if spec.get("logLevel"):
        env.append({"name": "STREAMER_LOG_LEVEL", "value": spec["logLevel"]})
    env += _config_external(tier, settings)
    return common.with_user_env(tier, env)


def _hostname(tier: TierObject, settings: Settings) -> str:
    """The streamer's name; the kubelet puts the pod's name in."""
    return pod_hostname("$(POD_NAME)", tier.namespace, cluster_wide=settings.cluster_wide)


def _config_external(tier: TierObject, settings: Settings) -> list[Object]:
    """Where the pods pull their streams from: Central, or the backend that the user names.

    To Central each pod is known by a token of its own, which the kubelet keeps fresh in a file.
    """
    spec = tier.spec
    name, auth = "STREAMER_CONFIG_EXTERNAL", spec.get("configExternalAuth")
    if url := spec.get("configExternalUrl"):
        if not auth:
            return [{"name": name, "value": url}]
        scheme, _, rest = url.partition("://")
        return [
            common.secret_env("CONFIG_EXTERNAL_KEY", auth, settings, ""),
            {"name": name, "value": f"{scheme}://$(CONFIG_EXTERNAL_KEY)@{rest}"},
        ]
    if not settings.central_url:
        return []
    url = f"{settings.central_url}/streamer/api/v3/streamers/{_hostname(tier, settings)}"
    return [
        {"name": name, "value": url},
        {"name": "STREAMER_CONFIG_EXTERNAL_TOKEN_FILE", "value": f"{TOKEN_PATH}/token"},
    ]


def _token() -> Object:
    """A token for Central alone, bound to the pod; see Central's `pod_identity`."""
    account = {"audience": "media-central", "expirationSeconds": 3600, "path": "token"}
    return {"projected": {"sources": [{"serviceAccountToken": account}]}}


def _own_volumes(tier: TierObject) -> list[common.OwnVolume]:
    config = {"configMap": {"name": common.child_name(tier)}}
    # Without a limit a pod could take all memory of its node.
    segments = {"medium": "Memory", "sizeLimit": _segments_size(tier)}
    return [
        common.OwnVolume("config", "/etc/flussonic/flussonic.conf.d", config, read_only=True),
        common.OwnVolume("state", common.STATE_PATH, {"emptyDir": {}}),
        common.OwnVolume("segments", common.SEGMENTS_PATH, {"emptyDir": segments}),
        common.OwnVolume("tmp", "/tmp", {"emptyDir": {}}),
        common.OwnVolume("central-token", TOKEN_PATH, _token(), read_only=True),
    ]


def _segments_size(tier: TierObject) -> str:
    """Of the files in memory: as the resource says, else half of what the pod may have."""
    if tier.spec.get("segmentsSize"):
        return str(tier.spec["segmentsSize"])
    limits = (tier.spec.get("resources") or {}).get("limits") or {}
    memory = quantity(limits.get("memory"))
    if memory is None:
        return DEFAULT_SEGMENTS_SIZE
    return f"{max(1, int(memory / 2 / 1024**2))}Mi"


def gpu_count(tier: TierObject) -> int:
    gpu = tier.spec.get("gpu") or {}
    if gpu.get("resourceClaimTemplateName"):
        return 1
    return int(gpu.get("count") or tier.spec.get("nvidiaGpuCount") or 0)


def _add_gpu(tier: TierObject, pod: Object) -> None:
    """Ask for GPUs: by count of the device plugin's resource, or by a resource claim (DRA)."""
    count = gpu_count(tier)
    if not count:
        return
    gpu = tier.spec.get("gpu") or {}
    container = pod["containers"][0]
    resources = container.setdefault("resources", {})
    # The capability `video` is what mounts NVENC's and NVDEC's libraries into the container.
    container["env"].append(
        {"name": "NVIDIA_DRIVER_CAPABILITIES", "value": "compute,video,utility"}
    )
    if gpu.get("resourceClaimTemplateName"):
        pod["resourceClaims"] = [
            {"name": "gpu", "resourceClaimTemplateName": gpu["resourceClaimTemplateName"]}
        ]
        resources["claims"] = [{"name": "gpu"}]
    else:
        limits = resources.setdefault("limits", {})
        limits[gpu.get("resourceName", "nvidia.com/gpu")] = str(count)
    if gpu.get("runtimeClassName"):
        pod["runtimeClassName"] = gpu["runtimeClassName"]
    if gpu.get("nodeSelector"):
        pod["nodeSelector"] = {**(pod.get("nodeSelector") or {}), **gpu["nodeSelector"]}
    taints = gpu.get("tolerations") or [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    pod["tolerations"] = [*taints, *pod["tolerations"]]
