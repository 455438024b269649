"""Who may call: the administrator, and streamers with the API key.

Both may do everything; there is no read-only user in Central. Without EDIT_AUTH (allowed when no UI
is used) only the API key opens the API.
"""

from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from media_rest.credentials import Credentials, CredentialsError, parse_authorization
from media_rest.errors import ApiError

from media_central.settings import Login

# No secrets behind these, and the callers have no credentials yet: login page, probes, documents.
OPEN_SUFFIXES = ("/ui_settings", "/monitoring/liveness", "/monitoring/readiness", "/openapi.json")
OPEN_PREFIXES = ("/lb/",)
"""Viewers are authorised by the streamer that they are sent to."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What callers must present."""

    login: Login | None
    api_key: str

    def accepts(self, credentials: Credentials) -> bool:
        if credentials.is_api_key(self.api_key):
            return True
        return self.login is not None and credentials.is_user(self.login.login, self.login.password)


def require_credentials(keys: Keys, bases: tuple[str, ...]) -> Middleware:
    """Middleware: everything below `bases` needs credentials, but for what is open."""
    open_paths = frozenset(base + suffix for base in bases for suffix in OPEN_SUFFIXES)
    open_prefixes = tuple(base + prefix for base in bases for prefix in OPEN_PREFIXES)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path
        if path.startswith(bases) and path not in open_paths and not path.startswith(open_prefixes):
            _check(request, keys)
        return await handler(request)

    return middleware


def _check(request: web.Request, keys: Keys) -> None:
    try:
        credentials = parse_authorization(request.headers.get(hdrs.AUTHORIZATION))
    except CredentialsError as error:
        raise ApiError(403, "authorization_failed", str(error)) from None
    if credentials is None:
        title = "log in with EDIT_AUTH, or present the API_KEY as Bearer"
        # A script of our own pages: it has a login form, the browser's box would be in its way.
        if "X-Requested-With" in request.headers:
            raise ApiError(403, "authorization_required", title)
        challenge = {str(hdrs.WWW_AUTHENTICATE): 'Basic realm="Central", charset="UTF-8"'}
        raise ApiError(401, "authorization_required", title, headers=challenge)
    if not keys.accepts(credentials):
        raise ApiError(403, "authorization_failed", "wrong login, password or key")
