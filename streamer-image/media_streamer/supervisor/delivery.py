"""What of the configuration matters to delivery, as an egress worker is told it."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from media_api import playback
from media_api.cache import CacheLimits, CacheSpec
from media_api.input import InputConfig
from media_api.protocols import ROWS
from media_api.server import ServerConfig

from media_streamer.archive.declared import Declared, NoArchive, declared
from media_streamer.archive.origin import is_by_frames, may_be_of_others, origin_of
from media_streamer.supervisor.catalog import Stream
from media_streamer.supervisor.locations import file_path, storages_of
from media_streamer.wire import encoding
from media_streamer.wire.control import (
    CacheTerms,
    DeliveryConfig,
    Encryption,
    Passage,
    PlaybackHeaders,
    PublisherTerms,
    RateTerms,
)

IDLE_SECONDS = 3.0
"""How long a viewer waits for a publisher who is not there: long enough for both to be started."""

FORMER_SECONDS = 60.0
"""No player asks for segments of a live stream that are older."""


def delivery_config(stream: Stream, server: ServerConfig, *, is_published: bool) -> DeliveryConfig:
    """What an egress worker must know; `is_published`: somebody publishes the stream now."""
    config, vod = stream.config, stream.location
    archive = archive_of(stream, server)
    prefix = config.url_prefix if config.url_prefix is not None else server.url_prefix
    return DeliveryConfig(
        segment_duration=config.segment_duration or _UNSAID.segment_duration,
        segment_count=config.segment_count or _UNSAID.segment_count,
        chunk_duration=config.chunk_duration or _UNSAID.chunk_duration,
        url_prefix=prefix or "",
        prepush=None if config.prepush in (None, True) else float(config.prepush),
        add_audio_only=bool(config.add_audio_only),
        dash_update_period=config.dash_update_period or 0.0,
        title=config.title or "",
        provider=config.provider or "",
        static=config.static,
        start_seconds=_start_seconds(stream, is_published),
        auth_token=server.auth_token,
        protocols=config.protocols.explicit() if config.protocols else {},
        start_track=(config.webrtc_abr.start_track or "") if config.webrtc_abr else "",
        publisher=publisher_terms(config.inputs),
        playback_headers=[_headers(one) for one in config.playback_headers or ()],
        pictures=_has_pictures(stream),
        picture_url=_thumbnails(stream).url or "" if vod is None else "",
        picture_sizes=picture_sizes(_thumbnails(stream)),
        archive=str(archive.folder) if archive is not None else "",
        archive_places=archive.told_places if archive is not None else [],
        archive_root=str(archive.root) if archive is not None else "",
        storages=storages_of(vod) if vod is not None else [],
        file=file_path(vod, stream.name) if vod is not None else "",
        download=vod is not None and vod.download,
        auto_mbr=vod is not None and vod.auto_mbr,
        cache=cache_terms(vod.segment_cache or vod.cache, server) if vod is not None else None,
        encryption=encryption_of(stream),
        # What others have is in clear.
        taken_from=source_of(stream) if config.drm is None else None,
    )


def may_be_played(stream: Stream) -> bool:
    """Not where it would go out in clear, and its owner asked for something else."""
    return stream.config.drm is None or stream.config.drm.is_served


def encryption_of(stream: Stream) -> Encryption | None:
    """How its segments are encrypted; None: they are in clear."""
    drm = stream.config.drm
    if drm is None or drm.keyserver is None or not drm.is_served:
        return None
    return Encryption(
        stream.name,
        drm.keyserver,
        drm.resource_id or stream.name,
        drm.user_keyserver or "",
        60 * (drm.expires or 0),
    )


def seal_of(stream: Stream) -> str:
    """The same for comparison, without its secrets."""
    terms = encryption_of(stream)
    return hashlib.sha256(encoding.encode(terms)).hexdigest()[:16] if terms is not None else ""


def _headers(spec: playback.PlaybackHeaders) -> PlaybackHeaders:
    protocols = None
    if spec.protocols is not None:
        allowed = spec.protocols.allows
        protocols = [row.name for row in ROWS if row.switch and allowed(row.switch)]
    return PlaybackHeaders(
        spec.playback or "", protocols, spec.headers or {}, spec.segment_headers or {}
    )


def publisher_terms(inputs: Sequence[InputConfig]) -> PublisherTerms:
    """Of the first `publish://`: there is one publisher at a time."""
    item = next((one for one in inputs if one.scheme == "publish"), None)
    if item is None:
        return PublisherTerms()
    told = {
        "step_up": item.abr_stepup,
        "step_down": item.abr_stepdown,
        "loss_lower": item.abr_loss_lower,
        "loss_upper": item.abr_loss_upper,
        "correction": None if item.abr_correction is None else item.abr_correction * 1000,
        "cycles": item.abr_cycles,
        "loss_only": None if item.abr_mode is None else item.abr_mode == 1,
        "logged": None if item.abr_debug is None else bool(item.abr_debug),
    }
    said = {name: value for name, value in told.items() if value is not None}
    return PublisherTerms(
        adapts=item.webrtc_abr is not False,
        codec=item.prefer_codec or "",
        transport=item.transport or "",
        least_bit_rate=(item.min_bitrate or 0) * 1000,
        most_bit_rate=item.max_bitrate or 0,
        rate=msgspec.structs.replace(RateTerms(), **said) if said else None,
    )


def folders_of(stream: Stream, server: ServerConfig) -> frozenset[Path]:
    """Local folders that the archive of a stream, or a file, lies below."""
    if stream.location is not None:
        return frozenset(
            Path(url.removeprefix("file://"))
            for url in storages_of(stream.location)
            if url.startswith(("/", "file://"))
        )
    archive = archive_of(stream, server)
    return frozenset(place.disk for place in archive.places) if archive is not None else frozenset()


def _has_pictures(stream: Stream) -> bool:
    """Of streams they are made where that is not forbidden, of files where it is said."""
    if stream.location is not None and stream.location.thumbnails is None:
        return False
    return _thumbnails(stream).enabled is not False


def _thumbnails(stream: Stream) -> playback.ThumbnailsSpec:
    spec = stream.config.thumbnails if stream.location is None else stream.location.thumbnails
    return spec or playback.ThumbnailsSpec()


def picture_sizes(spec: playback.ThumbnailsSpec) -> list[tuple[int, int]]:
    """Those that say something."""
    sizes = [(size.width or -1, size.height or -1) for size in spec.sizes or ()]
    return [size for size in sizes if size != (-1, -1)]


def _start_seconds(stream: Stream, is_published: bool) -> float:
    """Short where nothing but a publisher could give data, and there is none."""
    config = stream.config
    waits = not config.backup and all(item.scheme == "publish" for item in config.inputs)
    if waits and not is_published:
        return IDLE_SECONDS
    return _UNSAID.start_seconds


def archive_of(stream: Stream, server: ServerConfig) -> Declared | None:
    """What of the stream's past can be played; None if it has no archive."""
    try:
        return declared(stream.config, server)
    except NoArchive:
        return None


