"""`file://` inputs: a file of a VOD location, in a loop, in real time.

Invariants: only files below the directories of a VOD location are read, links resolved; FFmpeg may
open that one file and no other (a playlist renamed to .mp4 could name any file or address), which
the whitelists of protocols and formats enforce.
"""

from pathlib import Path

import av
from av.container import InputContainer

from media_streamer.media.inputs.base import Input, InputError, InputRequest, Limits, Receiver, Vods
from media_streamer.media.inputs.demux import DemuxInput
from media_streamer.media.track import DECODER_OPTIONS

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,flv,avi,mp3,aac,ac3,ogg,wav,mpeg"
"""Containers that hold their media themselves; playlists and device formats are left out."""


def create(request: InputRequest) -> Input:
    if request.config.programs:
        raise InputError("programs: choosing them of a file is not supported by this server")
    return FileInput(
        request.stream,
        request.receiver,
        request.limits,
        request.config.url,
        request.stored.vods,
    )


def resolve(url: str, vods: Vods) -> Path:
    """The file behind `file://LOCATION/path` or `file:///absolute/path`.

    Raises InputError if it does not exist or lies outside every VOD directory.
    """
    path = url.removeprefix("file://")
    if "\0" in path:
        raise InputError("a file name cannot contain NUL")
    if path.startswith("/"):
        roots = [Path(root) for directories in vods.values() for root in directories]
        return _below(Path(path), roots)
    # The longest location wins: `movies/new` before `movies`.
    for prefix in sorted(vods, key=len, reverse=True):
        if path.startswith(f"{prefix}/"):
            rest = path[len(prefix) + 1 :].lstrip("/")
            return _first_existing([Path(root) for root in vods[prefix]], rest)
    raise InputError("the file is in no VOD location: write file://LOCATION/path")


def _first_existing(roots: list[Path], rest: str) -> Path:
    for root in roots:
        if (root / rest).is_file():
            return _below(root / rest, [root])
    raise InputError("no such file in the VOD location")


def _below(path: Path, roots: list[Path]) -> Path:
    real = path.resolve()
    if not any(real.is_relative_to(root.resolve()) for root in roots):
        raise InputError("the file lies outside every VOD location")
    if not real.is_file():
        raise InputError("no such file")
    return real


def open_file(url: str, vods: Vods, limits: Limits) -> InputContainer:
    """The file behind `file://…`. Raises InputError, FFmpegError, OSError."""
    path = resolve(url, vods)
    return av.open(
        f"file:{path}",
        options={"protocol_whitelist": "file", "format_whitelist": FORMATS, **DECODER_OPTIONS},
        timeout=(limits.open_seconds, limits.read_seconds),
    )


class FileInput(DemuxInput):
    """A VOD file as a live source."""

    def __init__(self, name: str, receiver: Receiver, limits: Limits, url: str, vods: Vods) -> None:
        self._url = url
        self._vods = vods
        super().__init__(name, receiver, limits, self._open, paced=True, loop=True)

    def _open(self) -> InputContainer:
        return open_file(self._url, self._vods, self.limits)
