"""An HTTP(S) server that decides about sessions.

Playing is a GET with the question in the query, publishing a POST with it as JSON. 200 allows, 302
sends the player elsewhere, 4xx denies, 5xx and silence decide nothing. Headers of the answer:
X-AuthDuration, X-UserId, X-Max-Sessions, X-Unique.
"""

import logging
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import aiohttp
from media_rest.redact import redact_text

from media_auth.verdict import (
    DEFAULT_AUTH_SECONDS,
    Question,
    Verdict,
    allow,
    deny,
    undecided,
)

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0
MAX_AUTH_SECONDS = 86_400.0
MAX_REASON_CHARS = 200
"""Of a line in the log."""


class HttpBackend:
    """Asks backends; owns no session of its own, so that one pool serves them all."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(
        self, url: str, question: Question, extra: Mapping[str, str] | None = None
    ) -> Verdict:
        """Never raises: a backend that cannot be asked is an undecided verdict."""
        parameters = {**question.parameters(), **(extra or {})}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        try:
            if question.kind == "publish":
                request = self._session.post(
                    url, json=parameters, timeout=timeout, allow_redirects=False
                )
            else:
                request = self._session.get(
                    with_query(url, parameters), timeout=timeout, allow_redirects=False
                )
            async with request as answer:
                return _verdict(answer.status, answer.headers)
        except (TimeoutError, aiohttp.ClientError, ValueError, OSError) as error:
            # aiohttp quotes what it could not read, all of it.
            reason = redact_text(str(error)).partition("\n")[0][:MAX_REASON_CHARS]
            log.warning(
                "stream %s: authorisation backend %s does not answer: %s",
                question.name,
                redact_text(url),
                reason or type(error).__name__,
            )
            return undecided("The authorisation backend does not answer")


def with_query(url: str, parameters: Mapping[str, object]) -> str:
    """`url` with parameters added to those it has."""
    parts = urlsplit(url)
    pairs = [*parse_qsl(parts.query, keep_blank_values=True), *map(_as_text, parameters.items())]
    return urlunsplit(parts._replace(query=urlencode(pairs)))


def _as_text(parameter: tuple[str, object]) -> tuple[str, str]:
    """JSON's word for a boolean: a query has no types."""
    key, value = parameter
    return key, str(value).lower() if isinstance(value, bool) else str(value)


def _verdict(status: int, headers: Mapping[str, str]) -> Verdict:
    seconds = _number(headers.get("X-AuthDuration"), DEFAULT_AUTH_SECONDS)
    auth_seconds = min(max(seconds, 1.0), MAX_AUTH_SECONDS)
    if 200 <= status < 300:
        limit = headers.get("X-Max-Sessions")
        max_sessions = int(_number(limit, 0)) if limit is not None else None
        if headers.get("X-Unique", "").lower() == "true":
            max_sessions = 1
        return allow(
            kept=True,
            auth_seconds=auth_seconds,
            user_id=headers.get("X-UserId", "")[:255],
            max_sessions=max_sessions,
        )
    location = headers.get("Location", "")
    if status in {301, 302, 303, 307, 308} and location:
        return deny(
            "redirected",
            "The authorisation backend sends you elsewhere",
            status=302,
            location=location,
            kept=True,
            auth_seconds=auth_seconds,
        )
    if 400 <= status < 500:
        return deny(
            "authorization_failed",
            "The authorisation backend refused the session",
            kept=True,
            auth_seconds=auth_seconds,
        )
    return undecided(f"The authorisation backend answered {status}")


def _number(text: str | None, default: float) -> float:
    try:
        value = float(text) if text is not None else default
    except ValueError:
        return default
    return value if 0 <= value < 1e9 else default
