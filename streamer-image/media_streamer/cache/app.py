"""From a viewer's request to its answer: from disk, with others, or from an origin.

Order of decisions: path and name; a stored file that this viewer may have (`grants`); a request
under way for the same thing, unless the origin must hear of this viewer (`roll`); a request of its
own. The origin is asked for everything else, and
what it answers tells whom stored files may be given to.
"""

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass

from aiohttp import web

from media_streamer import forwarded
from media_streamer.cache.complaints import Complaints
from media_streamer.cache.fetch import Fetcher, Flight, Head, Save
from media_streamer.cache.grants import Grants
from media_streamer.cache.index import Meta
from media_streamer.cache.metrics import Metrics
from media_streamer.cache.misses import MissCounter
from media_streamer.cache.origins import OriginFailed, Origins, Question
from media_streamer.cache.policy import NameFilter, NotServed, Wanted, private_key, read_target
from media_streamer.cache.quick import QuickHits
from media_streamer.cache.roll import Roll
from media_streamer.cache.send import (
    WHOLE_RANGE,
    response_body,
    send_body,
    send_stored,
    wanted_range,
)
from media_streamer.cache.settings import CacheSettings
from media_streamer.cache.store import Store
from media_streamer.egress.http.request import CORS, RETRY_SECONDS, peer_ip, preflight
from media_streamer.egress.http.routes import BadPath

log = logging.getLogger(__name__)

STORE_WAIT_SECONDS = 2.0
"""For a file that is complete and on its way to the disk."""
OWN_PREFIX = "/-/cache/"
METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """A viewer's request, read."""

    http: web.BaseRequest
    wanted: Wanted
    ip: str
    """Address of the viewer."""
    target: str
    range: str | None

    @property
    def storable(self) -> bool:
        """The whole of a media file is asked for."""
        return self.wanted.is_media and self.http.method == "GET" and self.range is None

    @property
    def private_key(self) -> str:
        return private_key(self.wanted.path, self.wanted.identity)

    def question(self, signing_key: bytes | None) -> Question:
        """What the origin is asked. Only what changes its answer goes along."""
        sent = self.http.headers
        headers = {name: sent[name] for name in ("User-Agent", "Referer") if name in sent}
        headers["Accept-Encoding"] = self._encoding
        if self.range is not None:
            headers["Range"] = self.range
        headers[forwarded.ADDRESSES] = headers["X-Real-IP"] = self.ip
        if signing_key is not None:
            headers[forwarded.SIGNATURE] = forwarded.sign(signing_key, self.ip)
        headers["X-Forwarded-Proto"] = self.http.scheme
        blocking = "_HLS_msn=" in self.target or "/part-" in self.wanted.path
        method, stream = self.http.method, self.wanted.stream
        return Question(method, self.target, stream, headers, blocking)

    @property
    def key(self) -> str:
        """What requests must have in common to be one request to the origin."""
        if self.storable:
            return self.wanted.path
        return "\n".join((self.http.method, self.target, self._encoding, self.range or ""))

    @property
    def caller(self) -> tuple[str, str, str]:
        """The viewer, as the origin tells sessions apart."""
        return self.wanted.stream, self.ip, self.wanted.identity

    @property
    def _encoding(self) -> str:
        if self.wanted.is_media:
            return "identity"
        offered = self.http.headers.get("Accept-Encoding", "").lower().replace(" ", "").split(",")
        return "gzip" if "gzip" in offered else "identity"


def _part_wanted(request: web.BaseRequest) -> str | None:
    """The range to ask the origin for. `bytes=0-` is the whole: ffmpeg sends it each time."""
    wanted = wanted_range(request)
    return None if wanted == WHOLE_RANGE else wanted


