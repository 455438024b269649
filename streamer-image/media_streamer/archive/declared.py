"""What a stream's configuration says of its archive, together with the storage it names. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from media_api.dvr import DvrBase
from media_api.server import ServerConfig
from media_api.stream import StreamConfig

from media_streamer.archive.places import span_ms, stream_folder
from media_streamer.archive.retention import Limits
from media_streamer.archive.schedule import Schedule, schedule_of


@dataclass(frozen=True, slots=True)
class Declared:
    """The archive of a stream."""

    root: Path
    folder: Path
    limits: Limits
    records: bool
    """False: it is only read."""
    span_ms: int
    """The longest that one file lasts."""
    schedule: Schedule = ()
    """Times of day at which it is recorded; empty: always."""


class NoArchive(ValueError):  # noqa: N818 - what people are told
    """There is `dvr`, and nothing can be recorded; the message says why and what to write."""


def declared(stream: StreamConfig, server: ServerConfig) -> Declared | None:
    """The archive of a stream, None if it has none. Raises NoArchive."""
    dvr = stream.dvr
    if dvr is None or not dvr.has_place:
        return None
    storage = next((one for one in server.dvrs if one.name == dvr.reference), None)
    if dvr.reference and storage is None:
        raise NoArchive(f"there is no storage {dvr.reference!r}: declare it or name a directory")
    if storage is not None and storage.disks:
        raise NoArchive(f"the storage {storage.name!r} has disks, which are not served yet")
    root = (dvr.root or (storage.root if storage is not None else "")).removeprefix("file://")
    if not root.startswith("/"):
        # Not as it is written: it may hold the key of a bucket.
        scheme, found, _ = root.partition("://")
        what = f"a place by {scheme[:10]}://" if found else repr(root[:40])
        raise NoArchive(f"{what} is no absolute path of a directory")
    given: list[DvrBase] = [dvr, *([storage] if storage is not None else [])]
    limits = Limits(
        expiration_seconds=_first(one.expiration for one in given),
        size_bytes=_first(one.storage_limit for one in given),
        disk_percent=_first(one.disk_usage_limit for one in given),
    )
    offline = _first(one.dvr_offline for one in given)
    try:
        folder = stream_folder(Path(root), stream.name)
    except ValueError as error:
        raise NoArchive(str(error)) from None
    return Declared(
        root=Path(root),
        folder=folder,
        limits=limits,
        records=not offline and not stream.disabled,
        span_ms=span_ms(limits.expiration_seconds),
        schedule=schedule_of(next((one.schedule for one in given if one.schedule), None)),
    )


def _first(values: Iterable[int | None]) -> int | None:
    """What the stream says, else what the storage does."""
    return next((value for value in values if value is not None), None)
