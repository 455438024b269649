"""Between Central's documents and the custom resources. Pure.

A Stream's spec holds the stream configuration under the names of the REST API, and its placement
under Kubernetes' names; only the placement must be translated. Streamers are pods of a pool, or
Streamer resources that name an external server.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from media_api.base import JsonObject

from media_central.store.kubernetes.heartbeat import ReadyPod
from media_central.store.kubernetes.ownership import foreign_owners
from media_central.store.port import Kind, Record

API_PORT = 8080
"""Port of the API inside a streamer pod (the operator sets it)."""
_NOT_IN_SPEC = frozenset({"namespace"})
_SPEC_OF = {
    "preferred_streamer": "preferredStreamer",
    "gpu": "gpuRequired",
}
_DOCUMENT_OF = {spec: document for document, spec in _SPEC_OF.items()}
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def to_spec(document: JsonObject, object_name: str) -> JsonObject:
    """The spec of a Stream for a document; the name only where the object's name differs."""
    spec: JsonObject = {}
    for key, value in document.items():
        if key in _NOT_IN_SPEC or (key == "name" and value == object_name):
            continue
        if key == "streamer_selector":
            spec["streamerSelector"] = {"matchLabels": value}
        else:
            spec[_SPEC_OF.get(key, key)] = value
    return spec


def to_document(body: Mapping[str, Any]) -> JsonObject:
    """The document of a Stream object."""
    spec = dict(body.get("spec") or {})
    document: JsonObject = {"name": spec.pop("name", None) or body["metadata"]["name"]}
    selector = spec.pop("streamerSelector", None)
    if selector:
        document["streamer_selector"] = selector.get("matchLabels") or {}
    spec.pop("edgeCache", None)
    for key in spec:
        document[_DOCUMENT_OF.get(key) or key] = spec[key]
    return document


def object_name(name: str, attempt: int = 0) -> str:
    """The name of the object for a stream's name: itself if Kubernetes takes it, else a slug.

    The slug ends in a hash, so that `a/b` and `a-b` are two objects. A further `attempt` gives
    another name: a renamed stream keeps its object, which may have the first one.
    """
    if attempt == 0 and _LABEL.fullmatch(name):
        return name
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].rstrip("-") or "stream"
    salted = name if attempt == 0 else f"{name}\0{attempt}"
    return f"{slug}-{hashlib.sha256(salted.encode()).hexdigest()[:8]}"


def stream_name(body: Mapping[str, Any]) -> str:
    """The name of a stream is in its spec, or is that of its object."""
    return str((body.get("spec") or {}).get("name") or body["metadata"]["name"])


def stream_record(body: Mapping[str, Any]) -> Record:
    """A Stream object as Central keeps it; where it runs is in its status."""
    document = to_document(body)
    return Record(
        kind=Kind.STREAM,
        key=document["name"],
        config=document,
        layout=_layout(body),
        version=int(body["metadata"]["resourceVersion"]),
        created_at=milliseconds(body["metadata"].get("creationTimestamp")),
        updated_at=_last_change(body),
    )


def _layout(body: Mapping[str, Any]) -> JsonObject | None:
    status = body.get("status") or {}
    scheduled: Mapping[str, Any] = next(
        (c for c in status.get("conditions") or [] if c.get("type") == "Scheduled"), {}
    )
    if not scheduled or scheduled.get("reason") == "Disabled":
        return None
    layout: JsonObject = {"originator": "layouter"}
    foreign = foreign_owners(body)
    if foreign:
        layout["managed_by"] = ", ".join(sorted(foreign))
    if scheduled.get("lastTransitionTime"):
        layout["created_at"] = milliseconds(scheduled["lastTransitionTime"])
    if status.get("streamer"):
        layout["ingest"] = status["streamer"]
    elif scheduled.get("message"):
        layout["message"] = scheduled["message"]
    if status.get("previousStreamer"):
        layout["leaving"] = status["previousStreamer"]
    return layout


def _last_change(body: Mapping[str, Any]) -> int:
    """When the spec was last written, as far as the API server recorded it."""
    times = [
        entry.get("time")
        for entry in body["metadata"].get("managedFields") or []
        if entry.get("subresource") != "status"
    ]
    return max(map(milliseconds, [*times, body["metadata"].get("creationTimestamp")]))


