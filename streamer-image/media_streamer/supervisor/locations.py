"""Files of the locations (`vod`, `file`), as the rest of the supervisor sees them: each is a stream
of its own for who plays it, made for the moment and kept by nobody.
"""

from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_api.vod import VodConfig

from media_streamer.disk_threads import DiskBusy, DiskThreads
from media_streamer.files.containers import ENDINGS
from media_streamer.files.names import BadName, NoFile, check_path
from media_streamer.files.sets import set_paths
from media_streamer.files.storages import identity_of, is_served
from media_streamer.supervisor.catalog import Stream
from media_streamer.wire.control import Refusal

PLAYED = (
    "hls",
    "llhls",
    "dash",
    "mp4",
    "player",
    "api",
    "tshttp",
    "flv",
    "mseld",
    "rtmp",
    "rtsp",
    "jpeg",
)
"""Protocols that play files."""
SETS_PLAYED = ("hls", "llhls", "dash", "player", "api")
"""Protocols that play several files as one, at several bit rates."""
_SHARED = (
    "on_play", "protocols", "url_prefix", "segment_duration", "add_audio_only", "provider", "drm",
)  # fmt: skip
"""Options that locations and streams have alike."""
_UNAVAILABLE = Refusal(503, "files_unavailable", "The storage of the files does not answer")


def location_of(config: ServerConfig, name: str) -> VodConfig | None:
    """The location that a name is in; the longest prefix wins."""
    found = [vod for vod in config.vods if not vod.disabled and name.startswith(f"{vod.prefix}/")]
    return max(found, key=lambda vod: len(vod.prefix), default=None)


def file_stream(vod: VodConfig, name: str) -> Stream:
    """The file as a stream; whether there is one, only the disk knows."""
    options = {key: value for key in _SHARED if (value := getattr(vod, key)) not in (None, False)}
    # Not validated: a file may be called what no stream may.
    config = StreamConfig.model_construct(name=name, **options)
    return Stream(name, "config", {"name": name}, config, location=vod)


def is_ts_file(stream: Stream, proto: str, path: str) -> bool:
    """Whether `NAME.ts`, which of a stream is MPEG-TS without an end, means a file of that name: of
    a location, where NAME by itself is called like no film."""
    if stream.location is None or proto != "tshttp" or not path.endswith(".ts"):
        return False
    return not stream.name.lower().endswith(ENDINGS)


def file_path(vod: VodConfig, name: str) -> str:
    """The path of a file within its location."""
    return name.removeprefix(f"{vod.prefix}/")


def storages_of(vod: VodConfig) -> list[str]:
    """The storages of a location that can be played from, in their order."""
    return [storage.url for storage in vod.storages if is_served(storage.url)]


def changed_locations(old: ServerConfig, new: ServerConfig) -> list[str]:
    """Prefixes of locations that are gone or others now."""
    kept = {vod.prefix: vod for vod in new.vods}
    return [vod.prefix for vod in old.vods if kept.get(vod.prefix) != vod]


class Locations:
    """Looks whether files are there, in threads."""

    def __init__(self) -> None:
        self._threads = DiskThreads("locations")

    async def refusal(self, stream: Stream, proto: str) -> Refusal | None:
        """Why the file is not played so; None if it is."""
        vod = stream.location
        if vod is None:
            return None
        path, storages = file_path(vod, stream.name), storages_of(vod)
        try:
            check_path(path)
        except BadName as error:
            return Refusal(400, "bad_name", f"No file is called that: {error}")
        if proto not in PLAYED:
            title = f"Files are not played by {proto} here, but by HLS and DASH"
            return Refusal(404, "not_served", title)
        if proto == "mp4" and not vod.download:
            title = "The files of this location may not be downloaded (download)"
            return Refusal(403, "download_denied", title)
        if not storages:
            title = "The location has no storage that this server can play from"
            return Refusal(404, "no_storage", title)
        try:
            await self._threads.run(storages[0], lambda: identity_of(storages, path))
        except NoFile:
            return await self._no_file(vod, stream.name, proto)
        except (DiskBusy, OSError, TimeoutError):
            return _UNAVAILABLE
        return None

    async def _no_file(self, vod: VodConfig, name: str, proto: str) -> Refusal | None:
        """It is no file; None if it is a set of them, and is played so."""
        storages, path = storages_of(vod), file_path(vod, name)
        try:
            found = await self._threads.run(
                storages[0], lambda: set_paths(storages, path) if vod.auto_mbr else []
            )
        except (DiskBusy, OSError, TimeoutError):
            return _UNAVAILABLE
        if not found:
            return Refusal(404, "file_not_found", f"There is no file {name!r}")
        if proto not in SETS_PLAYED:
            title = f"Sets of files are not played by {proto}, but by HLS and DASH"
            return Refusal(404, "not_served", title)
        return None
