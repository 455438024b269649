"""The objects of a Cache resource: HTTP caches in front of the streamers of one pool."""

from typing import Any

from media_operator.objects import TierObject
from media_operator.render import common
from media_operator.settings import Settings

Object = dict[str, Any]

DEFAULT_PATH = "/var/cache/media"


def cache_objects(tier: TierObject, settings: Settings) -> list[Object]:
    """Everything that must exist for this tier."""
    mounts, volumes = common.volumes(tier, _own_volumes(tier))
    pod = common.pod_spec(tier, _container(tier, mounts, settings), volumes)
    return [
        *common.services(tier, media=False),
        common.stateful_set(tier, pod, {}),
        common.disruption_budget(tier),
    ]


def _container(tier: TierObject, mounts: list[Object], settings: Settings) -> Object:
    spec = tier.spec
    http: Object = {"name": "http", "containerPort": common.HTTP_PORT}
    if spec.get("hostPort"):
        http["hostPort"] = int(spec["hostPort"])
    container: Object = {
        "name": "cache",
        "image": common.image(tier, settings.streamer_image),
        "imagePullPolicy": spec.get("imagePullPolicy", "IfNotPresent"),
        "command": ["media-cache"],
        "env": _environment(tier, settings),
        "ports": [http],
        "volumeMounts": mounts,
        "securityContext": common.container_security(),
        "lifecycle": common.drain_hook(tier),
        "resources": common.resources(tier, {"cpu": "50m", "memory": "128Mi"}),
        **common.probes("/-/cache"),
    }
    return container


def _environment(tier: TierObject, settings: Settings) -> list[Object]:
    directive = _directive(tier)
    origins = [
        f"http://streamer-{origin}.{tier.namespace}.svc"
        for origin in tier.spec.get("origins") or ["default"]
    ]
    values = {
        "CACHE_PORT": common.HTTP_PORT,
        "CACHE_ORIGINS": ",".join(origins),
        "CACHE_PATH": _path(tier),
        "CACHE_MISSES": directive.get("misses") or 0,
        "CACHE_EXPIRATION_SECONDS": directive.get("expiration") or 0,
        "CACHE_STORAGE_BYTES": directive.get("storage_limit") or 0,
        "CACHE_ONLY": ",".join(tier.spec.get("only") or []),
        "CACHE_EXCEPT": ",".join(tier.spec.get("except") or []),
    }
    # With the streamers' key: they believe it whose viewers it names.
    key = common.secret_env(
        "CACHE_CLUSTER_KEY", tier.spec.get("clusterKey"), settings, "cluster-key"
    )
    plain = [{"name": name, "value": str(value)} for name, value in values.items()]
    return common.with_user_env(tier, [*plain, key])


def _directive(tier: TierObject) -> Object:
    """The cache directive of the resource."""
    return dict(tier.spec.get("cache") or {})


def _path(tier: TierObject) -> str:
    return str(_directive(tier).get("path") or DEFAULT_PATH)


def _own_volumes(tier: TierObject) -> list[common.OwnVolume]:
    return [
        common.OwnVolume("cache", _path(tier), {"emptyDir": {}}),
        common.OwnVolume("tmp", "/tmp", {"emptyDir": {}}),
    ]
