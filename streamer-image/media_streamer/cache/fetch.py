"""Requests for one thing at one time are one request to the origin.

A `Flight` is such a request. Its bytes are kept in memory until it is over, so that whoever joins
gets all of them, and each viewer is given what is there as it arrives, at its own pace. Bounds: a
shared answer has a known size (or is a playlist), all flights together at most `BUFFER_BYTES`.
Whatever else comes (endless streams, downloads, answers for one viewer only) is not shared: the
first viewer takes the response over, the others ask for themselves.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
from multidict import CIMultiDict

from media_streamer.cache import policy
from media_streamer.cache.metrics import Metrics
from media_streamer.cache.origins import OriginFailed, Origins, Question, passed_back

log = logging.getLogger(__name__)

MAX_SHARED_BYTES = 32 << 20
"""A segment of 5 s at 50 Mbit/s."""
MAX_LIST_BYTES = 4 << 20
BUFFER_BYTES = 512 << 20
BODY_TIMEOUT_SECONDS = 120.0
"""A shared body that takes longer is of no use to live viewers."""


class BodyBroken(ConnectionError):  # noqa: N818
    """The body ended before its time; what was sent of it must be seen to be incomplete."""


class Head:
    """Status and fields of an answer; `length` in bytes, None if not said."""

    def __init__(self, answer: aiohttp.ClientResponse, identity: str) -> None:
        self.status = answer.status
        self.headers: CIMultiDict[str] = passed_back(answer)
        said = answer.headers.get("Content-Length", "")
        self.length = int(said) if said.isascii() and said.isdigit() else None
        self.private = policy.is_private(answer.headers)
        self.lifetime_seconds = policy.lifetime_seconds(answer.status, answer.headers)
        """How long it may be stored, None if not at all."""
        # Without a token there is nothing to tell viewers apart by: each gets an own answer.
        personal = "Set-Cookie" in answer.headers or (self.private and not identity)
        is_short_list = self.length is None and policy.is_list(self.headers)
        self.shared = not personal and (
            is_short_list or (self.length is not None and self.length <= MAX_SHARED_BYTES)
        )

    def is_for(self, identity: str, asked: str) -> bool:
        """Whether `identity` may have what was answered to `asked`, from memory."""
        return self.shared and (identity == asked or (not self.private and self.status < 300))


class Flight:
    """A request to the origin and those who wait for its bytes."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        """Of the viewer who began it: the one that the origin judged."""
        self.head: asyncio.Future[Head] = asyncio.get_running_loop().create_future()
        self.body_done = False
        self.over = asyncio.Event()
        """Stored too, if it was to be stored."""
        self.readers = 0
        self.keeps_on = False
        """Goes on without readers, because it will be stored."""
        self.size = 0
        self.reserved = 0
        """Bytes of the common bound that are set aside for this flight."""
        self.task: asyncio.Task[None] | None = None
        self._chunks: list[bytes] = []
        self._broken = ""
        self._news = asyncio.Event()
        self._response: aiohttp.ClientResponse | None = None

    @property
    def chunks(self) -> list[bytes]:
        return self._chunks

    def take_response(self) -> aiohttp.ClientResponse | None:
        """The response of an answer that is not shared, for the first who comes for it."""
        response, self._response = self._response, None
        return response

    def offer(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    def append(self, data: bytes) -> None:
        self._chunks.append(data)
        self.size += len(data)
        self._wake()

    def end(self, broken: str = "") -> None:
        self._broken = broken
        self.body_done = True
        self._wake()

    async def body(self) -> AsyncIterator[bytes]:
        """All bytes, as they arrive; raises BodyBroken. The origin's time-outs bound the wait."""
        position = 0
        while True:
            while position < len(self._chunks):
                yield self._chunks[position]
                position += 1
            # Nothing is awaited from the last look at the chunks to here: no news is missed.
            if self.body_done:
                break
            await self._news.wait()
        if self._broken:
            raise BodyBroken(self._broken)

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


Save = Callable[[Flight, Head], Awaitable[None]]


