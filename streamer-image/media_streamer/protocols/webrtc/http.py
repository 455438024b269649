"""What WHEP and WHIP share over HTTP (RFC 9725): reading offers, answers, sessions as resources.

Refusals are `application/problem+json` (RFC 9457), as RFC 9725 4.5 wants them.
"""

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from media_streamer.budgets import WEBRTC_OFFER_BYTES
from media_streamer.egress.access import Access, AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.request import CORS, RETRY_SECONDS, MediaRequest, plain_text
from media_streamer.egress.http.routes import Route
from media_streamer.protocols.webrtc import answer, offer
from media_streamer.protocols.webrtc.connection import Holder, PeerConnection
from media_streamer.protocols.webrtc.engine import Resource, WebRtcEngine, engine_of
from media_streamer.protocols.webrtc.ice_servers import ice_links
from media_streamer.protocols.webrtc.offer import Offer, OfferError
from media_streamer.wire.control import AccessKind, AccessRequest

log = logging.getLogger(__name__)

PROTO = "webrtc"
SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
READ_SECONDS = 10.0
_BEARER = "bearer "


def routes_of(
    egress: Egress, form: str, begin: Callable[[MediaRequest], Awaitable[web.StreamResponse]]
) -> list[Route]:
    """The endpoint `/NAME/FORM` and its sessions below; `begin` answers an offer."""
    engine = engine_of(egress)
    pattern = re.compile(rf"(?P<name>.+)/{form}/(?P<session>[A-Za-z0-9_-]{{1,80}})")

    async def patch(request: MediaRequest) -> web.StreamResponse:
        return await on_owner(engine, request, _patch)

    async def delete(request: MediaRequest) -> web.StreamResponse:
        return await on_owner(engine, request, _delete)

    marker = f"/{form}/"
    return [
        Route(f"/{form}", _guarded(egress, begin), ("POST",), content="endless"),
        Route(pattern, _guarded(egress, patch), ("PATCH",), marker=marker),
        Route(pattern, _guarded(egress, delete), ("DELETE",), marker=marker),
    ]


def _guarded(
    egress: Egress,
    handler: Callable[[MediaRequest], Awaitable[web.StreamResponse]],
) -> Callable[[MediaRequest], Awaitable[web.StreamResponse]]:
    async def guarded(request: MediaRequest) -> web.StreamResponse:
        try:
            return await handler(request)
        except OfferError as error:
            return problem(AccessDenied(400, "bad_offer", str(error)))
        except AccessDenied as denied:
            if denied.location:
                # An offer goes along: a 302 would make a GET of it (RFC 9725 4.6).
                raise AccessDenied(307, denied.code, denied.title, denied.location) from None
            name, ip = request.name, request.ip
            tail = egress.refusals.tail("webrtc", name, denied.code, ip)
            if tail is not None:
                log.info("webrtc %s stream %s refused: %s%s", ip, name, denied.title, tail)
            return problem(denied)

    return guarded


def problem(denied: AccessDenied) -> web.Response:
    """A refusal in words and for programs."""
    headers = CIMultiDict(CORS)
    headers["X-Error"] = denied.code
    headers["Cache-Control"] = "no-store"
    if denied.status == 503:
        headers["Retry-After"] = RETRY_SECONDS
    body = {"type": "about:blank", "status": denied.status, "error": denied.code,
            "title": denied.title}  # fmt: skip
    return web.Response(
        status=denied.status,
        text=json.dumps(body) + "\n",
        content_type="application/problem+json",
        headers=headers,
    )


async def read_text(request: MediaRequest, content_type: str) -> str:
    """The body; raises AccessDenied if it is of another type, too long, slow or no text."""
    http = request.http
    if http.content_type != content_type:
        title = f"The body must be {content_type}"
        raise AccessDenied(415, "unsupported_media_type", title)
    body = b""
    try:
        async with asyncio.timeout(READ_SECONDS):
            while not http.content.at_eof():
                body += await http.content.readany()
                if len(body) > WEBRTC_OFFER_BYTES:
                    raise AccessDenied(413, "too_large", "The body is too long for a description")
    except TimeoutError:
        raise AccessDenied(408, "timeout", "The body did not come in time") from None
    except web.PayloadAccessError:
        raise AccessDenied(400, "bad_request", "The body is broken") from None
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise AccessDenied(400, "bad_offer", "The body is not UTF-8") from None


def access_request(request: MediaRequest, kind: AccessKind) -> AccessRequest:
    """The question to the supervisor. A token, or the password of a publisher, may come as
    `Authorization: Bearer` (RFC 9725 4.7)."""
    asked = request.access_request(PROTO, kind)
    header = plain_text(request.http.headers.get("Authorization", ""))
    if header[: len(_BEARER)].lower() != _BEARER:
        return asked
    bearer = header[len(_BEARER) :].strip()
    return msgspec.structs.replace(
        asked, token=asked.token or bearer, password=asked.password or bearer
    )


