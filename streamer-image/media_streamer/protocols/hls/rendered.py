"""Playlists of one index as answers, made once for all viewers who ask alike.

A text holds as long as the version of the index does. With sessions in the URIs the texts differ
from viewer to viewer: only the query string is put in then, and what one viewer got is kept for the
next request of that kind as long as there is room.
"""

import gzip
from collections.abc import Callable
from urllib.parse import quote

from media_streamer.egress.http.prepared import Message
from media_streamer.presentation.index import SegmentIndex
from media_streamer.presentation.track_index import TrackIndex
from media_streamer.protocols.hls.playlist import QUERY, render_master, render_media

TYPE = "application/vnd.apple.mpegurl"
GZIP_FROM_BYTES = 1400
"""Below this a playlist fits one packet and compressing gains nothing."""
MAX_TEXTS = 256
"""Kinds of playlists that are kept of one index; clients can ask for any selection of tracks."""
MAX_COPIES = 64
"""Copies of a text with other query strings that are kept."""

_QUERY = QUERY.encode()


class Text:
    """One playlist of one version."""

    __slots__ = ("_answers", "_template", "version")

    def __init__(self, version: int, text: str) -> None:
        self.version = version
        self._template = text.encode()
        self._answers: dict[tuple[str, bool, str], Message] = {}

    def answer(self, query: str, cache: str, *, may_compress: bool) -> Message:
        """The playlist with a query string in each URI.

        `cache`: Cache-Control for all viewers; what carries a query is one viewer's alone.
        """
        key = (query, may_compress, cache)
        made = self._answers.get(key)
        if made is None:
            body = self._template.replace(_QUERY, query.encode())
            if query:
                cache = cache.replace("public", "private")
            if may_compress and len(body) >= GZIP_FROM_BYTES:
                body = gzip.compress(body, 1, mtime=0)
                made = Message(body, TYPE, cache, Content_Encoding="gzip", Vary="Accept-Encoding")
            else:
                made = Message(body, TYPE, cache)
            if len(self._answers) < MAX_COPIES:
                self._answers[key] = made
        return made


class Playlists:
    """All playlists of an index."""

    def __init__(self, index: SegmentIndex, url_prefix: str) -> None:
        """`url_prefix` stands before the URIs of segments; empty: they are relative."""
        self._index = index
        self._url_prefix = url_prefix.rstrip("/")
        self._texts: dict[tuple[object, ...], Text] = {}

    def media(self, track: TrackIndex, *, low_latency: bool, skip: bool) -> Text:
        """A media playlist."""

        def render() -> str:
            return render_media(
                track,
                self._index.timing,
                "m4s" if self._index.container == "fmp4" else "ts",
                prefix=self._prefix(track),
                others=[one for one in self._index.tracks.values() if one is not track],
                low_latency=low_latency,
                skip=skip,
            )

        return self._text((track.name, low_latency, skip), render)

    def master(self, media: str, only: frozenset[str] | None, *, audio_only: bool) -> Text:
        """The multivariant playlist; `media` is the file name of the media playlists, `only` the
        tracks that are wanted."""

        def render() -> str:
            named = sorted(self._index.tracks.items())
            tracks = [track for name, track in named if only is None or name in only]
            separate = self._index.container == "fmp4"
            return render_master(tracks, media, separate=separate, audio_only=audio_only)

        return self._text((media, only, audio_only), render)

    def _text(self, key: tuple[object, ...], render: Callable[[], str]) -> Text:
        text = self._texts.get(key)
        if text is None or text.version != self._index.version:
            if len(self._texts) >= MAX_TEXTS:
                self._texts.clear()
            text = self._texts[key] = Text(self._index.version, render())
        return text

    def _prefix(self, track: TrackIndex) -> str:
        if not self._url_prefix:
            return ""
        return f"{self._url_prefix}/{quote(self._index.stream)}/tracks-{track.name}/"
