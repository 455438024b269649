"""Who may use the API: a request's words and the configuration in, a right out.

`edit_auth` may do everything, `view_auth` may read, the cluster key may do everything. Where
neither `edit_auth` nor `view_auth` is configured, who is on this machine may read without secrets,
and nobody may change anything but with the cluster key. Wrong credentials are 403; missing ones
are 401 with a challenge, so that a browser asks for them.
"""

import ipaddress
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from media_api.auth import AdminCredentials
from media_api.server import ServerConfig
from media_rest.credentials import Credentials, CredentialsError, parse_authorization
from media_rest.errors import ApiError, too_many_failures
from media_rest.guessing import GuessLimiter

log = logging.getLogger(__name__)

Right = Literal["view", "edit"]

LOG_FIRST_FAILURES = 3
"""Of an address every wrong password is logged up to here, then each time their number doubles."""
CHALLENGE = 'Basic realm="streamer", charset="UTF-8"'
NO_LOGIN = (
    "this server has no login: write `edit_auth LOGIN PASSWORD;` into its configuration or set"
    " STREAMER_EDIT_AUTH. Until then it may be read from its own machine only"
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request. `local`: a program on this machine, not a proxy in front of others.

    `interactive` is False for scripts that show their own login form.
    """

    ip: str
    local: bool = False
    interactive: bool = True


def right_of(
    config: ServerConfig,
    authorization: str | None,
    caller: Caller,
    now: float,
    guesses: GuessLimiter,
) -> Right:
    """The caller's right; `now` is Unix seconds. Raises ApiError 401, 403 or 429."""
    if config.api_allowed_from is not None and not _inside(caller.ip, config.api_allowed_from):
        raise ApiError(403, "address_not_allowed", f"the API may not be used from {caller.ip}")
    try:
        credentials = parse_authorization(authorization)
    except CredentialsError as error:
        raise ApiError(403, "authorization_failed", str(error)) from None
    if credentials is not None:
        right = _heard(config, credentials, caller, now, guesses)
        if right is not None:
            return right
    if config.edit_auth is None and config.view_auth is None:
        if caller.local:
            return "view"
        raise ApiError(403, "no_login_configured", NO_LOGIN)
    if credentials is None:
        raise _missing(caller.interactive)
    raise ApiError(403, "authorization_failed", "wrong login or password")


def require(right: Right, needed: Literal["view", "edit"], config: ServerConfig) -> None:
    """Raises ApiError 403 if `right` is not enough."""
    if needed != "edit" or right == "edit":
        return
    if config.edit_auth is None:
        raise ApiError(403, "no_login_configured", NO_LOGIN)
    raise ApiError(403, "read_only", "this login may only read: use that of edit_auth")


def _heard(
    config: ServerConfig,
    credentials: Credentials,
    caller: Caller,
    now: float,
    guesses: GuessLimiter,
) -> Right | None:
    """The right of these credentials, None if they are wrong. Raises ApiError 403 or 429."""
    # A server of the cluster with an old key must not keep out the people at its address.
    login, address = credentials.login or "", caller.ip
    if credentials.kind == "cluster":
        login = address = f"cluster at {caller.ip}"
    clock = time.monotonic()
    if wait := guesses.wait_for(address, login, clock):
        raise too_many_failures(wait)
    if (right := _right_by(config, credentials, now)) is not None:
        guesses.succeeded(address, login, clock)
        return right
    count = guesses.failed(address, login, clock)
    if count <= LOG_FIRST_FAILURES or count & (count - 1) == 0:
        log.warning("API: %d wrong passwords from %s, login %.64r", count, caller.ip, login)
    return None


def _right_by(config: ServerConfig, credentials: Credentials, now: float) -> Right | None:
    if _is(credentials, config.edit_auth):
        return "edit"
    key = config.cluster_key or ""
    if credentials.is_cluster(key, now) or credentials.is_bearer(key):
        return "edit"
    if credentials.is_skewed(key, now):
        raise ApiError(
            403, "clock_skew", "the clocks of the two servers differ too much: synchronise them"
        )
    return "view" if _is(credentials, config.view_auth) else None


def _is(credentials: Credentials, user: AdminCredentials | None) -> bool:
    return user is not None and credentials.is_user(user.login, user.password)


def _missing(interactive: bool) -> ApiError:
    title = "log in with the credentials of edit_auth or view_auth"
    if not interactive:
        return ApiError(403, "authorization_required", title)
    return ApiError(401, "authorization_required", title, headers={"WWW-Authenticate": CHALLENGE})


def _inside(ip: str, networks: Iterable[str]) -> bool:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in ipaddress.ip_network(network) for network in networks)
