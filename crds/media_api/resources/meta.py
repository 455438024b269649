"""What all custom resources share: group, metadata, names of objects.

Invariant: an object's name in Kubernetes is a DNS label made from the real name; the real name of a
stream (with slashes and capitals) is `spec.name`.
"""

import hashlib
import inspect
import re
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from media_api.base import ApiModel, JsonObject

GROUP = "media.flussonic.com"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
MAX_LABEL = 63  # characters of a DNS label, RFC 1123
_NOT_IN_LABEL = re.compile(r"[^a-z0-9]+")

Label = Annotated[str, Field(max_length=253)]
LabelMap = Annotated[dict[str, Label], Field(max_length=64)]
DnsLabel = Annotated[
    str, Field(min_length=1, max_length=MAX_LABEL, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
# Marks fields whose default the API server may fill in; see `media_api.crd`.
DEFAULTED = "x-defaulted"


def _mark_defaults(schema: JsonObject, model: type[Any]) -> None:
    """Marks the fields that a resource model itself declares.

    Fields of a stream configuration are not marked: were their defaults filled in by the API
    server, nothing could be inherited from a template any more.
    """
    for name, field in model.model_fields.items():
        owner = next(cls for cls in model.__mro__ if name in inspect.get_annotations(cls))
        if issubclass(owner, ResourceModel):
            schema["properties"][field.alias or name][DEFAULTED] = True


class ResourceModel(ApiModel):
    """A part of a custom resource that is not media configuration: camelCase keys."""

    model_config = ConfigDict(alias_generator=to_camel, json_schema_extra=_mark_defaults)


class PassThrough(ResourceModel):
    """A part of a pod that Kubernetes itself checks: all keys are kept as they are."""

    model_config = ConfigDict(extra="allow")


class ObjectMeta(ResourceModel):
    """The part of an object's metadata that the programs read."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


def object_name(real_name: str) -> str:
    """DNS label for a real name: itself if it is one, else a readable part and a hash.

    `cam/Lobby 1` -> `cam-lobby-1-<8 hex digits>`: different names give different objects.
    """
    slug = _NOT_IN_LABEL.sub("-", real_name.lower()).strip("-")
    if slug == real_name and len(slug) <= MAX_LABEL:
        return slug
    digest = hashlib.sha256(real_name.encode()).hexdigest()[:8]
    head = slug[: MAX_LABEL - len(digest) - 1].strip("-") or "stream"
    return f"{head}-{digest}"