class Fetcher:
    """All flights."""

    def __init__(self, origins: Origins, metrics: Metrics) -> None:
        self._origins = origins
        self._metrics = metrics
        self._flights: dict[str, Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._buffered = 0

    def find(self, key: str) -> Flight | None:
        """The flight that a request for this may join."""
        return self._flights.get(key)

    def start(
        self, key: str, identity: str, question: Question, save: Save | None = None
    ) -> Flight:
        """Ask the origin; `save` is called with the complete body of what may be stored."""
        flight = self._flights[key] = Flight(identity)
        flight.task = asyncio.create_task(self._run(key, flight, question, save), name="flight")
        self._tasks.add(flight.task)
        flight.task.add_done_callback(self._tasks.discard)
        return flight

    def join(self, flight: Flight) -> None:
        """Each who reads; `leave` afterwards."""
        flight.readers += 1

    def leave(self, flight: Flight) -> None:
        """The last who leaves ends what nobody waits for."""
        flight.readers -= 1
        if flight.readers:
            return
        if (response := flight.take_response()) is not None:
            response.close()
        if flight.over.is_set():
            self._release(flight)
        elif not flight.keeps_on and flight.task is not None:
            flight.task.cancel()

    async def close(self) -> None:
        """End all flights."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, key: str, flight: Flight, question: Question, save: Save | None) -> None:
        try:
            await self._fly(key, flight, question, save)
        except OriginFailed as error:
            self._fail(flight, error)
        except asyncio.CancelledError:
            self._fail(flight, OriginFailed(502, "The request to the origin was given up"))
            raise
        except Exception:
            log.exception("stream %s: request to the origin", question.stream)
            self._fail(flight, OriginFailed(500, "Internal error; see the log"))
        finally:
            self._remove(key, flight)
            flight.over.set()
            if not flight.readers:
                self._release(flight)

    async def _fly(self, key: str, flight: Flight, question: Question, save: Save | None) -> None:
        response = await self._origins.ask(question)
        head = Head(response, flight.identity)
        bound = head.length if head.length is not None else MAX_LIST_BYTES
        head.shared = head.shared and self._buffered + bound <= BUFFER_BYTES
        if not head.shared:
            # Out of the table before anybody can join: its bytes are not kept.
            self._remove(key, flight)
            flight.offer(response)
            flight.head.set_result(head)
            return
        if question.method == "HEAD":
            response.close()
            flight.head.set_result(head)
            flight.end()
            return
        flight.keeps_on = save is not None and head.lifetime_seconds is not None
        self._reserve(flight, bound)
        flight.head.set_result(head)
        broken = await self._read(flight, response, bound)
        self._reserve(flight, flight.size)
        if broken:
            self._metrics.origin_errors.labels("broken").inc()
            log.warning("stream %s: origin: %s; not stored", question.stream, broken)
        # Out of the table first: who comes later must not be given broken or old bytes.
        if broken or not flight.keeps_on:
            self._remove(key, flight)
        flight.end(broken)
        if flight.keeps_on and save is not None and not broken:
            await save(flight, head)

    async def _read(self, flight: Flight, response: aiohttp.ClientResponse, bound: int) -> str:
        """Read the body; what is wrong with it, empty if nothing."""
        try:
            async with asyncio.timeout(BODY_TIMEOUT_SECONDS), response:
                async for data in response.content.iter_any():
                    flight.append(data)
                    if flight.size > bound:
                        response.close()
                        return "the body is longer than it may be"
        except TimeoutError:
            return "the body stopped or took too long"
        except (aiohttp.ClientError, OSError) as error:
            return f"the body broke off ({type(error).__name__})"
        if response.headers.get("Content-Length") and flight.size != bound:
            return "the body is shorter than announced"
        return ""

    def _fail(self, flight: Flight, error: OriginFailed) -> None:
        if not flight.head.done():
            flight.head.set_exception(error)
            flight.head.exception()  # seen here: those who waited may be gone
        elif not flight.body_done:
            flight.end(str(error))

    def _remove(self, key: str, flight: Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _release(self, flight: Flight) -> None:
        self._reserve(flight, 0)
        flight.chunks.clear()

    def _reserve(self, flight: Flight, size: int) -> None:
        self._buffered += size - flight.reserved
        flight.reserved = size
        self._metrics.buffered_bytes.set(self._buffered)
