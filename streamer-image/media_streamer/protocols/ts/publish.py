"""`POST /NAME/mpegts`: a publisher sends endless MPEG-TS and is answered 204 at its end."""

import asyncio
import contextlib
import logging

from aiohttp import web

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.request import CORS, MediaRequest
from media_streamer.egress.http.routes import Route
from media_streamer.egress.hub import Hub
from media_streamer.egress.reading import ReadGate

log = logging.getLogger(__name__)

PROTO = "tshttp"
SILENCE_SECONDS = 30.0
"""A publisher that sends nothing for so long is gone without having said so."""


def routes(egress: Egress) -> list[Route]:
    async def take(request: MediaRequest) -> web.StreamResponse:
        return await publish(egress.hub, request)

    return [Route(form, take, ("POST", "PUT"), content="endless") for form in ("/mpegts", ".ts")]


async def publish(hub: Hub, request: MediaRequest) -> web.StreamResponse:
    """Pass the body on; raises AccessDenied if publishing is refused or ends early."""
    access = await hub.access(request.access_request(PROTO, "publish"))
    request.note(access)
    feed = await hub.publish(access, "ts")
    http = request.http
    if http.transport is None:
        await feed.close()
        raise AccessDenied(400, "bad_request", "The client has gone")
    gate = ReadGate(http.transport)
    reading: asyncio.Timeout | None = None

    def stop(_: asyncio.Future[str]) -> None:
        """Who has nothing to send just now hears of the end as well."""
        if reading is not None:
            with contextlib.suppress(RuntimeError):  # nothing is read just now
                reading.reschedule(asyncio.get_running_loop().time())

    feed.ended.add_done_callback(stop)
    feed.on_pace = lambda seconds: hub.turns.pace(gate, seconds)
    try:
        if http.headers.get("Expect", "").lower() == "100-continue":
            http.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not feed.ended.done():
            async with asyncio.timeout(SILENCE_SECONDS) as reading:
                data = await http.content.readany()
            if not data and http.content.at_eof():
                break
            feed.write(data)
            hub.turns.wait(gate, http.protocol.data_received)
            if feed.is_behind:
                gate.hold("drain")
                await feed.drain()
                gate.release("drain")
    except TimeoutError:
        if not feed.ended.done():
            log.warning("stream %s: publisher %s fell silent", access.stream, request.ip)
            raise AccessDenied(408, "timeout", "No data for too long") from None
    except web.PayloadAccessError:
        raise AccessDenied(400, "bad_request", "The body is broken") from None
    finally:
        hub.turns.leave(gate)
        gate.release("drain")
        await feed.close()
    reason = feed.ended.result()
    if reason == "publisher finished":
        return web.Response(status=204, headers=CORS)
    log.warning("stream %s: publisher %s was cut off: %s", access.stream, request.ip, reason)
    raise AccessDenied(503, "publish_ended", f"Publishing was ended: {reason}")
