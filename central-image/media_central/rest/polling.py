"""`poll_timeout`: an answer that waits until there is something to tell."""

from aiohttp import web
from media_rest.query import QueryError

MAX_POLL_SECONDS = 60.0


def poll_seconds(request: web.Request) -> float:
    """How long the caller wants to wait, at most a minute. Raises QueryError."""
    text = request.query.get("poll_timeout", "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if not 0 <= seconds < float("inf"):
        raise QueryError("poll_timeout must be a number of seconds", "poll_timeout")
    return min(seconds, MAX_POLL_SECONDS)
