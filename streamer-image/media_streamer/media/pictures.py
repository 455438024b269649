"""Pictures of the past and of files: the key frame that a moment shows.

Decoding takes milliseconds, and strangers may ask for a lot of it: two threads do it, one of them
alone for strips of pictures, and who comes when too many wait is refused.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import av

from media_streamer.archive.frames import read_group, track_of
from media_streamer.archive.library import BEFORE_MS, Library, Where
from media_streamer.media.films import FilmShelf
from media_streamer.media.frame import TIME_BASE, Frame, Track
from media_streamer.media.strips import TooSlow, make_strip, make_strip_film, moments
from media_streamer.media.thumbnail import Size, make_film, make_jpeg
from media_streamer.wire.media import PictureForm, Strip

log = logging.getLogger(__name__)

THREADS = 2
MAX_WAITING = 64
MAX_STRIPS = 4
STRIP_SECONDS = 5.0


KeyAt = Callable[[int], tuple[Track, Frame] | None]
"""The key frame of a moment in ms; None where there is none. Blocks; raises OSError, ValueError."""


class Busy(Exception):  # noqa: N818 - what whoever asked is told
    """Too many pictures are asked for."""


class Pictures:
    """One per media worker."""

    def __init__(self) -> None:
        self._library = Library()
        self._films = FilmShelf()
        self._threads: ThreadPoolExecutor | None = None
        self._waiting = 0
        self._strips = 0
        self._strip_turn = asyncio.Lock()

    def archive(self, where: Where) -> KeyAt:
        """Of what was recorded, by Unix ms."""
        return partial(key_frame, self._library, where)

    def film(self, storages: Sequence[str], path: str) -> KeyAt:
        """Of a file, by ms from its beginning."""
        return lambda at_ms: self._films.key_frame(storages, path, at_ms / 1000)

    async def shown(
        self, stream: str, find: KeyAt, at_ms: int, form: PictureForm, size: Size = None
    ) -> bytes | None:
        """What was shown at that moment; None where nothing was, or nothing can be decoded.

        Raises Busy.
        """
        if self._waiting >= MAX_WAITING:
            raise Busy
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, "pictures")
        self._waiting += 1
        done = asyncio.get_running_loop().run_in_executor(
            self._threads, self._make, stream, find, at_ms, form, size
        )
        done.add_done_callback(self._left)
        return await done

    async def strip(
        self, stream: str, find: KeyAt, from_ms: int, strip: Strip, form: PictureForm
    ) -> bytes | None:
        """Some pictures of a time; None where there is none. Raises Busy."""
        if self._strips >= MAX_STRIPS:
            raise Busy
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, "pictures")
        self._strips += 1
        try:
            # A thread is left for those who want one picture.
            async with self._strip_turn:
                return await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._make_strip, stream, find, from_ms, strip, form
                )
        except TooSlow:
            raise Busy from None
        finally:
            self._strips -= 1

    def _make_strip(
        self, stream: str, find: KeyAt, from_ms: int, strip: Strip, form: PictureForm
    ) -> bytes | None:
        until = time.monotonic() + STRIP_SECONDS
        try:
            keys = []
            for at in moments(from_ms, strip.to_ms, strip.count):
                keys.append(find(at))
                if time.monotonic() > until:
                    raise TooSlow
            if not any(keys):
                return None
            if form == "mp4":
                return make_strip_film(keys)
            return make_strip(keys, strip.columns, strip.width, until)
        except (OSError, ValueError, av.FFmpegError) as error:
            log.warning("stream %s: no strip of pictures from %d ms on: %s", stream, from_ms, error)
            return None

    def _left(self, _: object) -> None:
        self._waiting -= 1

    def _make(
        self, stream: str, find: KeyAt, at_ms: int, form: PictureForm, size: Size
    ) -> bytes | None:
        try:
            found = find(at_ms)
            if found is None:
                return None
            return make_jpeg(*found, size) if form == "jpeg" else make_film(*found)
        except (OSError, ValueError, av.FFmpegError) as error:
            log.warning("stream %s: no picture of %d ms: %s", stream, at_ms, error)
            return None

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


def key_frame(library: Library, where: Where, at_ms: int) -> tuple[Track, Frame] | None:
    """The last key frame of the first video track up to a moment that is recorded. Blocks.

    A segment begins with one, so it is in the segment that holds the moment. Raises OSError or
    ValueError.
    """
    entries = library.entries(where, at_ms - BEFORE_MS, at_ms)
    if not entries or entries[-1].group.end_ms <= at_ms:
        return None
    group, content, _ = entries[-1]
    videos = [n for n, track in enumerate(content.head.tracks) if track.kind == "video"]
    if not videos:
        return None
    number = videos[0]
    described = content.head.tracks[number]
    keys = [sample for sample in read_group(content, group)[number] if sample.key]
    if not keys:
        return None
    until = at_ms * described.timescale // 1000
    chosen = next((one for one in reversed(keys) if one.time <= until), keys[0])
    track = track_of(described, content.head, number, chosen.data)
    return track, Frame(number, 0, 0, TIME_BASE, True, chosen.data)
