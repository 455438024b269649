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
    host_ports: range = range(20_000, 21_000)
    """`HOST_PORTS` (FIRST-LAST): of the nodes, for pools that ask to be given some; not those of
    NodePorts."""

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
            host_ports=_ports(environ.get("HOST_PORTS", "")) or cls.host_ports,
        )


def _ports(text: str) -> range | None:
    """FIRST-LAST; None for nothing. Raises ValueError."""
    if not text:
        return None
    first, _, last = text.partition("-")
    numbers = [int(part) if part.isascii() and part.isdigit() else 0 for part in (first, last)]
    if not 0 < numbers[0] <= numbers[1] < 65536:
        raise ValueError(f"HOST_PORTS={text}: write FIRST-LAST, ports from 1 to 65535")
    return range(numbers[0], numbers[1] + 1)
