"""Who calls Central, and what he may do. Pure but for the clock passed in.

Roles: `admin` may do everything; `editor` may change streams, streamers and all that belongs to
them; `viewer` may read, and is shown no secrets; `streamer` may use the back-channel of its own
name and nothing else. A token may have less than its role by its permissions.

A streamer's key is derived from the API key and its name, so that Central keeps no list of them and
a streamer that is taken over can neither command Central nor ask for another one's streams. A pod
presents the token that Kubernetes gives it (`pod_identity`), which is good for as much.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal
from urllib.parse import unquote

from media_rest.credentials import Credentials, same_secret
from media_rest.route import Need

from media_central.models.tokens import StoredToken, TokenPermission
from media_central.setting_values import Login

Role = Literal["admin", "editor", "viewer", "streamer"]
Action = Literal["list", "read", "write", "execute"]

_MAY: dict[Need, frozenset[Role]] = {
    "open": frozenset({"admin", "editor", "viewer", "streamer"}),
    "view": frozenset({"admin", "editor", "viewer"}),
    "edit": frozenset({"admin", "editor"}),
    "admin": frozenset({"admin"}),
    "backend": frozenset({"admin", "editor", "streamer"}),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """`hostname`: of a streamer; `bounds` and `permissions` of a token, None: all."""

    name: str
    role: Role
    hostname: str = ""
    bounds: tuple[str, ...] | None = None
    permissions: tuple[TokenPermission, ...] | None = None

    @property
    def sees_secrets(self) -> bool:
        return self.role != "viewer"

    def has(self, need: Need) -> bool:
        """Whether the role suffices; a streamer's own name is looked at by `is_streamer`."""
        return self.role in _MAY[need]

    def is_streamer(self, hostname: str) -> bool:
        """Whether it may use the back-channel of that streamer."""
        return self.role != "streamer" or self.hostname == hostname

    def may(self, action: Action, resource: str) -> bool:
        """Whether the permissions of a token allow it. `resource`: `streams` or `streams/NAME`."""
        if self.bounds is not None and not _covered(resource, self.bounds):
            return False
        if self.permissions is None:
            return True
        return any(
            _covered(resource, permission.scopes) and _granted(permission, action)
            for permission in self.permissions
        )

    @property
    def sees_all(self) -> bool:
        """False for a token that may see a part of the resources only."""
        return self.bounds is None and self.permissions is None


def _granted(permission: TokenPermission, action: Action) -> bool:
    return {
        "list": permission.list_,
        "read": permission.read or permission.list_,
        "write": permission.write,
        "execute": permission.execute,
    }[action]


def _covered(resource: str, scopes: Iterable[str]) -> bool:
    """A collection is covered where a part of it is: what is shown of it is filtered."""
    for scope in scopes:
        pattern = unquote(scope)
        if fnmatchcase(resource, pattern):
            return True
        if "/" not in resource and fnmatchcase(resource, pattern.partition("/")[0]):
            return True
    return False


def streamer_key(api_key: str, hostname: str) -> str:
    """The key of one streamer, 43 URL-safe characters (HMAC-SHA256, RFC 2104)."""
    text = f"streamer:{hostname}".encode(errors="surrogatepass")
    digest = hmac.new(api_key.encode(), text, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def key_digest(key: str) -> str:
    """What is kept of a token: keys are long and random, so no slow hash is needed."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Keys:
    """What callers present. `pod`: the streamer whose pod has this token, None if none has."""

    login: Login | None
    api_key: str
    view_login: Login | None = None
    pod: Callable[[str], str | None] = lambda _: None

    def caller(
        self, credentials: Credentials, tokens: "Tokens", hostname: str | None
    ) -> Caller | None:
        """Who that is, None if nobody is known by it. `hostname`: whose back-channel is asked."""
        if credentials.is_api_key(self.api_key):
            return Caller("API_KEY", "admin")
        if self.login is not None and credentials.is_user(self.login.login, self.login.password):
            return Caller(self.login.login, "admin")
        view = self.view_login
        if view is not None and credentials.is_user(view.login, view.password):
            return Caller(view.login, "viewer")
        if hostname is not None:
            if credentials.is_api_key(streamer_key(self.api_key, hostname)):
                return Caller(hostname, "streamer", hostname)
            if credentials.kind == "bearer" and (pod := self.pod(credentials.token or "")):
                return Caller(pod, "streamer", pod)
        return tokens.find(credentials)


class Tokens:
    """The tokens of people and programs, by the digest of their key."""

    def __init__(self, known: Iterable[StoredToken] = ()) -> None:
        self._by_digest = {token.digest: token for token in known}

    def find(self, credentials: Credentials) -> Caller | None:
        """The token that is presented, None if there is none."""
        keys = [credentials.token] if credentials.kind == "bearer" else []
        if credentials.kind == "basic":
            keys = [credentials.login] if not credentials.password else []
        for key in keys:
            token = self._by_digest.get(key_digest(key or ""))
            if token is not None:
                return _caller(token)
        if credentials.login and credentials.password:
            token = self._by_digest.get(key_digest(credentials.password))
            if token is not None and same_secret(credentials.login, token.name):
                return _caller(token)
        return None


def _caller(token: StoredToken) -> Caller:
    return Caller(
        name=token.name,
        role=token.role or _role_of(token.permissions),
        bounds=tuple(token.auth_scopes) if token.auth_scopes is not None else None,
        permissions=tuple(token.permissions) if token.permissions is not None else None,
    )


def _role_of(permissions: Iterable[TokenPermission] | None) -> Role:
    """Of a token that names none: what its permissions need."""
    if permissions is None:
        return "editor"
    writes = any(permission.write or permission.execute for permission in permissions)
    return "editor" if writes else "viewer"
