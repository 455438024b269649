"""Access decided by a script: `on_play /etc/flussonic/auth.lua;`.

The script finds the question in `req` (fields as in a question to an HTTP backend) and further
options of the line in `args`. It returns `true` or `false`, and a table:

- `true, {auth_time=, user_id=, max_sessions=, unique=}`
- `false, {code=403}`; `false, {code=302, location=URL}` sends the player elsewhere.

A script that fails decides nothing, as an HTTP backend that is down.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from media_auth.verdict import DEFAULT_AUTH_SECONDS, Question, Verdict, allow, deny, undecided

from media_streamer.lua.host import ScriptFailed, ScriptHost

log = logging.getLogger(__name__)

SECONDS = 10.0
MAX_AUTH_SECONDS = 86_400.0


class ScriptRules:
    """`media_auth.authorize.Scripts`."""

    def __init__(self, host: ScriptHost) -> None:
        self._host = host

    async def ask(self, path: Path, question: Question, extra: Mapping[str, str]) -> Verdict:
        given = {"req": question.parameters(), "args": dict(extra)}
        try:
            found = await self._host.run(path, given, SECONDS)
            return verdict_of(found)
        except (ScriptFailed, ValueError) as error:
            log.error("stream %s: script %s decides nothing: %s", question.name, path, error)
            return undecided("The authorisation script failed, see the server's log")


def verdict_of(found: list[Any]) -> Verdict:
    """What a script returned. Raises ValueError for what is no decision."""
    allowed, *rest = found or [None]
    details = rest[0] if rest and isinstance(rest[0], dict) else {}
    if not isinstance(allowed, bool):
        shown = "nothing" if allowed is None else f"{allowed!r:.40}"
        raise ValueError(
            f"it returns {shown}: end it with `return true` or `return false, {{code=403}}`"
        )
    seconds = _number(details.get("auth_time"), DEFAULT_AUTH_SECONDS)
    auth_seconds = min(max(seconds, 1.0), MAX_AUTH_SECONDS)
    if allowed:
        limit = details.get("max_sessions")
        unique = details.get("unique") is True
        return allow(
            kept=True,
            auth_seconds=auth_seconds,
            user_id=_text(details.get("user_id"))[:255],
            max_sessions=1 if unique else None if limit is None else int(_number(limit, 0)),
        )
    code, location = int(_number(details.get("code"), 403)), _text(details.get("location"))
    if 300 <= code < 400 and location:
        return deny(
            "redirected",
            "The authorisation script sends you elsewhere",
            status=302,
            location=location[:2048],
            kept=True,
            auth_seconds=auth_seconds,
        )
    return deny(
        "authorization_failed",
        "The authorisation script refused the session",
        status=code if 400 <= code < 500 else 403,
        kept=True,
        auth_seconds=auth_seconds,
    )


def _number(value: Any, default: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    return float(value) if 0 <= value < 1e9 else default


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
