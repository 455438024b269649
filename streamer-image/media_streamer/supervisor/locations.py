"""Files of the locations (`vod`, `file`), as the rest of the supervisor sees them: each is a stream
of its own for who plays it, made for the moment and kept by nobody.
"""

import os
from collections.abc import Sequence

from media_api.server import ServerConfig
from media_api.stream import StreamConfig
from media_api.vod import VodConfig

from media_streamer.disk_threads import DiskBusy, DiskThreads
from media_streamer.files.names import BadName, NoFile, check_path, local_root, open_file
from media_streamer.supervisor.catalog import Stream
from media_streamer.wire.control import Refusal

PLAYED = ("hls", "llhls", "dash", "mp4", "player", "api", "tshttp", "flv", "mseld", "rtmp", "rtsp")
"""Protocols that play files."""
_SHARED = (
    "on_play", "protocols", "url_prefix", "segment_duration", "add_audio_only", "provider", "drm",
)  # fmt: skip
"""Options that locations and streams have alike."""


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


def file_path(vod: VodConfig, name: str) -> str:
    """The path of a file within its location."""
    return name.removeprefix(f"{vod.prefix}/")


def local_roots(vod: VodConfig) -> list[str]:
    """The directories of a location, in their order."""
    roots = (local_root(storage.url) for storage in vod.storages)
    return [str(root) for root in roots if root is not None]


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
        path, roots = file_path(vod, stream.name), local_roots(vod)
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
        if not roots:
            title = "The location has no directory on this server"
            return Refusal(404, "no_storage", title)
        try:
            await self._threads.run(roots[0], lambda: _look(roots, path))
        except NoFile:
            return Refusal(404, "file_not_found", f"There is no file {stream.name!r}")
        except (DiskBusy, OSError, TimeoutError):
            return Refusal(503, "files_unavailable", "The disk of the files does not answer")
        return None


def _look(roots: Sequence[str], path: str) -> None:
    os.close(open_file(roots, path).descriptor)
