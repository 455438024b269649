"""Cache: an edge tier of streamer pods in front of the origins.

Semantics are those of the cache directive: a segment is served from request `misses` + 1, dropped
by age (`expiration`) or, over `storage_limit`, the least recently used first; concurrent requests
for one segment make one request to the origin.
"""

from typing import Annotated

from pydantic import Field

from media_api.base import ApiModel
from media_api.cache import CacheLimits
from media_api.resources.meta import API_VERSION, ObjectMeta
from media_api.resources.pods import KubeName, PodOptions
from media_api.resources.streamer import PoolStatus
from media_api.units import DiskPath, Text, Url

NamePatterns = Annotated[list[Text], Field(max_length=256)]
DEFAULT_CACHE_PATH = "/var/cache/media"


class CacheDirective(CacheLimits):
    """The cache directive, under the names of the REST API."""

    path: DiskPath = Field(
        default=DEFAULT_CACHE_PATH, description="Directory. Mount a volume there to keep it."
    )


class CacheResourceSpec(PodOptions):
    """An edge tier."""

    cache: CacheDirective = Field(
        default_factory=CacheDirective, description="What is stored, where, and how long."
    )
    origins: Annotated[list[KubeName], Field(max_length=256)] | None = Field(
        default=None, description="Streamer resources it stands in front of. Default: all."
    )
    only: NamePatterns | None = Field(
        default=None, description="Names or patterns (a/*) of streams served. Default: all."
    )
    except_: NamePatterns | None = Field(
        default=None, alias="except", description="Names or patterns not served, also if in `only`."
    )


class CacheResourceStatus(PoolStatus):
    """What became of a Cache."""

    service: KubeName | None = Field(default=None, description="Service of the pods.")
    url: Url | None = Field(default=None, description="URL that viewers reach it at.")


class CacheResource(ApiModel):
    """A Cache object."""

    api_version: str = Field(default=API_VERSION, alias="apiVersion")
    kind: str = "Cache"
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: CacheResourceSpec = Field(default_factory=CacheResourceSpec)
    status: CacheResourceStatus = Field(default_factory=CacheResourceStatus)
