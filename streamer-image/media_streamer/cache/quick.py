"""Hits by the bytes of a request, without reading it as HTTP.

Through aiohttp's parser, request, task and response a hit of 64 KiB costs nine times the CPU time
(`tests.bench cache_hits`). What they found out is kept in three parts, for players ask for ever new
files with ever the same fields:
what a path means, who a query is, and that fields ask for no more than a range. A request of known
parts is answered as the handler would: leave (`grants`), age and the order of use are decided each
time. All else takes the way of the handler, which a hit of its own teaches these parts.

Invariant: only what has been a hit through the handler is learned, byte for byte, so there is no
second reading of HTTP here that could understand it differently.
"""

import functools
import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from aiohttp import web

from media_streamer.cache.grants import Grants
from media_streamer.cache.held import Held
from media_streamer.cache.metrics import Metrics
from media_streamer.cache.policy import Wanted, private_key
from media_streamer.cache.send import stored_head, wanted_range
from media_streamer.cache.store import Store
from media_streamer.egress.http.connection import Connection
from media_streamer.egress.http.files import RangeNotSatisfiable
from media_streamer.egress.http.prepared import date_bytes, head_bytes
from media_streamer.egress.http.recent import Recent
from media_streamer.egress.http.sending import FileMessage
from media_streamer.files.samples import Span

log = logging.getLogger(__name__)

MAX_KNOWN = 8192
"""Of each part."""
MAX_TARGET_BYTES = 1024
MAX_FIELDS_BYTES = 2048
"""Longer ones are not learned: memory has a bound."""
_GET, _VERSION, _LINE_END = b"GET ", b" HTTP/1.1", b"\r\n"


class _Path(NamedTuple):
    path: str
    stream: str


class QuickHits:
    """For the connections of one cache."""

    def __init__(
        self,
        store: Store,
        grants: Grants,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._grants = grants
        self._metrics = metrics
        self._clock = clock
        self._paths: Recent[bytes, _Path] = Recent(MAX_KNOWN)
        self._queries: Recent[bytes, str] = Recent(MAX_KNOWN)
        """Who asks, as `Wanted.identity` says."""
        self._fields: Recent[bytes, str] = Recent(MAX_KNOWN)
        """The range, empty for the whole."""

    def learn(self, request: web.BaseRequest, wanted: Wanted) -> None:
        """A request that was answered with a stored file."""
        connection = request.protocol
        if not isinstance(connection, Connection) or not request.keep_alive:
            return
        line, _, fields = connection.asked.partition(_LINE_END)
        target = request.raw_path.encode(errors="surrogateescape")
        if line != _GET + target + _VERSION or len(fields) > MAX_FIELDS_BYTES:
            return
        if len(target) > MAX_TARGET_BYTES:
            return
        path, _, query = target.partition(b"?")
        self._paths.put(path, _Path(wanted.path, wanted.stream))
        self._queries.put(query, wanted.identity)
        self._fields.put(fields, wanted_range(request) or "")

    def find(self, request: bytes, _: object = None) -> FileMessage | None:
        """The answer, if it is a hit that can be sent at once."""
        line, _, fields = request.partition(_LINE_END)
        part = self._fields.get(fields)
        if part is None or not (line.startswith(_GET) and line.endswith(_VERSION)):
            return None
        path, _, query = line[len(_GET) : -len(_VERSION)].partition(b"?")
        known, identity = self._paths.get(path), self._queries.get(query)
        if known is None or identity is None:
            return None
        now = self._clock()
        held = self._held(known.path, known.stream, identity, now)
        if held is None and identity:
            held = self._held(private_key(known.path, identity), known.stream, identity, now)
        return None if held is None else self._message(held, part, now)

    def _held(self, key: str, stream: str, identity: str, now: float) -> Held | None:
        held = self._store.held(key, now)
        if held is None:
            return None
        public = held.meta.public
        is_let_in = self._grants.allows(stream, identity, time.monotonic(), public=public)
        return held if is_let_in else None

    def _message(self, held: Held, part: str, now: float) -> FileMessage | None:
        heads = held.heads(int(now))
        found = heads.get(part)
        if found is None:
            try:
                status, headers, start, length = stored_head(held.entry, held.meta, part, now)
                head = head_bytes(status, headers)
            except RangeNotSatisfiable:
                return None
            found = heads[part] = head + date_bytes() + b"\r\n\r\n", start, length
        head, start, length = found
        held.take()
        self._metrics.quick_hits += 1
        on_end = functools.partial(self._sent, held)
        part_of_file = Span(held.meta.offset + start, length)
        return FileMessage(head, held.descriptor, (part_of_file,), length, on_end)

    def _sent(self, held: Held, sent: int, error: OSError | None) -> None:
        held.release()
        self._metrics.quick_bytes += sent
        if isinstance(error, TimeoutError):
            self._metrics.slow.inc()
        elif error is not None and not isinstance(error, ConnectionError):
            self._metrics.store_errors.inc()
            log.error("stored file %s cannot be read: %s", held.entry.name, error)
