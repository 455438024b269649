"""The volume on which each pod of a pool keeps the archives of its streams.

Invariant: the claims are made with the pool, by a template that Kubernetes lets nobody change; only
their size may grow.
"""

from typing import Annotated, Literal

from pydantic import Field

from media_api.resources.meta import ResourceModel
from media_api.resources.pods import KubeName, Quantity
from media_api.units import ObjectName

Retention = Literal["Retain", "Delete"]


class ArchiveVolume(ResourceModel):
    """A volume of its own for each pod."""

    size: Quantity = Field(
        description="Size of each volume; may grow later where the storage class allows it."
    )
    storage_class_name: KubeName | None = Field(
        default=None, description="Storage class. Default: that of the cluster. Cannot change."
    )
    access_mode: Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"] = Field(
        default="ReadWriteOnce", description="Access mode of the claims. Cannot change."
    )
    mount_path: Annotated[str, Field(min_length=2, max_length=255)] = Field(
        default="/archive", description="Where it is mounted."
    )
    storage: ObjectName = Field(
        default="archive",
        description="Name of the global storage there: streams say `dvr: {reference: archive}`.",
    )
    when_deleted: Retention = Field(
        default="Retain", description="What becomes of the volumes when the pool is deleted."
    )
    when_scaled: Retention = Field(
        default="Retain", description="What becomes of the volume of a pod that is scaled away."
    )
    move_after_seconds: Annotated[int, Field(ge=0, le=604_800)] = Field(
        default=300,
        description="Seconds that a stream waits for the pod with its archive before it goes on"
        " elsewhere, up to 7 days; 0: it does not wait, and leaves a pod that drains.",
    )