class CacheApp:
    """The HTTP service. Made within the running loop."""

    def __init__(self, settings: CacheSettings, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._complaints = Complaints()
        self._origins = Origins(settings.origins, metrics)
        self._fetcher = Fetcher(self._origins, metrics)
        self._filter = NameFilter(settings.only, settings.except_)
        self._misses = MissCounter(settings.misses)
        self._grants = Grants()
        self.quick = QuickHits(store, self._grants, metrics)
        self._roll = Roll()
        self._proxies = settings.proxies
        self._signing_key = settings.signing_key

    async def close(self) -> None:
        """End all requests to origins."""
        await self._fetcher.close()
        await self._origins.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        raw_path, _, raw_query = request.raw_path.partition("?")
        try:
            if raw_path.startswith(OWN_PREFIX):
                return self._own(raw_path)
            self._metrics.requests.inc()
            if request.method == "OPTIONS":
                return preflight(("GET", "HEAD"))
            if request.method not in ("GET", "HEAD"):
                return self._refuse(405, "A cache only reads: GET and HEAD")
            wanted = read_target(raw_path, raw_query)
            if not self._serves(wanted):
                raise NotServed(wanted.path)
            ip = self._proxies.client(peer_ip(request), request.headers)
            part = _part_wanted(request)
            return await self._answer(Request(request, wanted, ip, request.raw_path, part))
        except BadPath as error:
            return self._refuse(400, f"Bad request: {error}")
        except NotServed:
            return self._refuse(404, "There is nothing here")
        except OriginFailed as error:
            return self._refuse(error.status, str(error))
        except ConnectionResetError:
            raise
        except Exception:
            log.exception("%s %s", request.method, raw_path)
            return self._refuse(500, "Internal error; see the log")

    async def _answer(self, request: Request) -> web.StreamResponse:
        wanted = request.wanted
        if not wanted.is_media:
            return await self._fetch(request, None)
        if (answer := await self._from_disk(request)) is not None:
            return answer
        flight = self._fetcher.find(wanted.path)
        if flight is not None and flight.body_done:
            # Complete, and being written: a moment later it is a stored file.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STORE_WAIT_SECONDS):
                    await flight.over.wait()
            if (answer := await self._from_disk(request)) is not None:
                return answer
        stores = request.storable and self._misses.count(wanted.path)
        return await self._fetch(request, self._save(request) if stores else None)

    async def _from_disk(self, request: Request) -> web.StreamResponse | None:
        """The stored file, if there is one and this viewer may have it."""
        wanted = request.wanted
        for key in (wanted.path, request.private_key):
            if (found := await self._store.find(key)) is None:
                continue
            file, entry, meta = found
            with file:
                if self._allows(wanted, wanted.identity, public=meta.public):
                    self._metrics.hits.inc()
                    response = await send_stored(request.http, file, entry, meta, self._metrics)
                    if request.http.method == "GET" and response.status in (200, 206):
                        is_read = response.content_length == meta.length
                        self._store.hold(key, file, entry, is_read=is_read)
                        self.quick.learn(request.http, wanted)
                    return response
        return None

    async def _fetch(self, request: Request, save: Save | None) -> web.StreamResponse:
        """By a flight that is under way or a new one; alone, if its answer is not for all."""
        identity = request.wanted.identity
        key = request.key
        flight = self._fetcher.find(key)
        if flight is not None and not self._may_join(request.wanted, flight):
            key = request.private_key
            flight = self._fetcher.find(key)
        is_list = request.wanted.is_list
        if flight is not None and is_list and self._roll.is_due(request.caller, time.monotonic()):
            key = f"{key}\n{request.caller}"
            flight = self._fetcher.find(key)
        tag = "COLLAPSED"
        if flight is None:
            tag = "MISS"
            if is_list:
                self._roll.called(request.caller, time.monotonic())
            flight = self._fetcher.start(key, identity, request.question(self._signing_key), save)
        self._fetcher.join(flight)
        try:
            head = await asyncio.shield(flight.head)
            if flight.identity == identity:
                self._learn(request.wanted, head.status)
            if head.is_for(identity, flight.identity):
                (self._metrics.misses if tag == "MISS" else self._metrics.collapsed).inc()
                body = flight.body()
                return await send_body(request.http, head, body, tag, self._metrics)
            response = flight.take_response()
        finally:
            self._fetcher.leave(flight)
        self._metrics.misses.inc()
        if response is None:
            response = await self._origins.ask(request.question(self._signing_key))
            head = Head(response, identity)
            self._learn(request.wanted, head.status)
        async with response:
            body = response_body(response)
            return await send_body(request.http, head, body, "MISS", self._metrics)

    def _save(self, request: Request) -> Save:
        """What stores the answer to this request."""
        wanted = request.wanted

        async def save(flight: Flight, head: Head) -> None:
            key = request.private_key if head.private else wanted.path
            public = not wanted.identity and not head.private
            if head.lifetime_seconds is None or self._store.holds(key, public=public):
                return
            content_type = head.headers.get("Content-Type", "application/octet-stream")
            cache_control = head.headers.get("Cache-Control", "")
            meta = Meta(0, flight.size, content_type, cache_control, public)
            try:
                await self._store.put(key, flight.chunks, meta, head.lifetime_seconds)
            except OSError as error:
                self._metrics.store_errors.inc()
                self._complaints.failed(wanted.stream, error)
            else:
                self._misses.forget(wanted.path)

        return save

    def _learn(self, wanted: Wanted, status: int) -> None:
        """What the origin's answer says about this viewer."""
        if wanted.shows_access and status in (200, 206):
            self._grants.accepted(wanted.stream, wanted.identity, time.monotonic())
        elif wanted.shows_access and status in (401, 403):
            self._grants.refused(wanted.stream, wanted.identity)

    def _allows(self, wanted: Wanted, identity: str, *, public: bool) -> bool:
        now = time.monotonic()
        return self._grants.allows(wanted.stream, identity, now, public=public)

    def _may_join(self, wanted: Wanted, flight: Flight) -> bool:
        """Viewers share a request if the origin let both in, or cannot tell them apart."""
        return flight.identity == wanted.identity or all(
            self._allows(wanted, identity, public=False)
            for identity in (wanted.identity, flight.identity)
        )

    def _serves(self, wanted: Wanted) -> bool:
        # Static files of the player page belong to no stream.
        return not wanted.stream or self._filter.serves(wanted.stream)

    def _own(self, path: str) -> web.Response:
        """Probes and metrics of the cache itself."""
        what = path.removeprefix(OWN_PREFIX)
        if what in ("liveness", "readiness"):
            # The port is open from after the start of the store to the beginning of the drain.
            return web.Response(text="ok\n")
        if what == "metrics":
            self._metrics.stored_bytes.set(self._store.total)
            self._metrics.stored_files.set(len(self._store))
            return web.Response(
                body=self._metrics.text(), headers={"Content-Type": METRICS_CONTENT_TYPE}
            )
        return self._refuse(404, "There is nothing here")

    def _refuse(self, status: int, title: str) -> web.Response:
        self._metrics.refused.labels(str(status)).inc()
        headers = {**CORS, "Cache-Control": "no-store"}
        if status == 405:
            headers["Allow"] = "GET, HEAD, OPTIONS"
        if status in (502, 504):
            headers["Retry-After"] = RETRY_SECONDS
        return web.Response(status=status, text=title + "\n", headers=headers)
