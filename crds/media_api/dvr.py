"""Recording: what a stream says of its archive, the global storages, and archive ranges.

Invariants: every limit that is set holds at once (age, size, disk usage); the oldest data go first.
All DVR times called `from` are Unix seconds, times ending in `_at` are Unix milliseconds.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from media_api.base import ApiModel
from media_api.units import (
    ByteSize,
    Count,
    DiskPath,
    ObjectName,
    Percent,
    Port,
    Seconds,
    Url,
)

UnixSeconds = Annotated[int, Field(ge=0, le=2**53 - 1)]
UnixMilliseconds = Annotated[int, Field(ge=0, le=2**53 - 1)]
# UTC times of day as hhmm: [800, 1600] records from 08:00 to 16:00.
ScheduleRange = Annotated[
    list[Annotated[int, Field(ge=0, le=2400)]], Field(min_length=2, max_length=2)
]


class DvrBase(ApiModel):
    """Limits and options that a stream's archive and a global storage share."""

    deprecated_aliases: ClassVar = {
        "disk_space": "storage_limit",
        "disk_limit": "disk_usage_limit",
        "dvr_limit": "expiration",
    }

    storage_limit: ByteSize | None = Field(
        default=None, description="Size limit of the archive in bytes. Default: none."
    )
    disk_usage_limit: Percent | None = Field(
        default=None, description="Disk usage in percent above which the oldest data are deleted."
    )
    expiration: Seconds | None = Field(
        default=None, description="Depth of the archive in seconds. Default: no age limit."
    )
    dvr_replicate: bool | None = Field(
        default=None,
        description="Fill gaps of the archive from the server that the stream is taken from."
        " Default false.",
    )
    replication_port: Port | None = Field(
        default=None, description="HTTP port of that server, if it is not that of the input."
    )
    schedule: Annotated[list[ScheduleRange], Field(max_length=32)] | None = Field(
        default=None,
        description="Times of day to record, UTC, pairs of hhmm such as [[800,1600]]."
        " Default: always.",
    )
    dvr_offline: bool | None = Field(
        default=None, description="Keep the archive readable, record nothing. Default false."
    )
    copy_to: Url | None = Field(
        default=None,
        alias="copy",
        description="Bucket that finished files are copied to:"
        " s3://KEY:SECRET@HOST/BUCKET/FOLDER?expiration=90d&storage_limit=2T&rate=50M",
    )
    keep_locks: bool | None = Field(
        default=None, description="Locked ranges outlive all limits. They always do."
    )
    episodes_expiration: Seconds | None = Field(
        default=None, description="Age limit of episodes in seconds."
    )
    episodes_url: Url | None = Field(
        default=None, description="Backend that says which episodes to keep."
    )
    no_index: bool | None = Field(default=None, description="Do not keep an index. Default false.")
    locked_write: bool | None = Field(
        default=None, description="Write only ranges that are locked. Default false."
    )
    replication_speed: Count | None = Field(
        default=None,
        description="Limit of what is fetched for that, in bit/s."
        " Default: 200 Mbit/s for all streams.",
    )


class StreamDvrSpec(DvrBase):
    """Archive of one stream: `root` is a directory or URL, `reference` a global storage."""

    reference: ObjectName | None = Field(
        default=None, description="Name of a global storage (`dvrs[].name`)."
    )
    root: Url | None = Field(default=None, description="Directory or s3:// URL of the archive.")
    redundancy_factor: Annotated[int, Field(ge=0, le=10)] | None = Field(
        default=None, description="Copies kept on further streamers, 0 to 10. Default 0."
    )
    remotes: Annotated[list[Url], Field(max_length=16)] | None = Field(
        default=None, description="Archives on other servers that are read too."
    )

    @property
    def has_place(self) -> bool:
        """False if neither `root` nor `reference` says where to record (a template may)."""
        return bool(self.root or self.reference)


class RaidDiskConfig(ApiModel):
    """One disk of a global storage."""

    path: DiskPath = Field(description="Directory of the disk, relative to the storage's root.")
    mode: Literal["normal", "migrate", "readonly", "rescue", "abandon", "keep"] = Field(
        default="normal", description="What the disk is used for."
    )


