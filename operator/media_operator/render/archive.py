"""Archive volumes of a pool: a claim for each pod, made by the StatefulSet.

Kubernetes lets nobody change the template of the claims, so that of a set that exists is kept as it
is, and what `archive.size` asks for more is asked of each claim.
"""

from collections.abc import Iterable
from typing import Any

from media_operator.objects import Object, TierObject
from media_operator.quantity import quantity
from media_operator.render import common

VOLUME = "archive"
EXIT_SECONDS = 30
"""Beyond those of any pod: what the disk still has to take."""


def archive_of(tier: TierObject) -> Object | None:
    """What the resource says of its archive volumes."""
    return tier.spec.get("archive") or None


def volume_name(tier: TierObject) -> str:
    """Of the volume, and before the pod's name of its claim."""
    taken = {volume["name"] for volume in tier.spec.get("volumes") or []}
    return f"media-{VOLUME}" if VOLUME in taken else VOLUME


def mount_path(tier: TierObject) -> str:
    """Empty for a pool without archive volumes."""
    archive = archive_of(tier)
    return str(archive.get("mountPath") or "/archive") if archive else ""


def storage_of(tier: TierObject) -> dict[str, Any] | None:
    """The global storage on the volume (`dvrs[]`), which streams name; full at 95 %."""
    archive = archive_of(tier)
    if archive is None:
        return None
    name = str(archive.get("storage") or "archive")
    return {"name": name, "root": mount_path(tier), "disk_usage_limit": 95}


def storages_of(tier: TierObject) -> list[dict[str, Any]]:
    """All global storages of the pool that its resource names; the user's own wins over ours."""
    declared: list[dict[str, Any]] = (tier.spec.get("config") or {}).get("dvrs") or []
    own = storage_of(tier)
    if own is None or any(one.get("name") == own["name"] for one in declared):
        return declared
    return [*declared, own]


def add_archive(tier: TierObject, stateful_set: dict[str, Any]) -> None:
    """Give the set its claims, and each pod what it needs to write there."""
    archive = archive_of(tier)
    if archive is None:
        return
    name, spec = volume_name(tier), stateful_set["spec"]
    claim: dict[str, Any] = {
        "accessModes": [archive.get("accessMode") or "ReadWriteOnce"],
        "resources": {"requests": {"storage": str(archive["size"])}},
    }
    if archive.get("storageClassName"):
        claim["storageClassName"] = archive["storageClassName"]
    spec["volumeClaimTemplates"] = [{"metadata": {"name": name}, "spec": claim}]
    spec["persistentVolumeClaimRetentionPolicy"] = {
        "whenDeleted": archive.get("whenDeleted") or "Retain",
        "whenScaled": archive.get("whenScaled") or "Retain",
    }


def add_mount(tier: TierObject, pod: dict[str, Any]) -> None:
    """Mount the volume in the pod, which ends only when its disk has taken everything."""
    if archive_of(tier) is None:
        return
    mount = {"name": volume_name(tier), "mountPath": mount_path(tier)}
    pod["containers"][0]["volumeMounts"].append(mount)
    # Kubernetes would look at each of a million files at each start.
    pod["securityContext"] |= {"fsGroupChangePolicy": "OnRootMismatch"}
    pod["terminationGracePeriodSeconds"] += EXIT_SECONDS


def as_made(body: Object, live: Object | None) -> Object:
    """The set with the template of its claims as it was made."""
    made = ((live or {}).get("spec") or {}).get("volumeClaimTemplates")
    if not made or "volumeClaimTemplates" not in body["spec"]:
        return body
    size = made[0]["spec"]["resources"]["requests"]["storage"]
    [claim] = body["spec"]["volumeClaimTemplates"]
    spec = {**claim["spec"], "resources": {"requests": {"storage": size}}}
    return {**body, "spec": {**body["spec"], "volumeClaimTemplates": [{**claim, "spec": spec}]}}


def claim_name(tier: TierObject, ordinal: int) -> str:
    return f"{volume_name(tier)}-{common.child_name(tier)}-{ordinal}"


def grown(tier: TierObject, claims: Iterable[Object]) -> list[dict[str, Any]]:
    """Claims that ask for less than the resource does now, as they should be."""
    archive = archive_of(tier)
    wanted = quantity(archive["size"]) if archive else None
    if archive is None or wanted is None:
        return []
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": claim["metadata"]["name"], "namespace": tier.namespace},
            "spec": {"resources": {"requests": {"storage": str(archive["size"])}}},
        }
        for claim in claims
        if (asked_size(claim) or wanted) < wanted and not claim["metadata"].get("deletionTimestamp")
    ]


def asked_size(claim: Object) -> Any:
    """Bytes that a claim asks for; None where it says nothing."""
    resources = (claim.get("spec") or {}).get("resources") or {}
    return quantity((resources.get("requests") or {}).get("storage"))
