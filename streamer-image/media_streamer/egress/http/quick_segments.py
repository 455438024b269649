"""Segments of films, what a cache keeps of archives, playlists and parts of low-latency HLS: by the
bytes of a request, without reading it as HTTP.

Through parser, request, task, session and response a segment of a megabyte costs a third more CPU
time. What those found out is kept in three parts, for players ask for ever new segments with ever
the same fields: whose segments a folder has, which token a query carries, and which client sends
such fields. A request of known parts is answered as the handler would: session, film and file are
looked at each time. Of the query what a playlist is to wait for (`Directives`, rfc8216bis 6.2.5) is
read, where it stands last. All else takes the way of the handler, whose answers teach these parts.

Invariant: only what a handler has answered is learned, byte for byte, so there is no second reading
of HTTP here that could understand it differently.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from media_streamer.egress.access import Viewer, Viewers
from media_streamer.egress.answers import Answers
from media_streamer.egress.http.connection import Connection, Later
from media_streamer.egress.http.disk_files import DiskResponse
from media_streamer.egress.http.gathered import (
    SEGMENT_CACHE,
    WHOLE_RANGE,
    QuickResponse,
    gathered_message,
)
from media_streamer.egress.http.prepared import Prepared
from media_streamer.egress.http.recent import TURN_SECONDS, Recent
from media_streamer.egress.http.request import OWN_ARCHIVE, MediaRequest, plain_ip
from media_streamer.egress.http.sending import FileMessage
from media_streamer.egress.segmented_sessions import (
    SegmentedSession,
    SegmentedSessions,
    archive_token,
)
from media_streamer.presentation.index import SegmentIndex
from media_streamer.presentation.track_index import Segment, TrackIndex
from media_streamer.wire.control import DeliveryConfig

MAX_KNOWN = 4096
"""Of each part."""
MAX_LINES = 256
"""First lines of requests that are not read again: hundreds ask for the same at one moment."""
MAX_TARGET_BYTES = 1024
MAX_FIELDS_BYTES = 2048
"""Longer ones are not learned: memory has a bound."""
_GET, _VERSION, _LINE_END = b"GET ", b" HTTP/1.1", b"\r\n"
_FOLDER = b"/tracks-"
_PLAIN = re.compile(r"[a-z0-9/.-]+")
_DIRECTIVES = re.compile(
    rb"(?:(.*)&)?_HLS_msn=(\d{1,15})(?:&_HLS_part=(\d{1,9}))?(?:&_HLS_skip=(YES|v2))?", re.DOTALL
)
END = b"\r\n\r\n"
"""Of the head of an answer on a connection that stays."""


class Directives(NamedTuple):
    """What a playlist is to wait for, and whether it may leave out what is old."""

    msn: int
    part: int | None
    skip: bool


class Wanted(NamedTuple):
    """A request for a file of a folder."""

    rest: str
    """What follows the folder in the path."""
    directives: Directives | None
    by_range: bool
    """The whole is asked for as a range."""
    may_compress: bool
    viewer: Viewer


@dataclass(frozen=True, slots=True, eq=False)
class Folder:
    """The files of a track, as one protocol presents them."""

    viewers: Viewers
    proto: str
    config: DeliveryConfig
    """For whose viewers they are."""
    answer: Callable[[Wanted], FileMessage | bytes | Later | None]
    """None if it cannot be sent at once."""
    recorded: bool = False
    """They are of an archive, whose sessions have names of their own (`archive_token`)."""


def track_folder(
    viewers: SegmentedSessions,
    viewer: SegmentedSession,
    index: SegmentIndex,
    track: TrackIndex,
    find: Callable[[str], Segment | None],
    content_type: str,
) -> Folder:
    """The segments of a film's track. `find`: by what follows the folder in a path."""

    def answer(wanted: Wanted) -> FileMessage | None:
        segment = find(wanted.rest) if wanted.directives is None else None
        parts = index.gathered(track, segment) if segment is not None else None
        if parts is None:
            return None
        return gathered_message(
            *(parts, content_type, SEGMENT_CACHE, wanted.viewer.count),
            by_range=wanted.by_range,
            end=END,
        )

    return Folder(viewers, viewer.key[1], viewer.access.config, answer)


_Session = tuple[str, str, str, str]


class _Known(NamedTuple):
    folder: Folder
    stream: str
    counted_as: str


class _Client(NamedTuple):
    ip: str
    by_range: bool
    may_compress: bool
    proof: str
    own: bool
    """Of another server that asks for what is recorded (`archive_token`)."""


class _Line(NamedTuple):
    place: bytes
    """The folder of a track."""
    rest: str
    query: bytes
    """Without directives."""
    directives: Directives | None


