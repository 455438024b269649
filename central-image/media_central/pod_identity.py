"""Which pod calls: by the token that Kubernetes gives each pod for Central alone.

Role: a streamer's pod presents a service account token (a JWT, RFC 7519) that is bound to the pod
and made for this audience. It is judged here, by the API server's published keys (OpenID Connect
discovery, which service accounts may read), so a question costs the API server nothing, and pods
are known while it is away.

Invariants: a token is good for the streamer of its own pod only; of an unknown key, a foreign
issuer, another audience or namespace it is worth nothing. What is judged is remembered until it
expires, within a bound.
"""

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Mapping
from typing import Any

import jwt
from media_api.hostnames import pod_hostname
from media_kube.client import KubeClient
from media_kube.errors import KubeError

log = logging.getLogger(__name__)

AUDIENCE = "media-central"
DISCOVERY, KEYS = "/.well-known/openid-configuration", "/openid/v1/jwks"
ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]
REFRESH_SECONDS = 300.0
RETRY_SECONDS = 5.0
LEEWAY_SECONDS = 10.0
MAX_REMEMBERED = 10_000
MAX_TOKEN_CHARACTERS = 16_384


class PodIdentities:
    """`namespace`: the only one whose pods are streamers; None: all are, by longer names."""

    def __init__(self, client: KubeClient, namespace: str | None) -> None:
        self._client = client
        self._namespace = namespace
        self._issuer = ""
        self._keys: dict[str, jwt.PyJWK] = {}
        self._judged: dict[bytes, tuple[str | None, float]] = {}
        """Digest of a token -> whose it is, and until when that holds (Unix time)."""
        self._stale = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the keys, and keep them in step; what fails now is tried again."""
        await self._refresh()
        self._task = asyncio.create_task(self._keep(), name="pod-identities")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def hostname(self, token: str, now: float | None = None) -> str | None:
        """Name of the streamer whose pod presents this; None if it is no such token."""
        if token.count(".") != 2 or len(token) > MAX_TOKEN_CHARACTERS:
            return None
        now = time.time() if now is None else now
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        known = self._judged.get(digest)
        if known is not None and now < known[1]:
            return known[0]
        found, until = self._judge(token)
        if found is not None:
            while len(self._judged) >= MAX_REMEMBERED:
                self._judged.pop(next(iter(self._judged)))
            self._judged[digest] = found, until
        return found

    def _judge(self, token: str) -> tuple[str | None, float]:
        try:
            key = self._keys.get(jwt.get_unverified_header(token).get("kid", ""))
            if key is None:
                self._stale.set()
                return None, 0.0
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
            return self._streamer_of(claims), float(claims["exp"])
        except (jwt.InvalidTokenError, ValueError, TypeError, KeyError):
            return None, 0.0

    def _streamer_of(self, claims: Mapping[str, Any]) -> str | None:
        """Raises KeyError, TypeError if the token is bound to no pod."""
        bound = claims["kubernetes.io"]
        namespace, pod = str(bound["namespace"]), str(bound["pod"]["name"])
        if self._namespace is not None and namespace != self._namespace:
            return None
        return pod_hostname(pod, namespace, cluster_wide=self._namespace is None)

    async def _keep(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_SECONDS if self._keys else RETRY_SECONDS):
                    await self._stale.wait()
            await self._refresh()
            # A stranger's token with a key of its own must not make us ask again and again.
            await asyncio.sleep(RETRY_SECONDS)
            self._stale.clear()

    async def _refresh(self) -> None:
        try:
            discovery = await self._client.read(DISCOVERY)
            listed = await self._client.read(KEYS)
            keys = jwt.PyJWKSet.from_dict(listed).keys
            self._issuer = str(discovery["issuer"])
        except (KubeError, TimeoutError, jwt.PyJWTError, KeyError, ValueError) as error:
            log.warning(
                "pods cannot be told by their tokens until the API server shows its keys at %s "
                "(ClusterRole system:service-account-issuer-discovery): %s",
                KEYS,
                error,
            )
            return
        self._keys = {key.key_id: key for key in keys if key.key_id}
