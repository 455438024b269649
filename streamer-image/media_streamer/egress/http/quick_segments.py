"""Segments of films by the bytes of a request, without reading it as HTTP.

Through parser, request, task, session and response a segment of a megabyte costs a third more CPU
time. What those found out is kept in three parts, for players ask for ever new segments with ever
the same fields: whose segments a folder has, which token a query carries, and which client sends
such fields. A request of known parts is answered as the handler would: session, film and file are
looked at each time. All else takes the way of the handler, whose answers teach these parts.

Invariant: only what a handler has answered is learned, byte for byte, so there is no second reading
of HTTP here that could understand it differently.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from media_streamer.egress.answers import Answers
from media_streamer.egress.http.connection import Connection
from media_streamer.egress.http.gathered import SEGMENT_CACHE, GatheredResponse, gathered_message
from media_streamer.egress.http.recent import Recent
from media_streamer.egress.http.request import MediaRequest, plain_ip
from media_streamer.egress.http.sending import FileMessage
from media_streamer.egress.segmented_sessions import SegmentedSessions
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


@dataclass(frozen=True, slots=True, eq=False)
class Folder:
    """The segments of a track, as one protocol presents them."""

    viewers: SegmentedSessions
    proto: str
    config: DeliveryConfig
    """For whose viewers they are."""
    index: SegmentIndex
    track: TrackIndex
    find: Callable[[str], Segment | None]
    """By what follows the folder in a path."""
    content_type: str


class _Known(NamedTuple):
    folder: Folder
    stream: str
    counted_as: str


class _Client(NamedTuple):
    ip: str
    by_range: bool


class QuickSegments:
    """For the connections of one worker."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.forget()

    def forget(self) -> None:
        """What requests mean has changed."""
        self._folders: Recent[bytes, _Known] = Recent(MAX_KNOWN)
        self._tokens: Recent[bytes, str] = Recent(MAX_KNOWN)
        self._clients: Recent[tuple[bytes, str], _Client] = Recent(MAX_KNOWN)

    def learn(self, request: MediaRequest, response: GatheredResponse, counted_as: str) -> None:
        """A request that was answered so."""
        http, folder = request.http, response.folder
        connection = http.protocol
        if folder is None or not isinstance(connection, Connection) or not http.keep_alive:
            return
        line, _, fields = connection.asked.partition(_LINE_END)
        target = http.raw_path.encode(errors="surrogateescape")
        if line != _GET + target + _VERSION or len(fields) > MAX_FIELDS_BYTES:
            return
        if len(target) > MAX_TARGET_BYTES:
            return
        path, _, query = target.partition(b"?")
        place, rest = _split(path)
        if not rest or folder.find(rest) is None:
            return  # it is written in another way than ours
        peer = plain_ip(http.transport.get_extra_info("peername") if http.transport else None)
        self._folders.put(place, _Known(folder, request.name, counted_as))
        self._tokens.put(query, request.token)
        self._clients.put((fields, peer), _Client(request.ip, response.by_range))

    def find(self, request: bytes, transport: asyncio.Transport) -> FileMessage | None:
        """The answer, if the segment can be sent at once."""
        line, _, fields = request.partition(_LINE_END)
        client = self._clients.get((fields, plain_ip(transport.get_extra_info("peername"))))
        if client is None or not (line.startswith(_GET) and line.endswith(_VERSION)):
            return None
        path, _, query = line[len(_GET) : -len(_VERSION)].partition(b"?")
        place, rest = _split(path)
        known, token = self._folders.get(place), self._tokens.get(query)
        if known is None or token is None:
            return None
        folder = known.folder
        viewer = folder.viewers.known((known.stream, folder.proto, client.ip, token))
        if viewer is None or viewer.access.config != folder.config:
            return None
        segment = folder.find(rest)
        parts = folder.index.gathered(folder.track, segment) if segment is not None else None
        if parts is None:
            return None
        folder.viewers.use(viewer)
        self._answers.add(known.stream, known.counted_as, 206 if client.by_range else 200)
        return gathered_message(
            parts,
            folder.content_type,
            SEGMENT_CACHE,
            viewer.count,
            by_range=client.by_range,
            end=b"\r\n\r\n",
        )


def _split(path: bytes) -> tuple[bytes, str]:
    """The folder of a track with its slash, and what follows it."""
    end = path.find(b"/", path.rfind(_FOLDER) + len(_FOLDER)) + 1
    return path[:end], path[end:].decode("ascii", "replace")
