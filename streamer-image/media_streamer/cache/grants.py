"""Who may have stored files: what the origin said lately about viewers. Pure.

A stored file is handed out without asking the origin if
- the origin gave it to a viewer without any token, and has refused no such viewer of the stream
  since: the file was public; or
- the origin answered this identity (the query string: token, password …) of this stream with
  success within the last `GRANT_SECONDS`. A player's playlists, which always go to the origin,
  renew that.
Anybody else is sent to the origin. The decision is by token, not by address: the origin sees one
address, the cache's.
"""

from collections import OrderedDict
from hashlib import blake2b

GRANT_SECONDS = 60.0
"""As long as a streamer itself remembers a viewer between two requests."""
MAX_GRANTS = 200_000
MAX_CLOSED_STREAMS = 100_000

_Key = tuple[str, bytes]


class Grants:
    """Times are seconds of a monotonic clock. Tokens are kept as hashes only."""

    def __init__(self, most: int = MAX_GRANTS) -> None:
        self._most = most
        self._until: OrderedDict[_Key, float] = OrderedDict()
        self._closed: OrderedDict[str, None] = OrderedDict()

    def accepted(self, stream: str, identity: str, now: float) -> None:
        """The origin let this identity in."""
        if not identity:
            self._closed.pop(stream, None)
        key = _key(stream, identity)
        self._until.pop(key, None)
        self._until[key] = now + GRANT_SECONDS
        if len(self._until) > self._most:
            self._until.popitem(last=False)

    def refused(self, stream: str, identity: str) -> None:
        """The origin answered 401 or 403."""
        self._until.pop(_key(stream, identity), None)
        if not identity:
            self._closed.pop(stream, None)
            self._closed[stream] = None
            if len(self._closed) > MAX_CLOSED_STREAMS:
                self._closed.popitem(last=False)

    def allows(self, stream: str, identity: str, now: float, *, public: bool) -> bool:
        """Whether this identity gets a file; `public`: it was given to a viewer without token."""
        if public and stream not in self._closed:
            return True
        return self._until.get(_key(stream, identity), 0.0) > now


def _key(stream: str, identity: str) -> _Key:
    return stream, blake2b(identity.encode(), digest_size=16).digest() if identity else b""
