"""Texts that one viewer's session goes into: playlists and manifests, made once for all.

A text is rendered with `QUERY` in each URI and holds as long as the version of what it was made
from. Only the query string is put in for a viewer, and what one viewer got is kept for the next
request of that kind as long as there is room.
"""

import gzip
from collections.abc import Callable

from aiohttp import web

from media_streamer.egress.http.prepared import Message, Prepared
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.segmented_sessions import SegmentedSession, SegmentedSessions
from media_streamer.presentation.index import SegmentIndex

QUERY = "\0"
"""Stands for the query string of the viewer's session in a text."""
GZIP_FROM_BYTES = 1400
"""Below this a text fits one packet and compressing gains nothing."""
MAX_COPIES = 64
"""Copies of a text with other query strings that are kept."""
MAX_TEXTS = 256
"""Kinds of texts that are kept of one index; clients can ask for any selection of tracks."""

_QUERY = QUERY.encode()


class Text:
    """One text of one version."""

    __slots__ = ("_answers", "_template", "_type", "version")

    def __init__(self, version: int, text: str, content_type: str) -> None:
        self.version = version
        self._template = text.encode()
        self._type = content_type
        self._answers: dict[tuple[str, bool, str, str], Message] = {}

    def answer(self, query: str, cache: str, *, may_compress: bool, selection: str = "") -> Message:
        """The text with a query string in each URI.

        `cache`: Cache-Control for all viewers; what carries a query is one viewer's alone.
        `selection`: a parameter that each URI has beside it, for whoever asks.
        """
        key = (query, may_compress, cache, selection)
        made = self._answers.get(key)
        if made is None:
            whole = f"{query}{'&' if query else '?'}{selection}" if selection else query
            body = self._template.replace(_QUERY, whole.encode())
            if query:
                cache = cache.replace("public", "private")
            if may_compress and len(body) >= GZIP_FROM_BYTES:
                body = gzip.compress(body, 1, mtime=0)
                made = Message(
                    body, self._type, cache, Content_Encoding="gzip", Vary="Accept-Encoding"
                )
            else:
                made = Message(body, self._type, cache)
            if len(self._answers) < MAX_COPIES:
                self._answers[key] = made
        return made


class Texts:
    """The newest texts of one thing that has a version."""

    def __init__(self, content_type: str) -> None:
        self._type = content_type
        self._texts: dict[tuple[object, ...], Text] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def get(self, key: tuple[object, ...], version: int, render: Callable[[], str]) -> Text:
        """The text of this kind; `render` makes it where there is none of this version."""
        text = self._texts.get(key)
        if text is None or text.version != version:
            if len(self._texts) >= MAX_TEXTS:
                self._texts.clear()
            text = self._texts[key] = Text(version, render(), self._type)
        return text


def send_text(
    request: MediaRequest,
    viewer: SegmentedSession,
    text: Text,
    cache: str,
    still: Callable[[], bool] | None = None,
    *,
    selection: str = "",
) -> Prepared:
    """The answer for one viewer; `still`: whether the same request would be answered so now."""
    query = request.session_query(viewer.access.token)
    may_compress = "gzip" in request.http.headers.get("Accept-Encoding", "")
    message = text.answer(query, cache, may_compress=may_compress, selection=selection)
    size = len(message.body)
    viewer.count(size)
    if still is None:
        return Prepared(message)

    def again() -> bool:
        if not still():
            return False
        viewer.count(size)
        return True

    return Prepared(message, again)


def send_index_text(
    request: MediaRequest,
    sessions: SegmentedSessions,
    viewer: SegmentedSession,
    index: SegmentIndex,
    text: Text,
    cache: str,
    *,
    selection: str = "",
) -> web.StreamResponse:
    """The same for a text of `index`: it holds while the index has that version and the session
    is open."""

    def still() -> bool:
        if index.version != text.version or not sessions.use(viewer):
            return False
        index.touch()
        return True

    return send_text(request, viewer, text, cache, still, selection=selection)
