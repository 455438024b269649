"""The objects of a Cache resource: HTTP caches in front of the streamers of one pool."""

from typing import Any

from media_operator.objects import TierObject
from media_operator.render import common
from media_operator.settings import Settings

Object = dict[str, Any]

DEFAULT_PATH = "/var/cache/media"


def cache_objects(tier: TierObject, replicas: int, settings: Settings) -> list[Object]:
    """Everything that must exist for this tier."""
    pod = common.pod_spec(tier, _container(tier, settings), _volumes(tier))
    return [
        *common.services(tier, {"http": (80, common.HTTP_PORT)}),
        common.stateful_set(tier, replicas, pod, {}),
        common.disruption_budget(tier),
    ]


def _container(tier: TierObject, settings: Settings) -> Object:
    spec = tier.spec
    http: Object = {"name": "http", "containerPort": common.HTTP_PORT}
    if spec.get("hostPort"):
        http["hostPort"] = int(spec["hostPort"])
    container: Object = {
        "name": "cache",
        "image": spec.get("image") or settings.streamer_image,
        "imagePullPolicy": spec.get("imagePullPolicy", "IfNotPresent"),
        "command": ["media-cache"],
        "env": [{"name": name, "value": str(value)} for name, value in _environment(tier).items()],
        "ports": [http],
        "volumeMounts": [
            {"name": "cache", "mountPath": spec.get("path", DEFAULT_PATH)},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
        "securityContext": common.container_security(),
        "lifecycle": common.drain_hook(tier),
        **common.probes("/-/cache"),
    }
    if spec.get("resources"):
        container["resources"] = dict(spec["resources"])
    return container


def _environment(tier: TierObject) -> Object:
    spec = tier.spec
    origin = spec.get("originUrl") or (
        f"http://streamer-{spec.get('streamer', 'default')}.{tier.namespace}.svc"
    )
    return {
        "CACHE_PORT": common.HTTP_PORT,
        "CACHE_ORIGIN": origin,
        "CACHE_PATH": spec.get("path", DEFAULT_PATH),
        "CACHE_MISSES": spec.get("misses", 0),
        "CACHE_EXPIRATION_SECONDS": spec.get("expiration", 0),
        "CACHE_STORAGE_BYTES": spec.get("storage_limit", 0),
    }


def _volumes(tier: TierObject) -> list[Object]:
    source = tier.spec.get("volume") or {"emptyDir": {}}
    return [{"name": "cache", **dict(source)}, {"name": "tmp", "emptyDir": {}}]