def passage_of(stream: Stream, server: ServerConfig) -> Passage | None:
    """Where what is recorded of a stream can be had, if not here: at the server it is pulled from.

    So it is for streams of a `source`, for those that have a `cache` for it, and where the input
    says so (`remote_dvr`).
    """
    config = stream.config
    if archive_of(stream, server) is not None or not config.inputs or config.drm is not None:
        return None
    wanted = config.inputs[0].remote_dvr
    if wanted == "none":
        return None
    if wanted is None and stream.named_by != "remote" and config.cache is None:
        return None
    origin = origin_of(config.inputs[0])
    if origin is None or (wanted is None and may_be_of_others(config.inputs[0])):
        return None
    terms = cache_terms(config.cache, server)
    return Passage(origin.base, origin.stream, origin.cluster_key, terms, wanted != "nochain")


def source_of(stream: Stream) -> Passage | None:
    """The server that a stream is taken from by frames, or was a moment ago: it has segments of
    before it was taken, by the names that they would have here."""
    inputs = stream.config.inputs
    taken = inputs[0] if inputs and is_by_frames(inputs[0]) else None
    if taken is None and time.monotonic() - stream.taken_until < FORMER_SECONDS:
        taken = stream.taken_from
    origin = origin_of(taken) if taken is not None else None
    if origin is None or not origin.cluster_key:
        return None
    return Passage(origin.base, origin.stream, origin.cluster_key, chain=False)


def cache_terms(spec: CacheSpec | None, server: ServerConfig) -> CacheTerms | None:
    """Where what is asked for is kept; None if it is not."""
    limits: CacheLimits | None = spec
    path = spec.path if spec is not None else None
    if spec is not None and spec.reference:
        shared = next((one for one in server.caches if one.name == spec.reference), None)
        limits, path = shared, shared.path if shared is not None else None
    if limits is None or not path:
        return None
    return CacheTerms(path, limits.misses or 0, limits.storage_limit or 0, limits.expiration or 0)


_UNSAID = DeliveryConfig()