def pod_record(
    pod: Mapping[str, Any], pool: Mapping[str, Any], cluster_key: str, hostname: str
) -> Record | None:
    """A streamer pod as streamer `hostname`; None before it has an address or once it ended."""
    meta, status = pod["metadata"], pod.get("status") or {}
    address = status.get("podIP")
    if not address or status.get("phase") in ("Succeeded", "Failed"):
        return None
    spec = pool.get("spec") or {}
    member = _member(meta["name"], pool)
    url = _api_url(address)
    config: JsonObject = {
        "hostname": hostname,
        "api_url": url,
        "public_payload_url": member.get("publicUrl") or _service_url(pod),
        "public_ports": dict(member.get("ports") or {}),
        "private_payload_url": url,
        "is_restreamer": True,
        "draining": "deletionTimestamp" in meta,
        "labels": dict(meta.get("labels") or {}),
    }
    if cluster_key:
        config["cluster_key"] = cluster_key
    if spec.get("channelLimit"):
        config["channel_limit"] = spec["channelLimit"]
    return _streamer(pod, config, pool)


def _api_url(address: str) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{API_PORT}"


def ready_pod(pod: Mapping[str, Any], pool: tuple[str, str]) -> ReadyPod | None:
    """None for one that Kubernetes does not call ready, or that leaves."""
    meta, status = pod["metadata"], pod.get("status") or {}
    conditions: list[Mapping[str, Any]] = status.get("conditions") or []
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    address = status.get("podIP")
    if not ready or not address or "deletionTimestamp" in meta:
        return None
    node = (pod.get("spec") or {}).get("nodeName", "")
    return ReadyPod(pool, meta["name"], node, address, _api_url(address))


def is_pod(config: Mapping[str, Any]) -> bool:
    """Of a streamer's document in a cluster: servers outside tell no ports (`_EXTERNAL_FIELDS`)."""
    return "public_ports" in config


def _member(name: str, pool: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the operator says of a pod in the status of its pool; empty before it does."""
    members: list[Mapping[str, Any]] = (pool.get("status") or {}).get("members") or []
    return next((member for member in members if member["name"] == name), {})


def is_told(pod: Mapping[str, Any], pool: Mapping[str, Any]) -> bool:
    """Whether the operator has said where viewers reach a pod."""
    return "publicUrl" in _member(pod["metadata"]["name"], pool)


def _service_url(pod: Mapping[str, Any]) -> str:
    labels = pod["metadata"].get("labels") or {}
    pool = labels.get("app.kubernetes.io/instance", "default")
    return f"http://streamer-{pool}.{pod['metadata']['namespace']}.svc"


def external_document(body: Mapping[str, Any]) -> JsonObject:
    """What of a Streamer resource for an external server can be changed through the API."""
    spec = body["spec"]
    config: JsonObject = {"hostname": body["metadata"]["name"], "api_url": spec["apiUrl"]}
    for key, name in (
        ("public_payload_url", "publicUrl"),
        ("private_payload_url", "privateUrl"),
        ("channel_limit", "channelLimit"),
    ):
        if spec.get(name):
            config[key] = spec[name]
    return config


def external_record(body: Mapping[str, Any], cluster_key: str) -> Record:
    """A Streamer resource that names a server outside the cluster."""
    config = external_document(body)
    if body["metadata"].get("labels"):
        config["labels"] = dict(body["metadata"]["labels"])
    if cluster_key:
        config["cluster_key"] = cluster_key
    return _streamer(body, config)


_EXTERNAL_FIELDS = frozenset(
    {"hostname", "api_url", "public_payload_url", "private_payload_url", "channel_limit"}
)
EXTERNAL_SPEC_FIELDS = frozenset({"apiUrl", "publicUrl", "privateUrl", "channelLimit"})
"""The fields of a Streamer's spec that the API's document has."""


def not_kept(document: JsonObject) -> list[str]:
    """Fields of an external server's document for which a Streamer resource has no place."""
    return sorted(key for key in document if key not in _EXTERNAL_FIELDS)


def to_external_spec(document: JsonObject) -> JsonObject:
    """The spec of a Streamer resource for an external server."""
    spec: JsonObject = {"apiUrl": document.get("api_url") or f"http://{document['hostname']}"}
    for key, name in (
        ("public_payload_url", "publicUrl"),
        ("private_payload_url", "privateUrl"),
        ("channel_limit", "channelLimit"),
    ):
        if document.get(key):
            spec[name] = document[key]
    return spec


def _streamer(
    body: Mapping[str, Any], config: JsonObject, pool: Mapping[str, Any] | None = None
) -> Record:
    created = milliseconds(body["metadata"].get("creationTimestamp"))
    # A pod's record changes with its pool too.
    versions = [source["metadata"]["resourceVersion"] for source in (body, pool) if source]
    return Record(
        kind=Kind.STREAMER,
        key=config["hostname"],
        config=config,
        layout=None,
        version=max(map(int, versions)),
        created_at=created,
        updated_at=created,
    )


def milliseconds(timestamp: str | None) -> int:
    """Unix milliseconds of an RFC 3339 time; 0 without one."""
    if not timestamp:
        return 0
    moment = datetime.fromisoformat(timestamp.replace("Z", "+00:00"))
    return round(moment.astimezone(UTC).timestamp() * 1000)
