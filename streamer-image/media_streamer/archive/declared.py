"""What a stream's configuration says of its archive, together with the storage it names. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from media_api.dvr import DvrBase
from media_api.server import ServerConfig
from media_api.stream import StreamConfig

from media_streamer.archive.copy_target import CopyTarget, copy_target
from media_streamer.archive.places import Place, ToldPlace, span_ms, stream_folder
from media_streamer.archive.replica import NoReplica, ReplicaSource, replica_source
from media_streamer.archive.retention import Limits
from media_streamer.archive.schedule import Schedule, schedule_of
from media_streamer.s3.address import BadAddress


@dataclass(frozen=True, slots=True)
class Declared:
    """The archive of a stream."""

    root: Path
    folder: Path
    """Where its locks lie, and what was recorded before there were disks."""
    places: tuple[Place, ...]
    """All that may hold something of it; `root` is the first one where it is a disk itself."""
    writable: tuple[Path, ...]
    """Disks that it is recorded on."""
    mounts: frozenset[Path]
    """Disks that are used only while they are mounted."""
    limits: Limits
    records: bool
    """False: it is only read."""
    span_ms: int
    """The longest that one file lasts."""
    schedule: Schedule = ()
    """Times of day at which it is recorded; empty: always."""
    episodes_url: str = ""
    """Who says which episodes of it are kept, if it is not the configuration backend."""
    episodes_expiration: int | None = None
    """Age in seconds beyond which an episode keeps nothing; None: none."""
    active: int = 0
    """So many of the disks are written to at once; 0: all."""
    copy: CopyTarget | None = None
    """Where its finished files are copied to."""
    copy_refused: str = ""
    """Why they are not, though it is asked for."""
    replica: ReplicaSource | None = None
    """Where its gaps are filled from."""
    replica_refused: str = ""
    """Why they are not, though it is asked for."""

    @property
    def told_places(self) -> list[ToldPlace]:
        """Its places as processes tell each other."""
        return [(str(one.disk), str(one.folder), one.bucket) for one in self.places]


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
    root = (dvr.root or (storage.root if storage is not None else "")).removeprefix("file://")
    if not root.startswith("/"):
        # Not as it is written: it may hold the key of a bucket.
        scheme, found, _ = root.partition("://")
        what = f"a place by {scheme[:10]}://" if found else repr(root[:40])
        raise NoArchive(f"{what} is no absolute path of a directory")
    given: list[DvrBase] = [dvr, *([storage] if storage is not None else [])]
    disks = (storage.disks or []) if storage is not None and not dvr.root else []
    limits = Limits(
        expiration_seconds=_first(one.expiration for one in given),
        size_bytes=_first(one.storage_limit for one in given),
        disk_percent=_first(one.disk_usage_limit for one in given),
    )
    offline = _first(one.dvr_offline for one in given)
    used = {Path(root, one.path): one.mode for one in disks if one.mode != "abandon"}
    writable = [disk for disk, mode in used.items() if mode == "normal"]
    if disks and not writable and not offline:
        assert storage is not None
        raise NoArchive(f"no disk of the storage {storage.name!r} is in mode normal")
    try:
        folder = stream_folder(Path(root), stream.name)
        places = [Place(disk, stream_folder(disk, stream.name)) for disk in (Path(root), *used)]
        copy, copy_refused = _copy(given)
        if copy is not None:
            mirror = copy.mirror(Path(root))
            places.append(Place(mirror, stream_folder(mirror, stream.name), copy.url))
        replica, replica_refused = _replica(stream, given, next(iter(writable), Path(root)))
        if replica is not None:
            places.append(replica.place)
    except ValueError as error:
        raise NoArchive(str(error)) from None
    checks = storage is not None and bool(storage.check_mount)
    return Declared(
        root=Path(root),
        folder=folder,
        places=tuple(places),
        writable=tuple(writable) if disks else (Path(root),),
        mounts=frozenset(used or [Path(root)]) if checks else frozenset(),
        active=(storage.active or 0) if storage is not None else 0,
        limits=limits,
        episodes_url=next((one.episodes_url for one in given if one.episodes_url), ""),
        episodes_expiration=_first(one.episodes_expiration for one in given),
        records=not offline and not stream.disabled,
        span_ms=span_ms(limits.expiration_seconds),
        schedule=schedule_of(next((one.schedule for one in given if one.schedule), None)),
        copy=copy,
        copy_refused=copy_refused,
        replica=replica,
        replica_refused=replica_refused,
    )


def _copy(given: Iterable[DvrBase]) -> tuple[CopyTarget | None, str]:
    """Where files are copied to; or why not, which is no reason not to record."""
    url = next((one.copy_to for one in given if one.copy_to), None)
    try:
        return (copy_target(url) if url else None), ""
    except BadAddress as error:
        return None, str(error)


def _replica(
    stream: StreamConfig, given: Iterable[DvrBase], disk: Path
) -> tuple[ReplicaSource | None, str]:
    """Where gaps are filled from; or why not, which is no reason not to record."""
    try:
        return replica_source(stream, given, disk), ""
    except NoReplica as error:
        return None, str(error)


def _first(values: Iterable[int | None]) -> int | None:
    """What the stream says, else what the storage does."""
    return next((value for value in values if value is not None), None)
