"""Who may use the API. Pure: a request's words and the configuration in, a right out.

`edit_auth` may do everything, `view_auth` may read, the cluster key may do everything. Where
neither `edit_auth` nor `view_auth` is configured the API is open. Wrong credentials are 403;
missing ones are 401 with a challenge, so that a browser asks for them.
"""

import ipaddress
from collections.abc import Iterable
from typing import Literal

from media_api.auth import AdminCredentials
from media_api.server import ServerConfig
from media_rest.credentials import Credentials, CredentialsError, parse_authorization
from media_rest.errors import ApiError

Right = Literal["view", "edit"]

CHALLENGE = 'Basic realm="streamer", charset="UTF-8"'


def right_of(
    config: ServerConfig, authorization: str | None, ip: str, now: float, interactive: bool
) -> Right:
    """The caller's right. Raises ApiError 401 or 403.

    `now` is Unix seconds; `interactive` is False for scripts that show their own login form.
    """
    if config.api_allowed_from is not None and not _inside(ip, config.api_allowed_from):
        raise ApiError(403, "address_not_allowed", f"the API may not be used from {ip}")
    try:
        credentials = parse_authorization(authorization)
    except CredentialsError as error:
        raise ApiError(403, "authorization_failed", str(error)) from None
    if config.edit_auth is None and config.view_auth is None:
        return "edit"
    if credentials is None:
        raise _missing(interactive)
    if _is(credentials, config.edit_auth):
        return "edit"
    key = config.cluster_key or ""
    if credentials.is_cluster(key, now):
        return "edit"
    if credentials.is_skewed(key, now):
        raise ApiError(
            403, "clock_skew", "the clocks of the two servers differ too much: synchronise them"
        )
    if _is(credentials, config.view_auth):
        return "view"
    raise ApiError(403, "authorization_failed", "wrong login or password")


def require(right: Right, needed: Literal["view", "edit"]) -> None:
    """Raises ApiError 403 if `right` is not enough."""
    if needed == "edit" and right != "edit":
        raise ApiError(403, "read_only", "this login may only read: use that of edit_auth")


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
