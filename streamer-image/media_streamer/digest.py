"""Basic and Digest authentication of HTTP and RTSP: both sides (RFC 2617, RFC 7616).

A worker makes the challenges and knows no password: it sees whether a nonce is its own and still
holds (a nonce proves that by itself), and whoever has the password sees whether the answer is
right. So a password is proven by Digest where this server keeps it; what only a backend knows
(a token) has to come by Basic.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Literal

from media_streamer.wire.control import DigestAnswer

NONCE_SECONDS = 300.0
REALM = "media-server"
_NEXT = re.compile(r",\s*(?=(?:digest|basic)\s)", re.IGNORECASE)
_FIELD = re.compile(r'([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an Authorization header says."""

    scheme: Literal["basic", "digest"]
    user: str
    password: str = ""
    """Of Basic alone."""
    fields: dict[str, str] = field(default_factory=dict)
    """Of Digest alone."""


def parse(header: str) -> Credentials | None:
    """Credentials of a header, None if it is none of the two schemes."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() == "basic":
        try:
            text = base64.b64decode(rest.strip(), validate=True).decode("utf-8", "surrogateescape")
        except (binascii.Error, ValueError):
            return None
        user, colon, password = text.partition(":")
        return Credentials("basic", user, password) if colon else None
    if scheme.lower() == "digest":
        fields = {name.lower(): quoted or bare for name, quoted, bare in _FIELD.findall(rest)}
        if "response" not in fields or "username" not in fields:
            return None
        return Credentials("digest", fields["username"], fields=fields)
    return None


class Challenger:
    """Makes challenges and knows them again."""

    def __init__(self, realm: str = REALM) -> None:
        self._realm = realm
        self._key = secrets.token_bytes(32)

    @property
    def basic(self) -> str:
        """The challenge for who has to show the password itself."""
        return f'Basic realm="{self._realm}"'

    def digest(self, *, stale: bool = False, now: float | None = None) -> str:
        """A fresh challenge; `stale`: the client's answer was to one that is too old."""
        at = int(time.time() if now is None else now)
        nonce = f"{at:x}-{self._sign(at)}"
        suffix = ", stale=true" if stale else ""
        return f'Digest realm="{self._realm}", nonce="{nonce}", algorithm=MD5{suffix}'

    def is_fresh(self, given: Credentials, now: float | None = None) -> bool:
        """Whether they answer a challenge of ours that still holds."""
        text, _, signature = given.fields.get("nonce", "").partition("-")
        try:
            at = int(text[:16], 16)
        except ValueError:
            return False
        now = time.time() if now is None else now
        fresh = 0 <= now - at + 1 <= NONCE_SECONDS
        own = given.fields.get("realm") == self._realm
        return hmac.compare_digest(signature.encode(), self._sign(at).encode()) and fresh and own

    def _sign(self, at: int) -> str:
        return hmac.new(self._key, at.to_bytes(8, "big"), hashlib.sha256).hexdigest()[:32]


def proves(answer: DigestAnswer, password: str) -> bool:
    """Whether the answer to a fresh challenge proves `password`, whoever the user is."""
    fields = answer.fields
    expected = response(
        fields.get("username", ""),
        fields.get("realm", ""),
        password,
        answer.method,
        fields.get("uri", ""),
        fields,
    )
    given = fields.get("response", "").lower()
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))


def response(
    user: str, realm: str, password: str, method: str, uri: str, fields: dict[str, str]
) -> str:
    """`response` of a Digest (RFC 7616 3.4.1): MD5 or SHA-256, with or without qop=auth."""
    sha256 = fields.get("algorithm", "").upper() == "SHA-256"
    new = hashlib.sha256 if sha256 else hashlib.md5

    def digest(text: str) -> str:
        return new(text.encode("utf-8", "surrogateescape")).hexdigest()

    first, second = digest(f"{user}:{realm}:{password}"), digest(f"{method}:{uri}")
    nonce = fields.get("nonce", "")
    if fields.get("qop") == "auth":
        middle = f"{nonce}:{fields.get('nc', '')}:{fields.get('cnonce', '')}:auth"
    else:
        middle = nonce
    return digest(f"{first}:{middle}:{second}")


def challenges_of(headers: list[str]) -> list[str]:
    """The challenges in the fields of a name; one field may hold several (RFC 9110 11.6.1)."""
    return [found for header in headers for text in _NEXT.split(header) if (found := text.strip())]


def authorization(
    challenges: list[str], user: str, password: str, method: str, uri: str, use: int = 1
) -> str:
    """Our answer to a server's challenge; empty if it names no scheme that is known. `use`: how
    often this challenge was answered, this time included."""
    for challenge in challenges:
        scheme, _, rest = challenge.strip().partition(" ")
        if scheme.lower() != "digest":
            continue
        fields = {name.lower(): quoted or bare for name, quoted, bare in _FIELD.findall(rest)}
        if fields.get("algorithm", "MD5").upper() not in ("MD5", "SHA-256"):
            continue
        if "auth" in fields.get("qop", "").replace(" ", "").split(","):
            fields |= {"qop": "auth", "nc": f"{use:08x}", "cnonce": secrets.token_hex(8)}
        else:
            fields.pop("qop", None)
        realm = fields.get("realm", "")
        answer = response(user, realm, password, method, uri, fields)
        parts = {"username": user, "realm": realm, "nonce": fields.get("nonce", ""), "uri": uri}
        text = ", ".join(f'{name}="{value}"' for name, value in parts.items())
        text += f', response="{answer}"'
        for name in ("algorithm", "qop", "nc"):
            if name in fields:
                text += f", {name}={fields[name]}"
        for name in ("cnonce", "opaque"):
            if name in fields:
                text += f', {name}="{fields[name]}"'
        return f"Digest {text}"
    if any(challenge.strip().lower().startswith("basic") for challenge in challenges):
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    return ""
