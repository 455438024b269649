"""Segment caches: shared global ones and what a stream, source or VOD location says of its own."""

from typing import Annotated, ClassVar

from pydantic import Field

from media_api.base import ApiModel
from media_api.units import ByteSize, DiskPath, ObjectName, Seconds

Misses = Annotated[int, Field(ge=0, le=1_000_000)]


class CacheLimits(ApiModel):
    """When a segment is stored and when it is dropped again."""

    deprecated_aliases: ClassVar = {"disk_limit": "storage_limit", "time_limit": "expiration"}

    misses: Misses | None = Field(
        default=None,
        description="Requests that go to the origin before a segment comes from the cache; the"
        " last of them is stored. Default 0.",
    )
    storage_limit: ByteSize | None = Field(
        default=None,
        description="Size limit in bytes; beyond it the least recently used go. Default: none.",
    )
    expiration: Seconds | None = Field(
        default=None, description="Age limit in seconds. Default: none."
    )


class CacheSpec(CacheLimits):
    """Cache of one stream, source or VOD location: an own directory or a global cache by name."""

    path: DiskPath | None = Field(default=None, description="Directory of an own cache.")
    reference: ObjectName | None = Field(
        default=None, description="Name of a global cache (`caches[].name`) instead of a path."
    )


class CacheConfig(CacheLimits):
    """Global cache, shared by all that refer to it."""

    name: ObjectName = Field(description="Name that streams refer to.")
    path: DiskPath = Field(description="Directory of the cache.")
