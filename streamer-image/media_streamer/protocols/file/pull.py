"""`file://` inputs: a file of a VOD location, in a loop, in real time.

Invariants: only files below the directories of a VOD location are read, links resolved; FFmpeg may
open that one file and no other (a playlist renamed to .mp4 could name any file or address), which
the whitelists of protocols and formats enforce. Of a transport stream FFmpeg sees what passes the
gate of them all (`protocols/ts/gate.py`), within the same bounds.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer

from media_streamer.files.ts_grid import find_grid
from media_streamer.media.inputs.base import Input, InputError, InputRequest, Limits, Receiver, Vods
from media_streamer.media.inputs.cut_input import check_tables
from media_streamer.media.inputs.cut_reader import READ_BYTES, CutReader
from media_streamer.media.inputs.demux import DemuxInput
from media_streamer.media.track import DECODER_OPTIONS
from media_streamer.protocols.ts.stride import plain
from media_streamer.protocols.ts.watch import TsWatch

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,flv,avi,mp3,aac,ac3,ogg,wav,mpeg"
"""Containers that hold their media themselves; playlists and device formats are left out. Transport
streams, which FFmpeg finds behind any head, are read by us."""
HEAD_BYTES = 64 * 1024
FRUITLESS_BYTES = 16 * 1024 * 1024
"""So much of a file is read in search of packets: FFmpeg's time-outs do not end what we read."""
TS_OPTIONS = {"skip_estimate_duration_from_pts": "1", **DECODER_OPTIONS}
"""FFmpeg looks for the length at the end of the file, where it cannot go."""


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


class _Gated:
    """A file of MPEG-TS as FFmpeg may see it: from its beginning on, once and again."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._watch = TsWatch()
        self._reader = self._begin()
        self._at = 0
        """Bytes that have passed since the beginning."""
        self._fruitless = 0
        """Bytes read since something passed."""

    def _begin(self) -> CutReader:
        return CutReader(plain(self._read_file), self._watch, partial(check_tables, self._watch))

    def _read_file(self, size: int) -> bytes:
        if self._fruitless >= FRUITLESS_BYTES:
            found = "more" if self._at else "a format that is read here, and no packet"
            raise InputError(f"the file has not {found} of MPEG-TS in {FRUITLESS_BYTES >> 20} MiB")
        data = self._file.read(size)
        self._fruitless += len(data)
        return data

    def read(self, size: int) -> bytes:
        """Raises InputError for tables beyond the bounds, and where no packet is found for long."""
        data = self._reader.read(size)
        self._at += len(data)
        self._fruitless = 0
        return data

    def seek(self, offset: int, whence: int) -> int:
        """To the beginning; -1 for other places. Beyond the end, where FFmpeg looks for the size
        before it goes anywhere, there is one."""
        if whence == os.SEEK_END:
            return os.fstat(self._file.fileno()).st_size
        if whence or offset not in (0, self._at):
            return -1
        if offset != self._at:
            self._file.seek(0)
            self._watch = self._watch.beside()
            self._reader = self._begin()
            self._at = 0
        return offset

    def tell(self) -> int:
        return self._at


@contextmanager
def open_file(url: str, vods: Vods, limits: Limits) -> Iterator[InputContainer]:
    """The file behind `file://…`. Raises InputError, FFmpegError, OSError."""
    path = resolve(url, vods)
    timeout = (limits.open_seconds, limits.read_seconds)
    with path.open("rb") as file:
        container: InputContainer | None = None
        head = file.read(HEAD_BYTES)
        if find_grid(head) is None:
            options = {"protocol_whitelist": "file", "format_whitelist": FORMATS, **DECODER_OPTIONS}
            # It finds none of the formats, or MPEG-TS, which is not among them; or one by mistake.
            with suppress(av.InvalidDataError, av.ArgumentError, av.EOFError):
                container = av.open(f"file:{path}", options=options, timeout=timeout)
        if container is None:
            file.seek(0)
            container = av.open(
                _Gated(file), "r", format="mpegts", options=TS_OPTIONS, timeout=timeout,
                buffer_size=READ_BYTES,
            )  # fmt: skip
        with container:
            yield container


def rewind(container: InputContainer) -> None:
    """To the beginning of what `open_file` gave."""
    if container.format.name == "mpegts":
        container.seek(0, unsupported_byte_offset=True)
    else:
        container.seek(0)


class FileInput(DemuxInput):
    """A VOD file as a live source."""

    def __init__(self, name: str, receiver: Receiver, limits: Limits, url: str, vods: Vods) -> None:
        self._url = url
        self._vods = vods
        super().__init__(name, receiver, limits, self._open, paced=True, loop=rewind)

    def _open(self) -> AbstractContextManager[InputContainer]:
        return open_file(self._url, self._vods, self.limits)
