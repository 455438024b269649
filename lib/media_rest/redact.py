"""Hiding of secrets before anything is logged, reported or put into a status.

Role: the only place that knows which keys and which parts of a URL are secret.
Invariant: redacting twice changes nothing, and what is not a secret stays as it is, so that a
redacted URL still says which source is meant.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

HIDDEN = "***"
SECRET_KEYS = frozenset({
    "password", "passphrase", "cluster_key", "secret", "api_key", "apikey", "token", "aes_key",
    "keyseed", "userkey", "enc_token", "jpeg_snapshot_sign_key", "allow_tokens", "deny_tokens",
    "authorization", "proxy-authorization", "cookie", "x-api-key", "management_key",
    "end_user_private_key", "playback_token",
    "license_key", "edit_auth", "view_auth", "access_key", "secret_key", "streampoint_key",
    "endpoint_auth", "database_url",
})  # fmt: skip
# In a query these short words carry secrets; as keys of JSON they mostly mean something else.
SECRET_PARAMETERS = SECRET_KEYS | {"key", "sign", "sig", "signature", "session_id", "pass", "pwd"}
# Keys that hold an object with a login worth showing: only the password in it is hidden.
_CREDENTIAL_OBJECTS = frozenset({"edit_auth", "view_auth"})
# Schemes whose whole rest is a secret.
_SECRET_SCHEMES = frozenset({"securetoken"})
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^\s\"'<>\\^`{}|]+)")
_HOST_PORT = re.compile(r"(?:[^:\[\]]*|\[[0-9A-Fa-f:.%]+\]):\d{0,5}|\[[0-9A-Fa-f:.%]+\]", re.ASCII)
_AUTHORITY_END = re.compile(r"[/?#]")
_QUERY_SECRET = re.compile(r"([?&;,]|^)([A-Za-z0-9_.-]+)=([^&;#\s]*)")


def _hide_credentials(rest: str) -> str:
    """Hides up to the last @ if there is user info: a password may itself hold @ / or ?.

    An @ in the path of such a URL costs readability, the other choice would cost the password.
    """
    end = _AUTHORITY_END.search(rest)
    authority = rest[: end.start()] if end else rest
    # rtsp://admin:pa/ss@host: not a legal URL, yet people write it. What can be read as HOST:PORT
    # is (RFC 3986 section 3.2), so only a password of digits up to its slash stays.
    broken = ":" in authority and not _HOST_PORT.fullmatch(authority)
    if "@" in authority or (broken and "@" in rest):
        return f"{HIDDEN}@{rest[rest.rindex('@') + 1 :]}"
    return rest


def _hide_query(match: re.Match[str]) -> str:
    separator, key, value = match.groups()
    hide = key.lower() in SECRET_PARAMETERS and value
    return f"{separator}{key}={HIDDEN}" if hide else match[0]


def _redact_match(match: re.Match[str]) -> str:
    scheme, rest = match.groups()
    if scheme.lower() in _SECRET_SCHEMES:
        return f"{scheme}://{HIDDEN}"
    if _URL.match(rest):  # playlist://http://user:password@host/list
        return f"{scheme}://{redact_text(rest)}"
    path, mark, query = _hide_credentials(rest).partition("?")
    return f"{scheme}://{path}{mark}{_QUERY_SECRET.sub(_hide_query, query)}"


def redact_text(text: str) -> str:
    """`text` with the secrets of every URL in it hidden: user info and secret query parameters."""
    return _URL.sub(_redact_match, text) if "://" in text else text


def redact_url(url: str) -> str:
    """`url` without its secrets: rtsp://user:pass@host/1?token=x -> rtsp://***@host/1?token=***."""
    return redact_text(url)


def redact_push(url: str) -> str:
    """The same for where a stream is pushed to: the last name of an RTMP URL is the stream's key
    there, a secret with most services."""
    shown = redact_text(url)
    if not url.lower().startswith(("rtmp://", "rtmps://")):
        return shown
    path, mark, _ = shown.partition("?")
    scheme, separator, rest = path.partition("://")
    head, slash, key = rest.rpartition("/")
    rest = f"{head}{slash}{HIDDEN}" if head and key else rest
    return f"{scheme}{separator}{rest}{mark}{HIDDEN if mark else ''}"


def redact_query(query: str, token: Any = None) -> str:
    """A query string without its secrets; `token`: the viewer's, whatever its parameter is called.

    A server may call it anything (`auth_token`).
    """
    shown = redact_text(_QUERY_SECRET.sub(_hide_query, query))
    if isinstance(token, str) and token:
        for pair in shown.split("&"):
            name, equals, found = pair.partition("=")
            if equals and unquote_plus(found) == token:
                shown = shown.replace(pair, f"{name}={HIDDEN}")
    return shown


def redact(value: Any) -> Any:
    """Deep copy of JSON data with every secret hidden, for logs, events and list answers."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        shown = {key: _redact_entry(str(key), item) for key, item in value.items()}
        if isinstance(query := value.get("query_string"), str):
            shown["query_string"] = redact_query(query, value.get("token"))
        return shown
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return value


def _redact_entry(key: str, value: Any) -> Any:
    name = key.lower()
    if name == "pushes" and isinstance(value, list | tuple):
        return [_redact_push(item) for item in value]
    if name not in SECRET_KEYS or value is None:
        return redact(value)
    if name in _CREDENTIAL_OBJECTS and isinstance(value, Mapping):
        return redact(value)
    if isinstance(value, list | tuple):
        return [HIDDEN for _ in value]
    return HIDDEN


def _redact_push(item: Any) -> Any:
    shown = redact(item)
    if isinstance(shown, dict) and isinstance(shown.get("url"), str):
        shown["url"] = redact_push(shown["url"])
    return shown
