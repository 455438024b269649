"""The check in front of every operation: who calls, whether he may, and what guessing costs."""

import logging
import time
from collections.abc import Mapping

from aiohttp import hdrs, web
from media_api.base import JsonObject
from media_rest.credentials import Credentials, CredentialsError, parse_authorization
from media_rest.errors import ApiError
from media_rest.redact import redact
from media_rest.route import Handler, Route

from media_central.access import Action, Caller
from media_central.rest.address import address_of
from media_central.rest.answers import is_for_players, refuse_foreign_page
from media_central.rest.context import context

log = logging.getLogger(__name__)

CALLER = web.RequestKey("caller", Caller)
LOG_FIRST_FAILURES = 3
"""Of an address every wrong password is logged up to here, then each time their number doubles."""
_ANYBODY = Caller("", "viewer")


def guarded(route: Route) -> Handler:
    """The handler behind the rights that it needs."""

    async def guard(request: web.Request) -> web.StreamResponse:
        refuse_packed(request)
        if not is_for_players(request):
            refuse_foreign_page(request, changes=route.right not in ("open", "view"))
        if route.right != "open":
            caller = authenticate(request)
            authorise(caller, route, request.match_info, claimed_host(request) or "")
            request[CALLER] = caller
        response: web.StreamResponse = await route.handler(request)
        return response

    return guard


def refuse_packed(request: web.Request) -> None:
    """A packed body may unpack to any size. Raises ApiError 415."""
    coding = request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower()
    if coding not in ("", "identity"):
        raise ApiError(415, "packed_body", "send the body as it is, without Content-Encoding")


def authenticate(request: web.Request) -> Caller:
    """Raises ApiError 401, 403 or 429."""
    ctx = context(request)
    try:
        credentials = parse_authorization(request.headers.get(hdrs.AUTHORIZATION))
    except CredentialsError as error:
        raise ApiError(403, "authorization_failed", str(error)) from None
    if credentials is None:
        raise _missing(interactive="X-Requested-With" not in request.headers)
    address, login, now = address_of(request), credentials.login or "", time.monotonic()
    wait = ctx.guesses.wait_for(address, login, now)
    if wait:
        raise ApiError(
            429,
            "too_many_failures",
            f"too many wrong passwords: wait {wait:.0f} s",
            headers={str(hdrs.RETRY_AFTER): str(max(1, round(wait)))},
        )
    caller = ctx.keys.caller(credentials, ctx.tokens(), claimed_host(request))
    if caller is None:
        _failed(request, credentials, now)
        raise ApiError(403, "authorization_failed", "wrong login, password or key")
    ctx.guesses.succeeded(address, login, now)
    return caller


def _failed(request: web.Request, credentials: Credentials, now: float) -> None:
    address, login = address_of(request), credentials.login or ""
    count = context(request).guesses.failed(address, login, now)
    if count <= LOG_FIRST_FAILURES or count & (count - 1) == 0:
        log.warning(
            "%d wrong %s from %s%s",
            count,
            "key" if credentials.login is None else "password",
            address,
            f" for the login {login[:64]!a}" if login else "",
        )


def _missing(*, interactive: bool) -> ApiError:
    title = "log in with EDIT_AUTH or a token, or present a key as Bearer"
    # A script of our own pages: it has a login form, the browser's box would be in its way.
    if not interactive:
        return ApiError(403, "authorization_required", title)
    challenge = {str(hdrs.WWW_AUTHENTICATE): 'Basic realm="Central", charset="UTF-8"'}
    return ApiError(401, "authorization_required", title, headers=challenge)


def claimed_host(request: web.Request) -> str | None:
    """The streamer that a caller says to be, where he says so."""
    for name in ("server", "host"):
        if said := request.query.get(name):
            return request.match_info.get("hostname", said)
    return request.match_info.get("hostname")


def authorise(caller: Caller, route: Route, names: Mapping[str, str], host: str) -> None:
    """`host`: the streamer whose back-channel is used. Raises ApiError 403."""
    if not caller.has(route.right):
        raise ApiError(
            403, "not_allowed", f"{caller.name} is {caller.role}: that needs {route.right} rights"
        )
    if route.right == "backend" and not caller.is_streamer(host):
        raise ApiError(403, "not_allowed", f"the key of {caller.name} is good for itself only")
    action, resource = action_of(route, names)
    check(caller, action, resource)


def check(caller: Caller, action: Action, resource: str) -> None:
    """Raises ApiError 403 if the permissions of a token do not allow it."""
    if not caller.may(action, resource):
        raise ApiError(403, "not_allowed", f"{caller.name} may not {action} {resource}")


def action_of(route: Route, names: Mapping[str, str]) -> tuple[Action, str]:
    """What an operation does, and with what: ("write", "streams/a")."""
    words = route.path.strip("/").split("/")
    named = next((names[word[1:-1]] for word in words if word.startswith("{")), None)
    resource = words[0] if named is None else f"{words[0]}/{named}"
    if route.method == "GET":
        return ("list" if named is None else "read"), resource
    return ("execute" if route.method == "POST" else "write"), resource


def caller_of(request: web.Request) -> Caller:
    """Who calls; of an open operation a reader without a name."""
    found: Caller = request.get(CALLER, _ANYBODY)
    return found


def shown(request: web.Request, data: JsonObject) -> JsonObject:
    """`data` without secrets for who may not see them."""
    if caller_of(request).sees_secrets:
        return data
    hidden: JsonObject = redact(data)
    return hidden
