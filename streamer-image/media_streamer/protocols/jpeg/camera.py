"""Pictures that a camera makes itself, by HTTP (`thumbnails url=`): no video is decoded for them.

Nothing is sent of the URL's login unless the camera asks for it, and by Digest it is never readable
on the way. The login stays with its host: with one, no redirect is followed. Link-local addresses
are refused as everywhere (`outgoing/addresses.py`), and no redirect leads to this machine.
"""

import asyncio
import logging
import time

import aiohttp
from media_rest.redact import redact_text, redact_url
from yarl import URL

from media_streamer.outgoing.addresses import OneWay, reach_of_process
from media_streamer.outgoing.connector import guarded_connector

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0
MAX_BYTES = 8 * 1024 * 1024
REUSE_SECONDS = 1.0
RETRY_SECONDS = 10.0
"""A camera that gives nothing is not asked again for so long: each picture would wait for it."""
MAX_KEPT = 64
"""Pictures of so many streams."""
SAID_SECONDS = 60.0
"""A camera that fails is told of once in so long."""
JPEG_START = b"\xff\xd8"


class CameraFailed(Exception):  # noqa: N818 - what the caller goes on without
    """It gives no picture, in words without secrets."""


class Cameras:
    """One of it a worker."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}
        self._asked: dict[tuple[str, str], asyncio.Task[bytes | None]] = {}

    async def picture(self, stream: str, url: str) -> bytes | None:
        """The JPEG at a URL, the same for all who ask within a second; None, with a line in the
        log, where there is none."""
        key = stream, url
        task = self._asked.get(key)
        if task is None:
            while len(self._asked) >= MAX_KEPT:
                self._asked.pop(next(iter(self._asked)))
            task = self._asked[key] = asyncio.create_task(self._picture(stream, url))
            task.add_done_callback(lambda done: self._keep(key, done))
        return await asyncio.shield(task)

    def _keep(self, key: tuple[str, str], done: "asyncio.Task[bytes | None]") -> None:
        """What a camera gave is given for a moment, that it gave nothing a little longer."""
        gave = not done.cancelled() and done.exception() is None and done.result() is not None

        def forget() -> None:
            if self._asked.get(key) is done:
                del self._asked[key]

        seconds = REUSE_SECONDS if gave else RETRY_SECONDS
        asyncio.get_running_loop().call_later(seconds, forget)

    async def _picture(self, stream: str, url: str) -> bytes | None:
        try:
            found = await fetch(url)
        except CameraFailed as failed:
            now = time.monotonic()
            if now - self._said.get(stream, -SAID_SECONDS) >= SAID_SECONDS:
                self._said = {k: at for k, at in self._said.items() if now - at < SAID_SECONDS}
                self._said[stream] = now
                log.warning(
                    "stream %s: thumbnails: %s gives no picture: %s; it is made of the video",
                    stream, redact_url(url), failed,
                )  # fmt: skip
            return None
        self._said.pop(stream, None)
        return found


async def fetch(url: str) -> bytes:
    """The JPEG at a URL. Raises CameraFailed."""
    try:
        address = URL(url)
        login, password = address.user, address.password or ""
        plain = address.with_user(None)
        reach = OneWay(reach_of_process())
        way = aiohttp.ClientSession(
            connector=guarded_connector(reach, limit=2), trace_configs=[_redirects(reach)]
        )
        async with asyncio.timeout(TIMEOUT_SECONDS), way as http:
            by_digest = () if login is None else (aiohttp.DigestAuthMiddleware(login, password),)
            follows = login is None
            async with http.get(
                plain, max_redirects=3, allow_redirects=follows, middlewares=by_digest
            ) as answer:
                asked = answer.headers.get("WWW-Authenticate", "").lower()
                if login is None or answer.status != 401 or not asked.startswith("basic"):
                    return await _jpeg(answer)
            basic = aiohttp.encode_basic_auth(login, password)
            headers = {"Authorization": basic}
            async with http.get(plain, headers=headers, allow_redirects=False) as answer:
                return await _jpeg(answer)
    except TimeoutError:
        raise CameraFailed(f"no answer in {TIMEOUT_SECONDS:g} s") from None
    except (aiohttp.ClientError, ValueError, OSError) as error:
        raise CameraFailed(redact_text(str(error)) or type(error).__name__) from None


def _redirects(reach: OneWay) -> aiohttp.TraceConfig:
    """Tells `reach` of the first one."""

    async def redirected(*_: object) -> None:
        reach.redirected = True

    traced = aiohttp.TraceConfig()
    traced.on_request_redirect.append(redirected)
    return traced


async def _jpeg(answer: aiohttp.ClientResponse) -> bytes:
    if answer.status != 200:
        raise CameraFailed(f"it answers {answer.status}")
    body = bytearray()
    async for piece in answer.content.iter_chunked(64 * 1024):
        body += piece
        if len(body) > MAX_BYTES:
            raise CameraFailed(f"it has more than {MAX_BYTES // 1024**2} MiB")
    if not body.startswith(JPEG_START):
        raise CameraFailed("what it answers is no JPEG")
    return bytes(body)
