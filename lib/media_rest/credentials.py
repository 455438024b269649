"""The Authorization header: who calls, and the constant-time checks of it.

Forms: `Basic BASE64(user:password)`; `Bearer` with the same base64 text or with a raw API key;
`Cluster T:HEX` where T is Unix seconds and HEX the sha1 of `T:KEY` in lower case.
Invariants: secrets are compared in constant time and never appear in `repr`; a Cluster header is
good for 300 s around the server's clock only.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Literal

CLUSTER_CLOCK_SKEW = 300  # seconds; a stolen header is worth nothing after that
MAX_HEADER = 4096  # characters


class CredentialsError(ValueError):
    """The header is malformed. The message never repeats it."""


def same_secret(given: str, expected: str) -> bool:
    """Constant-time comparison; an empty `expected` never matches."""
    return bool(expected) and hmac.compare_digest(_bytes(given), _bytes(expected))


def _bytes(text: str) -> bytes:
    # Headers may hold any bytes; those that are no UTF-8 arrive as lone surrogates.
    return text.encode(errors="surrogatepass")


@dataclass(frozen=True)
class Credentials:
    """A parsed Authorization header.

    `login` and `password` are set for Basic, and for Bearer where the token is base64 of
    `user:password`. `token` is the raw text of Bearer, or the digest of Cluster; `time` is the Unix
    time of Cluster.
    """

    kind: Literal["basic", "bearer", "cluster"]
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    time: int | None = None

    def is_user(self, login: str, password: str) -> bool:
        """True if these are the credentials of that user."""
        if self.login is None or self.password is None:
            return False
        # Both are compared, so that the time does not tell which one is wrong.
        return same_secret(self.login, login) & same_secret(self.password, password)

    def is_api_key(self, key: str) -> bool:
        """True for `Bearer KEY`, and for Basic with the key as user (http://KEY@HOST/)."""
        if self.kind == "bearer":
            return self.is_bearer(key)
        return self.kind == "basic" and not self.password and same_secret(self.login or "", key)

    def is_bearer(self, key: str) -> bool:
        """True for `Bearer KEY`."""
        return self.kind == "bearer" and same_secret(self.token or "", key)

    def is_cluster(self, key: str, now: float) -> bool:
        """True if the caller knows the cluster key. `now` is Unix seconds of this server."""
        if self.kind != "cluster" or self.token is None or self.time is None or not key:
            return False
        fresh = abs(now - self.time) <= CLUSTER_CLOCK_SKEW
        return same_secret(self.token, cluster_digest(self.time, key)) and fresh

    def is_skewed(self, key: str, now: float) -> bool:
        """True if only the clock is wrong: worth a message of its own."""
        good_at_its_time = self.time is not None and self.is_cluster(key, self.time)
        return good_at_its_time and not self.is_cluster(key, now)


def cluster_digest(unix_time: int, key: str) -> str:
    """Lower-case hex sha1 of `T:KEY`: fixed by the protocol, not chosen for strength."""
    return hashlib.sha1(_bytes(f"{unix_time}:{key}"), usedforsecurity=False).hexdigest()


def cluster_header(key: str, now: float) -> str:
    """Value of Authorization for a call to another server of the cluster."""
    unix_time = int(now)
    return f"Cluster {unix_time}:{cluster_digest(unix_time, key)}"


def basic_header(login: str, password: str) -> str:
    """Value of Authorization for Basic (RFC 7617)."""
    return f"Basic {base64.b64encode(f'{login}:{password}'.encode()).decode()}"


def _decode_pair(text: str) -> tuple[str, str] | None:
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    login, colon, password = decoded.partition(":")
    return (login, password) if colon else None


def _parse_cluster(value: str) -> Credentials:
    unix_time, _, digest = value.partition(":")
    if not (unix_time.isascii() and unix_time.isdigit() and len(unix_time) <= 12 and digest):
        raise CredentialsError("the Cluster authorization must be UNIXTIME:SHA1")
    return Credentials("cluster", token=digest.lower(), time=int(unix_time))


def parse_authorization(header: str | None) -> Credentials | None:
    """Credentials of an Authorization header, None if there is none.

    Raises CredentialsError for an unknown scheme or a malformed value.
    """
    if header is None or not header.strip():
        return None
    if len(header) > MAX_HEADER:
        raise CredentialsError(f"the Authorization header exceeds {MAX_HEADER} characters")
    scheme, _, value = header.strip().partition(" ")
    value = value.strip()
    pair = _decode_pair(value)
    match scheme.lower():
        case "basic":
            if pair is None:
                raise CredentialsError("Basic authorization must be base64 of user:password")
            return Credentials("basic", login=pair[0], password=pair[1])
        case "bearer":
            if not value:
                raise CredentialsError("Bearer authorization lacks a token")
            login, password = pair or (None, None)
            return Credentials("bearer", login=login, password=password, token=value)
        case "cluster":
            return _parse_cluster(value)
    raise CredentialsError("the authorization scheme must be Basic, Bearer or Cluster")
