"""Video on demand: locations of files, and the files in listings."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from media_api.auth import AuthSpec
from media_api.base import ApiModel
from media_api.cache import CacheSpec
from media_api.playback import DrmSpec, ProtocolsSpec, ThumbnailsSpec
from media_api.units import (
    Count,
    Seconds,
    SegmentMilliseconds,
    StreamName,
    Text,
    TextMap,
    TextOrFalse,
    Url,
)


class VodStorage(ApiModel):
    """One place of files."""

    url: Url = Field(description="Directory, http(s):// or s3:// URL.")
    extra: TextMap | None = Field(default=None, description="Further options of the storage.")

    @model_validator(mode="before")
    @classmethod
    def _from_url(cls, data: Any) -> Any:
        return {"url": data} if isinstance(data, str) else data


class VodConfig(ApiModel):
    """Files served as PREFIX/path; the storages are searched in order."""

    prefix: StreamName = Field(description="First part of the names of its files.")
    storages: Annotated[list[VodStorage], Field(max_length=64)] = Field(
        default_factory=list, description="Places of files, searched in order."
    )
    disabled: bool = Field(default=False, description="Keep configured, do not serve.")
    auto_mbr: bool = Field(
        default=False,
        description="A directory NAME is played as one film at several bit rates: its files whose"
        " names begin with NAME.",
    )
    download: bool = Field(default=False, description="Allow to fetch the files themselves.")
    position: Count | None = Field(default=None, description="Place in lists, from 0.")
    provider: Text | None = Field(default=None, description="Provider shown to viewers.")
    on_play: AuthSpec | None = Field(
        default=None, description="Authorisation of viewers. Default: all may play."
    )
    cache: CacheSpec | None = Field(
        default=None, description="Where segments of its files are kept."
    )
    segment_cache: CacheSpec | None = Field(
        default=None, description="The same; goes before `cache`."
    )
    read_queue: Count | None = Field(default=None, description="Concurrent reads of a storage.")
    timeout: Seconds | None = Field(default=None, description="Time-out of a read, seconds.")
    thumbnails: ThumbnailsSpec | None = Field(default=None, description="Pictures of the files.")
    protocols: ProtocolsSpec | None = Field(
        default=None, description="Protocols that may play it. Default: all."
    )
    url_prefix: TextOrFalse | None = Field(
        default=None, description="Put before segment addresses; false cancels the server's."
    )
    segment_duration: SegmentMilliseconds | None = Field(
        default=None, description="Length of a segment in milliseconds, 100 to 120000."
    )
    add_audio_only: bool | None = Field(
        default=None,
        description="Add an audio-only variant to HLS. Default false.",
    )
    drm: DrmSpec | None = Field(default=None, description="Encryption. Default: none.")


class VodFile(ApiModel):
    """A file or directory in the listing of a location."""

    name: Text | None = Field(default=None, description="PREFIX/path, the name to play.")
    prefix: Text | None = Field(default=None, description="Location.")
    url: Url | None = Field(default=None, description="Place of the file in its storage.")
    folder: Text | None = Field(default=None, description="Directory within the storage.")
    subpath: Text | None = Field(default=None, description="Path within the storage.")
    bytes: Count | None = Field(default=None, description="Size in bytes.")
    is_directory: bool = Field(default=False, description="It is a directory.")
    is_multibitrate_directory: bool = Field(
        default=False, description="A directory that plays as one multi-bit-rate file."
    )
    opened: bool = Field(default=False, description="It is being played now.")
