"""The Kubernetes API as Central and the operator use it: plain dicts over `kubernetes.aio`.

The client library gives authentication and TLS; this module gives the five verbs
that level-based controllers need, the errors they must tell apart, and one self-healing watch.
Only this module imports the client library.
"""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from media_kube.errors import KubeError, error_of_answer, error_of_status

log = logging.getLogger(__name__)

Object = dict[str, Any]

REQUEST_TIMEOUT_SECONDS = 15.0
WATCH_TIMEOUT_SECONDS = 290
"""The server ends a watch after this time (it resumes); below the 5 min of many load balancers."""
WATCH_SILENCE_SECONDS = 75.0
"""Bookmarks come about once a minute; a watch silent for longer is opened anew."""
SHORT_WATCH_SECONDS = 1.0
"""A watch that the server ends sooner is not opened again at once."""
LIST_CHUNK = 500
TLS_CLOSE_SECONDS = 0.25
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource type: where the API server has it."""

    api_version: str
    kind: str
    plural: str

    def path(self, namespace: str | None, name: str | None = None, subresource: str = "") -> str:
        root = "/api" if self.api_version == "v1" else "/apis"
        parts = [root, self.api_version]
        if namespace:
            parts += ["namespaces", quote(namespace)]
        parts.append(self.plural)
        if name:
            parts.append(quote(name))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


MEDIA_API = "media.flussonic.com/v1alpha1"
STREAM = Kind(MEDIA_API, "Stream", "streams")
STREAMER = Kind(MEDIA_API, "Streamer", "streamers")
CACHE = Kind(MEDIA_API, "Cache", "caches")
POD = Kind("v1", "Pod", "pods")
SERVICE = Kind("v1", "Service", "services")
SECRET = Kind("v1", "Secret", "secrets")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
VOLUME_CLAIM = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
EVENT = Kind("v1", "Event", "events")
STATEFUL_SET = Kind("apps/v1", "StatefulSet", "statefulsets")
DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """`SYNCED` ends a list: what was known before and not seen since is gone. Its object has the
    resource version of the list as its metadata."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "RELIST", "SYNCED", "ALIVE", "LOST"]
    object: Object


@dataclass(frozen=True, slots=True)
class Page:
    """A chunk of a list; `version` is the resource version of the whole list."""

    items: Sequence[Object]
    version: str


