"""What an installation decides, from the environment of the operator's pod."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version


def _version() -> str:
    try:
        return version("media-appliance")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "dev"


DEFAULT_STREAMER_IMAGE = f"localhost/media-appliance/streamer:{_version()}"
"""A name that no public registry has: what is not on the node is not pulled from a stranger."""


@dataclass(frozen=True)
class Settings:
    """Settings of the operator; each field names its variable."""

    namespace: str | None = None
    """`WATCH_NAMESPACE`: the one namespace it serves; None (empty) for all."""
    own_namespace: str = "default"
    """`POD_NAMESPACE`: where its Lease lives."""
    identity: str = "media-operator"
    """`POD_NAME`: its name in the leader election."""
    streamer_image: str = DEFAULT_STREAMER_IMAGE
    """`STREAMER_IMAGE`: for pools that name no image."""
    central_url: str = ""
    """`CENTRAL_URL`: where streamer pods find Central; empty: pools take no streams from it."""
    secret_name: str = "media-central"
    """`SECRET_NAME`: the Secret with `api-key`, `cluster-key` and `edit-auth`."""
    default_pool: bool = True
    """`DEFAULT_POOL`: make a Streamer `default` where there are Streams and no Streamer."""

    @property
    def cluster_wide(self) -> bool:
        """It serves all namespaces."""
        return self.namespace is None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        return cls(
            namespace=environ.get("WATCH_NAMESPACE") or None,
            own_namespace=environ.get("POD_NAMESPACE", cls.own_namespace),
            identity=environ.get("POD_NAME", cls.identity),
            streamer_image=environ.get("STREAMER_IMAGE", cls.streamer_image),
            central_url=environ.get("CENTRAL_URL", "").rstrip("/"),
            secret_name=environ.get("SECRET_NAME", cls.secret_name),
            default_pool=environ.get("DEFAULT_POOL", "true").lower() not in ("false", "0", "no"),
        )
