"""`playlist:///PATH` and `playlist://http://…`: files of locations one after another, for ever.

The list is read again before each file; one that cannot be read is used as it was. A file that
cannot be played is left out with a line of the log; where that is so of all, the source fails.
Each file goes on where the one before ended: no frame of silence, no jump of the clock.
"""

import logging
import time
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import av
from av.container import InputContainer

from media_streamer.media.inputs.base import Input, InputError, InputRequest
from media_streamer.media.inputs.demux import AnyPacket, DemuxInput, Lane
from media_streamer.media.inputs.errors import describe
from media_streamer.media.inputs.http import http_client
from media_streamer.media.inputs.pacer import Pacer
from media_streamer.outgoing.http import HttpClient, Times
from media_streamer.outgoing.target import HttpError
from media_streamer.protocols.file.pull import open_file, resolve
from media_streamer.protocols.hls.remote import MAX_PLAYLIST_BYTES, read_playlist
from media_streamer.protocols.playlist.listing import MIN_SECONDS, Due, Listing, NotYet, due, parse

log = logging.getLogger(__name__)


QUIET_FAILURES = 3
"""So many files in a row are left out at once, and said; then one a second."""
KNOWN_TIMES = Times(head=2.0, read=2.0)
"""Of the server of a list that is known already: what plays waits for it."""
SILENT_SECONDS = 30.0
"""Such a server is not asked again for so long once it did not answer."""


def create(request: InputRequest) -> Input:
    return PlaylistInput(request)


class _PieceEndsError(Exception):
    """The time of a file is over."""


class PlaylistInput(DemuxInput):
    """One attempt; it ends only when nothing can be played."""

    def __init__(self, request: InputRequest) -> None:
        super().__init__(
            request.stream, request.receiver, request.limits, self._open_piece, paced=True
        )
        self._place = request.config.url.removeprefix("playlist://")
        self._vods = request.stored.vods
        self._client: HttpClient | None = None
        if self._place.startswith(("http://", "https://")):
            self._client = http_client(self._place, request, self._stopping.is_set)
        self._listing: Listing | None = None
        self._ask_at = 0.0
        """When the list is read again at the soonest, monotonic."""
        self._due: Due | None = None
        self._ends = float("inf")
        """Of the file, monotonic."""
        self._before: float | None = None
        """Where the file before ended, on its own clock; None once this one has begun."""

    def _read(self) -> None:
        failed = 0
        try:
            while not self._stopping.is_set():
                listing = self._read_listing()
                now, began = time.time(), time.monotonic()
                self._due = due(listing, self._due.number if self._due else None, now)
                piece, until = self._due.piece, self._due.until
                seconds = min(piece.seconds or float("inf"), until - now if until else float("inf"))
                self._ends = began + seconds
                problem = self._play(is_told=failed < QUIET_FAILURES)
                failed = failed + 1 if problem else 0
                if not problem or failed >= QUIET_FAILURES:
                    # A list of nothing, or of single pictures, is no reason to hurry.
                    self._stopping.wait(MIN_SECONDS - (time.monotonic() - began))
                if problem and failed >= len(listing.pieces):
                    raise InputError(f"no file of the playlist can be played: {problem}")
        except NotYet as error:
            moment = datetime.fromtimestamp(error.begins_at, UTC)
            raise InputError(f"the playlist begins at {moment:%F %T} UTC") from None
        finally:
            if self._client is not None:
                self._client.close()

    def _play(self, *, is_told: bool) -> str:
        """The file that is due; returns why it cannot be played, and says so if `is_told`."""
        assert self._due is not None
        name = self._title(self._due)
        if self._end > self._first:
            self._before = self._end
        if is_told:
            log.info("%s: plays %s of its playlist", self.name, name)
        try:
            self.allow(self.limits.open_seconds)
            with self._open_piece() as container:
                self.receiver.connected()
                self._read_container(container)
                if self._end < self._first:
                    raise InputError("it has no frames")
        except _PieceEndsError:
            pass
        except (InputError, av.FFmpegError, OSError) as error:
            words = str(error) if isinstance(error, InputError) else describe(error)
            if is_told:
                log.warning("%s: %s of its playlist is left out: %s", self.name, name, words)
            return words
        return ""

    def _title(self, due: Due) -> str:
        """The name of a file of a location. Of what names none the number: who may have a stream
        shall not read other files line by line."""
        name = due.piece.name.removeprefix("file://")
        roots = [f"{prefix}/" for prefix in self._vods]
        roots += [f"{root.rstrip('/')}/" for some in self._vods.values() for root in some]
        return name if name.startswith(tuple(roots)) else f"number {due.number}"

    def _open_piece(self) -> AbstractContextManager[InputContainer]:
        assert self._due is not None
        name = self._due.piece.name.removeprefix("file://")
        if "://" in name:
            raise InputError("only files of VOD locations can be played by a playlist")
        return open_file(f"file://{name}", self._vods, self.limits)

    def _announce(self) -> None:
        super()._announce()
        if self._before is not None:
            self.receiver.looped()

    def _pace(self, lane: Lane, packet: AnyPacket, pacer: Pacer) -> None:
        dts = packet.dts if packet.dts is not None else packet.pts
        if self._before is not None and dts is not None:
            pacer.loop(dts * lane.seconds_per_tick, self._before)
            self._before = None
        super()._pace(lane, packet, pacer)
        if time.monotonic() >= self._ends:
            raise _PieceEndsError

    def _read_listing(self) -> Listing:
        """As it is now, or as it was if it cannot be read. Raises InputError."""
        if self._listing is not None and time.monotonic() < self._ask_at:
            return self._listing
        self.allow(self.limits.open_seconds + self.limits.read_seconds)
        try:
            listing = parse(self._text().decode("utf-8", "replace"))
        except (HttpError, InputError, OSError, ValueError) as error:
            words = error.strerror if isinstance(error, OSError) else str(error)
            if self._listing is None:
                raise InputError(f"the playlist cannot be read: {words}") from None
            log.warning("%s: its playlist cannot be read, the last one holds: %s", self.name, words)
            if self._client is not None:
                self._ask_at = time.monotonic() + SILENT_SECONDS
            return self._listing
        self._listing = listing
        if self._client is not None:
            self._client.times = KNOWN_TIMES
        return listing

    def _text(self) -> bytes:
        if self._client is not None:
            body = self._client.get(self._place)
            try:
                return read_playlist(body.read, body.coding)
            finally:
                body.close()
        is_path = self._place.startswith("/")
        path = Path(self._place) if is_path else resolve(f"file://{self._place}", self._vods)
        with path.open("rb") as file:
            data = file.read(MAX_PLAYLIST_BYTES + 1)
        if len(data) > MAX_PLAYLIST_BYTES:
            raise InputError(f"it exceeds {MAX_PLAYLIST_BYTES >> 20} MiB")
        return data
