"""Segments of films, and what a cache keeps of archives, by the bytes of a request, without reading
it as HTTP.

Through parser, request, task, session and response a segment of a megabyte costs a third more CPU
time. What those found out is kept in three parts, for players ask for ever new segments with ever
the same fields: whose segments a folder has, which token a query carries, and which client sends
such fields. A request of known parts is answered as the handler would: session, film and file are
looked at each time. All else takes the way of the handler, whose answers teach these parts.

Invariant: only what a handler has answered is learned, byte for byte, so there is no second reading
of HTTP here that could understand it differently.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from media_streamer.egress.access import Viewers
from media_streamer.egress.answers import Answers
from media_streamer.egress.http.connection import Connection
from media_streamer.egress.http.gathered import SEGMENT_CACHE, QuickResponse, gathered_message
from media_streamer.egress.http.recent import Recent
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
MAX_TARGET_BYTES = 1024
MAX_FIELDS_BYTES = 2048
"""Longer ones are not learned: memory has a bound."""
_GET, _VERSION, _LINE_END = b"GET ", b" HTTP/1.1", b"\r\n"
_FOLDER = b"/tracks-"
_PLAIN = re.compile(r"[a-z0-9/.-]+")
END = b"\r\n\r\n"
"""Of the head of an answer on a connection that stays."""


@dataclass(frozen=True, slots=True, eq=False)
class Folder:
    """The files of a track, as one protocol presents them."""

    viewers: Viewers
    proto: str
    config: DeliveryConfig
    """For whose viewers they are."""
    answer: Callable[[str, bool, Callable[[int], None]], FileMessage | None]
    """By what follows the folder in a path, whether the whole is asked for as a range, and who is
    told how many bytes went out; None if it cannot be sent at once."""


def track_folder(
    viewers: SegmentedSessions,
    viewer: SegmentedSession,
    index: SegmentIndex,
    track: TrackIndex,
    find: Callable[[str], Segment | None],
    content_type: str,
) -> Folder:
    """The segments of a film's track. `find`: by what follows the folder in a path."""

    def answer(rest: str, by_range: bool, on_sent: Callable[[int], None]) -> FileMessage | None:
        segment = find(rest)
        parts = index.gathered(track, segment) if segment is not None else None
        if parts is None:
            return None
        return gathered_message(
            parts, content_type, SEGMENT_CACHE, on_sent, by_range=by_range, end=END
        )

    return Folder(viewers, viewer.key[1], viewer.access.config, answer)


class _Known(NamedTuple):
    folder: Folder
    stream: str
    counted_as: str


class _Client(NamedTuple):
    ip: str
    by_range: bool
    proof: str
    own: bool
    """Of another server that asks for what is recorded (`archive_token`)."""


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

    def learn(self, request: MediaRequest, response: QuickResponse, counted_as: str) -> None:
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
        line, _, fields = connection.asked.partition(_LINE_END)
        target = http.raw_path.encode(errors="surrogateescape")
        if line != _GET + target + _VERSION or len(fields) > MAX_FIELDS_BYTES:
            return
        if len(target) > MAX_TARGET_BYTES:
            return
        path, _, query = target.partition(b"?")
        place, rest = split(path)
        if _PLAIN.fullmatch(rest) is None:
            return  # it may be written in several ways
        peer = plain_ip(http.transport.get_extra_info("peername") if http.transport else None)
        self._folders.put(place, _Known(folder, request.name, counted_as))
        self._tokens.put(query, request.token)
        self._clients.put(
            (fields, peer),
            _Client(request.ip, response.by_range, request.proof, OWN_ARCHIVE in http.headers),
        )

    def find(self, request: bytes, transport: asyncio.Transport) -> FileMessage | None:
        """The answer, if the segment can be sent at once."""
        line, _, fields = request.partition(_LINE_END)
        client = self._clients.get((fields, plain_ip(transport.get_extra_info("peername"))))
        if client is None or not (line.startswith(_GET) and line.endswith(_VERSION)):
            return None
        path, _, query = line[len(_GET) : -len(_VERSION)].partition(b"?")
        place, rest = split(path)
        known, token = self._folders.get(place), self._tokens.get(query)
        if known is None or token is None:
            return None
        folder = known.folder
        if folder.config.passage is not None:
            token = archive_token(token, client.proof, own=client.own)
        viewer = folder.viewers.known((known.stream, folder.proto, client.ip, token))
        if viewer is None or viewer.access.config != folder.config:
            return None
        message = folder.answer(rest, client.by_range, viewer.count)
        if message is not None:
            folder.viewers.use(viewer)
            self._answers.add(known.stream, known.counted_as, 206 if client.by_range else 200)
        return message


def split(path: bytes) -> tuple[bytes, str]:
    """The folder of a track with its slash, and what follows it; that is empty for other paths."""
    place = path.rfind(_FOLDER)
    if place < 0:
        return path, ""
    end = path.find(b"/", place + len(_FOLDER)) + 1
    return path[:end], path[end:].decode("ascii", "replace")