class QuickSegments:
    """For the connections of one worker."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._stopped = False
        self.forget()

    def stop(self) -> None:
        """From now on a handler sees each request: the server leaves, and lets its viewers go."""
        self._stopped = True
        self.forget()

    def forget(self) -> None:
        """What requests mean has changed."""
        self._folders: Recent[bytes, _Known] = Recent(MAX_KNOWN)
        self._tokens: Recent[bytes, str] = Recent(MAX_KNOWN)
        self._clients: Recent[tuple[bytes, str], _Client] = Recent(MAX_KNOWN)
        self._read: dict[bytes, _Line] = {}

    async def run(self) -> None:
        """Let go of what viewers who have left had asked for."""
        while True:
            await asyncio.sleep(TURN_SECONDS)
            for known in (self._folders, self._tokens, self._clients):
                known.age()

    def learn(
        self,
        request: MediaRequest,
        response: QuickResponse | Prepared | DiskResponse,
        counted_as: str,
    ) -> None:
        """A request that was answered so."""
        http, folder = request.http, response.folder
        connection = http.protocol
        if (
            self._stopped
            or folder is None
            or not isinstance(connection, Connection)
            or not http.keep_alive
        ):
            return
        asked_range = http.headers.get("Range")
        if asked_range not in (None, "" if isinstance(response, Prepared) else WHOLE_RANGE):
            return
        line, _, fields = connection.asked.partition(_LINE_END)
        target = http.raw_path.encode(errors="surrogateescape")
        if line != _GET + target + _VERSION or len(fields) > MAX_FIELDS_BYTES:
            return
        if len(target) > MAX_TARGET_BYTES:
            return
        path, _, query = target.partition(b"?")
        query, _ = directives_of(query)
        place, rest = split(path)
        if _PLAIN.fullmatch(rest) is None or b"_HLS_" in query:
            return  # it may be written in several ways
        peer = plain_ip(http.transport.get_extra_info("peername") if http.transport else None)
        self._folders.put(place, _Known(folder, request.name, counted_as))
        self._tokens.put(query, request.token)
        self._clients.put(
            (fields, peer),
            _Client(
                request.ip,
                asked_range is not None,
                "gzip" in http.headers.get("Accept-Encoding", ""),
                request.proof,
                OWN_ARCHIVE in http.headers,
            ),
        )

    def find(
        self, request: bytes, transport: asyncio.Transport
    ) -> FileMessage | bytes | Later | None:
        """The answer, if it can be sent at once, or will be there of itself."""
        line, _, fields = request.partition(_LINE_END)
        client = self._clients.get((fields, plain_ip(transport.get_extra_info("peername"))))
        if client is None:
            return None
        read = self._read.get(line)
        if read is None:
            read = _read(line)
            if read is None:
                return None
            if len(line) <= MAX_TARGET_BYTES:
                if len(self._read) >= MAX_LINES:
                    self._read.clear()
                self._read[line] = read
        place, rest, query, directives = read
        known, token = self._folders.get(place), self._tokens.get(query)
        if known is None or token is None:
            return None
        folder = known.folder
        if folder.recorded:
            token = archive_token(token, client.proof, own=client.own)
        key = known.stream, folder.proto, client.ip, token
        viewer = folder.viewers.known(key)
        if viewer is None or viewer.access.config != folder.config:
            return None
        wanted = Wanted(rest, directives, client.by_range, client.may_compress, viewer)
        message = self._answer(known, wanted)
        if isinstance(message, Later):
            message.again = partial(self._once_more, self._folders, known, key, wanted)
        return message

    def _answer(self, known: _Known, wanted: Wanted) -> FileMessage | bytes | Later | None:
        message = known.folder.answer(wanted)
        if message is not None:
            known.folder.viewers.use(wanted.viewer)
            if not isinstance(message, Later):
                status = 206 if wanted.by_range else 200
                self._answers.add(known.stream, known.counted_as, status)
        return message

    def _once_more(
        self, folders: Recent[bytes, _Known], known: _Known, key: _Session, wanted: Wanted
    ) -> FileMessage | bytes | Later | None:
        """What has been waited for, if requests mean what they meant then. Hundreds get it at one
        moment: what their bytes said is not found out anew."""
        folder, viewer = known.folder, wanted.viewer
        if folders is not self._folders or folder.viewers.known(key) is not viewer:
            return None
        if viewer.access.config != folder.config:
            return None
        message = self._answer(known, wanted)
        if isinstance(message, Later):
            message.again = partial(self._once_more, folders, known, key, wanted)
        return message


def _read(line: bytes) -> _Line | None:
    """What the first line of a request says; None: it is none that is answered here."""
    if not (line.startswith(_GET) and line.endswith(_VERSION)):
        return None
    path, _, query = line[len(_GET) : -len(_VERSION)].partition(b"?")
    query, directives = directives_of(query)
    place, rest = split(path)
    return _Line(place, rest, query, directives)


def split(path: bytes) -> tuple[bytes, str]:
    """The folder of a track with its slash, and what follows it; that is empty for other paths."""
    place = path.rfind(_FOLDER)
    if place < 0:
        return path, ""
    end = path.find(b"/", place + len(_FOLDER)) + 1
    return path[:end], path[end:].decode("ascii", "replace")


def directives_of(query: bytes) -> tuple[bytes, Directives | None]:
    """What stands before the directives in a query string, and those."""
    if b"_HLS_msn=" not in query:
        return query, None
    match = _DIRECTIVES.fullmatch(query)
    if match is None:
        return query, None
    before, msn, part, skip = match.groups()
    return before or b"", Directives(int(msn), int(part) if part else None, bool(skip))