@dataclass(frozen=True, slots=True)
class Agreed:
    """What is agreed on with a peer."""

    form: str
    access: Access
    wanted: Offer
    streams: dict[int, answer.Stream]
    """By the section of the offer."""
    transport: str = ""
    """`udp` or `tcp`: no other is offered."""


def begin_session(
    engine: WebRtcEngine,
    request: MediaRequest,
    agreed: Agreed,
    make: Callable[[Callable[[], None]], Holder],
) -> web.Response:
    """A connection for the handler that `make` gives, and the answer to the offer.

    `make` gets what to call when it is over. Raises AccessDenied(503) if there is no place.
    """
    local = engine.credentials()
    remote = agreed.wanted.transport
    setup = answer.setup_for(remote.setup)
    place = by_transport(engine.place(request.http, local, setup), agreed.transport)
    sdp = answer.write(
        agreed.wanted, agreed.streams, place, int.from_bytes(local.ufrag.encode()[:7])
    )
    resource_id = engine.new_id()
    handler = make(lambda: engine.forget(resource_id))
    handler.connection = connection = PeerConnection(
        engine.port,
        engine.identity,
        local,
        remote.fingerprint,
        handler,
        is_client=setup == "active",
    )
    resource = Resource(
        request.name, agreed.access.session_id, connection, remote.ufrag, request.ip, local.ufrag
    )
    engine.add(resource_id, resource)
    return _created(engine, request, agreed.form, resource_id, resource, sdp)


def by_transport(place: answer.Place, transport: str) -> answer.Place:
    """The only way that is wanted; all where none is. Raises AccessDenied(503) without it."""
    if transport == "tcp" and not place.tcp:
        raise AccessDenied(503, "no_tcp", "WebRTC by TCP is not to be had: its port is taken")
    if not transport:
        return place
    return replace(place, udp=transport == "udp", tcp=transport == "tcp")


def _created(
    engine: WebRtcEngine,
    request: MediaRequest,
    form: str,
    resource_id: str,
    resource: Resource,
    sdp: str,
) -> web.Response:
    """201 with the answer, where the session is, and who may help to reach us."""
    headers = CIMultiDict(CORS)
    for link in ice_links(engine.egress.ice_servers, time.time()):
        headers.add("Link", link)
    headers["Location"] = f"/{quote(request.name, safe='/')}/{form}/{resource_id}"
    headers["X-Sid"] = resource.session_id
    headers["ETag"] = f'"{resource.tag}"'
    headers["Accept-Patch"] = FRAGMENT
    headers["Cache-Control"] = "no-store"
    headers["Content-Type"] = SDP
    return web.Response(status=201, body=sdp.encode(), headers=headers)


async def on_owner(
    engine: WebRtcEngine,
    request: MediaRequest,
    handler: Callable[[WebRtcEngine, MediaRequest], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """Let the worker answer that has the session."""
    owner = engine.owner(request.values["session"])
    neighbours = engine.egress.neighbours
    if owner is None or neighbours is None:
        return await handler(engine, request)
    return await neighbours.forward(owner, request.http, request.ip)


async def _delete(engine: WebRtcEngine, request: MediaRequest) -> web.StreamResponse:
    resource = engine.find(request.name, request.values["session"])
    resource.connection.close("the peer ended the session")
    return web.Response(status=200, headers=CORS)


async def _patch(engine: WebRtcEngine, request: MediaRequest) -> web.StreamResponse:
    """Candidates of the peer are not needed (its checks show them); new credentials of it are an
    ICE restart (RFC 9725 4.3.3)."""
    resource = engine.find(request.name, request.values["session"])
    fragment = offer.parse_fragment(await read_text(request, FRAGMENT))
    condition = request.http.headers.get("If-Match", "")
    if condition not in ("", "*", f'"{resource.tag}"'):
        raise AccessDenied(412, "precondition_failed", "The ICE session was restarted meanwhile")
    remote = fragment.ufrag
    if not remote or remote == resource.remote_ufrag:
        return web.Response(status=204, headers=CORS)
    local = engine.credentials()
    resource.connection.restart(local)
    resource.remote_ufrag, resource.tag = remote, local.ufrag
    place = engine.place(request.http, local, "")
    lines = [
        "a=ice-lite",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.password}",
        *answer.candidates(place),
    ]
    headers = CIMultiDict(CORS)
    headers["ETag"] = f'"{resource.tag}"'
    text = "\r\n".join(lines) + "\r\n"
    headers["Content-Type"] = FRAGMENT
    return web.Response(body=text.encode(), headers=headers)