class DvrConfig(DvrBase):
    """Global storage that streams name as `dvr @NAME`."""

    name: ObjectName = Field(description="Name that streams refer to.")
    root: Url = Field(description="Directory or s3://KEY:SECRET@HOST/BUCKET URL.")
    raid: Annotated[int, Field(ge=0, le=10)] | None = Field(
        default=None, description="RAID level over `disks`; 0 spreads the streams."
    )
    check_mount: bool | None = Field(
        default=None, description="Use a disk only while it is mounted. Default false."
    )
    active: Count | None = Field(default=None, description="Disks written to at once.")
    index: DiskPath | None = Field(default=None, description="Directory of the index.")
    disks: Annotated[list[RaidDiskConfig], Field(max_length=256)] | None = Field(
        default=None, description="Disks of the storage."
    )


class DvrRange(ApiModel):
    """A part of an archive without a gap."""

    from_: UnixSeconds | None = Field(
        default=None, alias="from", description="Start, Unix seconds."
    )
    duration: Seconds | None = Field(default=None, description="Length in seconds.")
    opened_at: UnixMilliseconds | None = Field(default=None, description="Start, Unix ms.")
    closed_at: UnixMilliseconds | None = Field(default=None, description="End, Unix ms.")


class DvrExportJob(ApiModel):
    """A film that is made out of an archive, or was."""

    name: str | None = Field(default=None, description="Identifier; also the name of the file.")
    stream: str | None = Field(default=None, description="Stream whose archive it is made of.")
    from_: UnixSeconds | None = Field(
        default=None, alias="from", description="Start, Unix seconds."
    )
    duration: Seconds | None = Field(default=None, description="Length in seconds.")
    status: Literal["queued", "running", "done", "failed", "cancelled"] | None = Field(
        default=None, description="How far it is."
    )
    progress: Percent | None = Field(default=None, description="Written so far, in percent.")
    bytes: Count | None = Field(default=None, description="Bytes written so far.")
    size: Count | None = Field(default=None, description="Bytes of the whole film.")
    created_at: UnixMilliseconds | None = Field(default=None, description="Ordered, Unix ms.")
    started_at: UnixMilliseconds | None = Field(default=None, description="Begun, Unix ms.")
    finished_at: UnixMilliseconds | None = Field(default=None, description="Ended, Unix ms.")
    error: str | None = Field(default=None, description="Why it failed.")
    url: str | None = Field(
        default=None, description="Path of the film on the media ports, once it is complete."
    )


class DvrInfo(ApiModel):
    """What an archive holds."""

    from_: UnixSeconds | None = Field(
        default=None, alias="from", description="Oldest recording, Unix seconds."
    )
    depth: Seconds | None = Field(
        default=None, description="Seconds from the oldest recording until now."
    )
    duration: Seconds | None = Field(default=None, description="Recorded seconds, without gaps.")
    ranges: list[DvrRange] | None = Field(
        default=None,
        description="Parts without a gap, the newest 100. Empty until the disk was looked at.",
    )
    locks: list[DvrRange] | None = Field(default=None, description="Parts kept from deletion.")
    bytes: Count | None = Field(default=None, description="Payload in bytes.")
    disk_size: Count | None = Field(default=None, description="Size on disk in bytes.")


class RecordInputSpec(ApiModel):
    """Raw recording of an input, for support."""

    deprecated_aliases: ClassVar = {"disk_space": "storage_limit", "dvr_limit": "expiration"}

    root: Url | None = Field(default=None, description="Directory of the recording.")
    storage_limit: ByteSize | None = Field(default=None, description="Size limit in bytes.")
    expiration: Seconds | None = Field(default=None, description="Age limit in seconds.")


class DvrRangeRequest(ApiModel):
    """Body of the calls that delete or lock a part of an archive."""

    from_: UnixSeconds = Field(alias="from", description="Start, Unix seconds.")
    duration: Seconds = Field(description="Length in seconds, above 0.")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.duration == 0:
            raise ValueError("duration must be above 0")
        return self
