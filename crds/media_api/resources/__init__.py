"""The custom resources Stream, Streamer and Cache of media.flussonic.com/v1alpha1 as models.

`media_api.crd` makes the CustomResourceDefinitions from them. Media fields keep the names of the
REST API (snake_case), so that a stream configuration copies over as it is; Kubernetes-style fields
are camelCase and, where the vendor's Streamer has one of the same meaning, carry its name.
"""

from media_api.resources.cache import CacheResource, CacheResourceSpec, CacheResourceStatus
from media_api.resources.conditions import Condition
from media_api.resources.meta import GROUP, VERSION, ObjectMeta, object_name
from media_api.resources.stream import StreamResource, StreamResourceStatus, StreamSpec
from media_api.resources.streamer import (
    StreamerMember,
    StreamerResource,
    StreamerResourceStatus,
    StreamerSpec,
)

__all__ = [
    "GROUP",
    "VERSION",
    "CacheResource",
    "CacheResourceSpec",
    "CacheResourceStatus",
    "Condition",
    "ObjectMeta",
    "StreamResource",
    "StreamResourceStatus",
    "StreamSpec",
    "StreamerMember",
    "StreamerResource",
    "StreamerResourceStatus",
    "StreamerSpec",
    "object_name",
]
