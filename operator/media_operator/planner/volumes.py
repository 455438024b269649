"""What is said of the archive volumes of a pool: the condition `ArchiveReady`. Pure."""

from typing import Any

from media_operator.conditions import Condition
from media_operator.objects import Object, Snapshot, TierObject
from media_operator.quantity import quantity
from media_operator.render.archive import archive_of, asked_size, claim_name

CLAIM = "PersistentVolumeClaim"


def claim_of(tier: TierObject, ordinal: int, snapshot: Snapshot) -> Object | None:
    """The claim of one pod's archive volume; None while there is none."""
    return snapshot.children.get((CLAIM, tier.namespace, claim_name(tier, ordinal)))


def claims_of(tier: TierObject, snapshot: Snapshot) -> list[Object]:
    """Those of all pods, also of pods that were scaled away."""
    if archive_of(tier) is None:
        return []
    head = claim_name(tier, 0).removesuffix("0")
    return [
        claim
        for (kind, namespace, name), claim in sorted(snapshot.children.items())
        if (kind, namespace) == (CLAIM, tier.namespace)
        and name.startswith(head)
        and name.removeprefix(head).isdecimal()
    ]


def volume_size(claim: Object | None) -> str | None:
    """Size of the volume, as Kubernetes writes it; None while there is none."""
    capacity = _status(claim or {}).get("capacity") or {}
    return str(capacity["storage"]) if capacity.get("storage") else None


def archive_condition(tier: TierObject, replicas: int, snapshot: Snapshot) -> Condition | None:
    """Whether the volumes of all pods are there, as large as the resource says."""
    archive = archive_of(tier)
    if archive is None:
        return None
    wanted = quantity(archive["size"])
    for ordinal in range(replicas):
        claim = claim_of(tier, ordinal, snapshot)
        found = _fault(claim_name(tier, ordinal), claim, wanted, str(archive["size"]))
        if found is not None:
            return found
    return Condition("ArchiveReady", "True", "VolumesBound", f"volumes of {replicas} pods")


def _fault(name: str, claim: Object | None, wanted: Any, size: str) -> Condition | None:
    status = _status(claim or {})
    if status.get("phase") == "Lost":
        message = f"{name}: its volume is gone, and what was recorded there"
        return Condition("ArchiveReady", "False", "VolumeLost", message)
    if claim is None or status.get("phase") != "Bound":
        return Condition("ArchiveReady", "False", "VolumePending", f"{name} has no volume yet")
    has = volume_size(claim)
    if wanted is None or (quantity(has) or wanted) >= wanted:
        return None
    message = f"{name} has {has} of {size}"
    said = [str(one.get("message") or "") for one in status.get("conditions") or []]
    if (asked_size(claim) or wanted) < wanted:
        message += ": not asked for yet, or its storage class lets volumes not grow"
    elif any(said):
        message += f": {next(filter(None, said))}"
    return Condition("ArchiveReady", "False", "VolumeResizing", message)


def _status(claim: Object) -> Object:
    found: Object = claim.get("status") or {}
    return found