class KubeClient:
    """Verbs on plain objects. Configured from the pod's service account or a kubeconfig."""

    def __init__(self, configuration: Configuration) -> None:
        # Else aiohttp looks for a proxy and for ~/.netrc at each request: a fifth of its CPU time.
        configuration.proxy = configuration.proxy or proxy_of(configuration.host)
        configuration.client_session_kwargs = {"trust_env": False}
        self._api = ApiClient(configuration)

    @classmethod
    async def connect(cls) -> "KubeClient":
        """In a pod by its service account, else by `KUBECONFIG` or ~/.kube/config.

        Raises ConfigException.
        """
        configuration = Configuration()
        if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
            config.load_incluster_config(client_configuration=configuration)
        else:
            # The library would take the variable as it was when it was imported.
            file = os.environ.get("KUBECONFIG") or None
            await config.load_config(config_file=file, client_configuration=configuration)
        # 0 would be without end: a refused read then waits in silence until its time-out.
        configuration.retries = None
        configuration.connection_pool_maxsize = 64
        return cls(configuration)

    async def close(self) -> None:
        await self._api.close()
        # aiohttp does not wait for the end of its TLS connections ("Graceful shutdown", its docs).
        await asyncio.sleep(TLS_CLOSE_SECONDS)

    @property
    def server(self) -> str:
        """URL of the API server."""
        return str(self._api.configuration.host)

    def session(self, **options: Any) -> aiohttp.ClientSession:
        """A session with the same credentials, for who speaks HTTP itself; `options` are those of
        aiohttp.ClientSession. It belongs to the event loop of the caller, who closes it."""
        configuration = self._api.configuration

        async def authorize(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            # At each request: tokens of service accounts are replaced every hour.
            token = await configuration.get_api_key_with_prefix("BearerToken", "authorization")
            if token:
                request.headers["Authorization"] = token
            return await handler(request)

        connector = aiohttp.TCPConnector(limit=0, ssl=self._api.rest_client.ssl_context)
        return aiohttp.ClientSession(
            connector=connector,
            middlewares=[authorize],
            proxy=configuration.proxy,
            **options,
        )

    async def list(
        self, kind: Kind, namespace: str | None = None, selector: str = ""
    ) -> tuple[list[Object], str]:
        """All objects (read in chunks) and the resource version to watch from."""
        items: list[Object] = []
        version = ""
        async for page in self.pages(kind, namespace, selector):
            items.extend(page.items)
            version = page.version
        return items, version

    async def pages(
        self, kind: Kind, namespace: str | None = None, selector: str = "", name: str = ""
    ) -> AsyncIterator[Page]:
        """The chunks of one list: what the server had at its first one, whatever is written since.

        Raises KubeError; one that `is_expired` where the reader was so slow that the server forgot
        that version: the chunks so far are worth nothing, list anew.
        """
        query = {"limit": str(LIST_CHUNK), "labelSelector": selector, **_named(name)}
        while True:
            page = await self._request("GET", kind.path(namespace), query)
            yield _page(page)
            query["continue"] = page["metadata"].get("continue") or ""
            if not query["continue"]:
                return

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        return await self._request("GET", kind.path(namespace, name))

    async def read(self, path: str) -> Object:
        """What the server has at a path that belongs to no kind, such as `/openid/v1/jwks`."""
        return await self._request("GET", path, accept="application/json, application/jwk-set+json")

    async def create(self, kind: Kind, namespace: str, body: Object) -> Object:
        return await self._request("POST", kind.path(namespace), body=_typed(kind, body))

    async def replace(self, kind: Kind, namespace: str, body: Object) -> Object:
        """Write the whole object; its resourceVersion makes it a compare-and-swap."""
        path = kind.path(namespace, body["metadata"]["name"])
        return await self._request("PUT", path, body=_typed(kind, body))

    async def apply(
        self,
        kind: Kind,
        namespace: str,
        body: Object,
        *,
        manager: str,
        force: bool = False,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Server-side apply; a field owned by another manager gives KubeError 409 unless forced."""
        query = {"fieldManager": manager, "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        path = kind.path(namespace, body["metadata"]["name"], subresource)
        return await self._request(
            "PATCH", path, query, _typed(kind, body), content_type="application/apply-patch+yaml"
        )

    async def merge(
        self, kind: Kind, namespace: str, name: str, patch: Object, subresource: str = ""
    ) -> Object:
        """JSON merge patch (RFC 7386): `null` removes a field."""
        return await self._request(
            "PATCH",
            kind.path(namespace, name, subresource),
            body=patch,
            content_type="application/merge-patch+json",
        )

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        grace_seconds: int | None = None,
        version: str = "",
    ) -> None:
        """Delete one object, `version`: only as it was then (409); that it is gone is success."""
        body: Object = {"propagationPolicy": "Background"}
        if version:
            body["preconditions"] = {"resourceVersion": version}
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        try:
            await self._request("DELETE", kind.path(namespace, name), body=body)
        except KubeError as error:
            if not error.is_gone:
                raise

    async def watch(
        self, kind: Kind, namespace: str | None = None, selector: str = "", name: str = ""
    ) -> AsyncIterator[WatchEvent]:
        """List, then watch for ever; heals itself from time-outs, 410 and lost connections.

        `name`: of the one object that is watched, whose reader may have rights for it alone.

        Each fresh list begins with RELIST and ends with SYNCED, or with LOST if it failed. ALIVE
        tells that the connection works (bookmarks), so that liveness can be judged by the age of
        the last event. LOST: what is known may be old until the next SYNCED.
        """
        failures = 0
        while True:
            try:
                version = ""
                yield WatchEvent("RELIST", {})
                async for page in self.pages(kind, namespace, selector, name):
                    version = page.version
                    for item in page.items:
                        yield WatchEvent("ADDED", _typed(kind, item))
                yield WatchEvent("SYNCED", {"metadata": {"resourceVersion": version}})
                failures = 0
                async for event in self._watch_from(kind, namespace, selector, version, name):
                    yield event
            except (KubeError, aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                # ValueError: a line that was cut off, or is not JSON.
                yield WatchEvent("LOST", {})
                asked = error.retry_after_seconds if isinstance(error, KubeError) else 0.0
                delay = max(asked, RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
                failures += 1
                text = "watch of %s lost (%s), attempt %d; again in %s s"
                cause = str(error) or "no answer in time"
                log.log(log_level(failures), text, kind.plural, cause, failures, delay)
                await asyncio.sleep(delay)

    async def _watch_from(
        self, kind: Kind, namespace: str | None, selector: str, version: str, name: str
    ) -> AsyncIterator[WatchEvent]:
        """Events since `version`; returns when a fresh list is needed."""
        while True:
            opened = asyncio.get_running_loop().time()
            query = {
                "watch": "true",
                "allowWatchBookmarks": "true",
                "resourceVersion": version,
                "timeoutSeconds": str(WATCH_TIMEOUT_SECONDS),
                "labelSelector": selector,
                **_named(name),
            }
            response = await self._open("GET", kind.path(namespace), query, timeout=None)
            try:
                async for line in _lines(response.content):
                    type_, body = _event(line)
                    if type_ == "ERROR":
                        error = error_of_status(0, body)
                        if error.is_expired:
                            await asyncio.sleep(RETRY_SECONDS[0])  # no storm of lists
                            return  # the version is too old to resume from
                        raise error
                    version = body["metadata"]["resourceVersion"]
                    if type_ == "BOOKMARK":
                        yield WatchEvent("ALIVE", {})
                    else:
                        yield WatchEvent(type_, _typed(kind, body))
            except TimeoutError:
                # Dead, or a kind of which nothing is written: its bookmarks wait for etcd's notices
                # of progress (10 min). A new connection tells, and resumes without a list.
                log.debug("watch of %s is silent and is opened anew", kind.plural)
                yield WatchEvent("ALIVE", {})
            finally:
                response.close()
            if asyncio.get_running_loop().time() - opened < SHORT_WATCH_SECONDS:
                await asyncio.sleep(RETRY_SECONDS[0])

    async def _request(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Object:
        limit = REQUEST_TIMEOUT_SECONDS
        async with asyncio.timeout(limit):
            response = await self._open(
                method, path, query, body, content_type, accept, timeout=limit
            )
            try:
                data = json.loads(await response.read() or b"{}")
            except (aiohttp.ClientError, ValueError) as error:
                raise KubeError(0, "Unreachable", f"the answer is broken: {error}") from error
        if not isinstance(data, dict):
            raise KubeError(0, "Unreachable", "the answer is not an object")
        return data

    async def _open(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        *,
        timeout: float | None,  # noqa: ASYNC109 - handed to aiohttp
    ) -> Any:
        """The open aiohttp response; raises KubeError for every status from 400."""
        headers = {"Accept": accept, "Content-Type": content_type}
        url = f"{path}?{urlencode({k: v for k, v in (query or {}).items() if v})}"
        serialized = await self._api.param_serialize(
            method, url, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        try:
            reply = await self._api.call_api(
                *serialized, _request_timeout=timeout or WATCH_TIMEOUT_SECONDS + 30
            )
            if reply.status >= 400:
                raise error_of_answer(
                    reply.status, await reply.read(), reply.headers.get("Retry-After")
                )
        except aiohttp.ClientError as error:
            raise KubeError(0, "Unreachable", str(error)) from error
        return reply.response


def proxy_of(url: str) -> str | None:
    """The proxy that the environment has for a URL (HTTPS_PROXY, NO_PROXY)."""
    place = urlsplit(url)
    if place.hostname is None or proxy_bypass(place.hostname):
        return None
    return getproxies().get(place.scheme)


def _named(name: str) -> dict[str, str]:
    return {"fieldSelector": f"metadata.name={name}"} if name else {}


def log_level(failures: int) -> int:
    """Of the line on that many failures in a row: a warning for the 1st, 2nd, 4th, 8th …, so that
    an API server that is away for hours costs a few lines."""
    return logging.WARNING if failures & (failures - 1) == 0 else logging.DEBUG


def _page(data: Object) -> Page:
    """A chunk of a list. A proxy between may answer 200 with anything: that is no list of nothing.

    Raises KubeError.
    """
    items, metadata = data.get("items"), data.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    if not isinstance(items, list) or not isinstance(version, str):
        raise KubeError(0, "Unreachable", "the answer is no list")
    if not all(isinstance(item, dict) and _is_named(item) for item in items):
        raise KubeError(0, "Unreachable", "the list holds what is no object")
    return Page(items, version)


def _event(line: bytes) -> tuple[Any, Object]:
    """Type and object of a line of a watch. Raises ValueError."""
    event = json.loads(line)
    type_, body = (event.get("type"), event.get("object")) if isinstance(event, dict) else (0, 0)
    if type_ not in _EVENT_TYPES or not isinstance(body, dict):
        raise ValueError("the line is no event")
    metadata = body.get("metadata")
    versioned = isinstance(metadata, dict) and isinstance(metadata.get("resourceVersion"), str)
    if type_ != "ERROR" and not (versioned and (type_ == "BOOKMARK" or _is_named(body))):
        raise ValueError(f"the object of a line {type_} lacks its name or its version")
    return type_, body


def _is_named(body: Object) -> bool:
    metadata = body.get("metadata")
    return isinstance(metadata, dict) and isinstance(metadata.get("name"), str)


_EVENT_TYPES = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"})


def _typed(kind: Kind, body: Object) -> Object:
    """Items of lists carry no apiVersion and kind."""
    return {"apiVersion": kind.api_version, "kind": kind.kind, **body}


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length: aiohttp's own reader refuses those over 128 KiB, which objects have.

    Raises TimeoutError after a silence, ValueError where the last line is cut off.
    """
    pending: list[bytes] = []
    while True:
        async with asyncio.timeout(WATCH_SILENCE_SECONDS):
            data = await content.readany()
        if not data:
            break
        *ends, rest = data.split(b"\n")
        for end in ends:
            yield b"".join([*pending, end])
            pending = []
        if rest:
            pending.append(rest)
    if pending:
        raise ValueError("the connection ended within an event")
