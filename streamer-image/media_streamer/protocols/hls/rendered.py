"""Playlists of one index, made once for all viewers who ask alike: a text holds as long as the
version of the index does."""

from collections.abc import Callable, Sequence

from media_streamer.egress.http.text import Text, Texts
from media_streamer.presentation.index import Container, SegmentIndex
from media_streamer.presentation.track_index import TrackIndex
from media_streamer.protocols.hls.key_tags import KeyLine, not_encrypted
from media_streamer.protocols.hls.playlist import render_master, render_media

TYPE = "application/vnd.apple.mpegurl"


def extension_of(container: Container, track: TrackIndex) -> str:
    """What the names of a track's segments end in; it says which session they belong to, too."""
    if track.init is not None and track.init.kind == "subtitles":
        return "vtt" if container == "fmp4" else "ts.vtt"
    return "m4s" if container == "fmp4" else "ts"


class Playlists:
    """All playlists of an index."""

    def __init__(self, index: SegmentIndex, url_prefix: str) -> None:
        """`url_prefix` stands before the URIs of segments; empty: they are relative."""
        self._index = index
        self._url_prefix = url_prefix
        self._texts = Texts(TYPE)

    def media(
        self,
        track: TrackIndex,
        *,
        low_latency: bool,
        skip: bool,
        key_line: KeyLine = not_encrypted,
    ) -> Text:
        """A media playlist."""

        def render() -> str:
            return render_media(
                track,
                self._index.timing,
                extension_of(self._index.container, track),
                prefix=self._prefix(track),
                others=[one for one in self._index.tracks.values() if one is not track],
                low_latency=low_latency,
                skip=skip,
                key_line=key_line,
            )

        return self._text((track.name, low_latency, skip), render)

    def master(self, media: str, tracks: Sequence[TrackIndex], *, audio_only: bool) -> Text:
        """The multivariant playlist over some tracks; `media` is the file name of the media
        playlists."""

        def render() -> str:
            separate = self._index.container == "fmp4"
            return render_master(tracks, media, separate=separate, audio_only=audio_only)

        return self._text((media, audio_only, *(track.name for track in tracks)), render)

    def _text(self, key: tuple[object, ...], render: Callable[[], str]) -> Text:
        return self._texts.get(key, self._index.version, render)

    def _prefix(self, track: TrackIndex) -> str:
        # A media playlist lies in the folder of its track already.
        return self._index.folder(track, self._url_prefix) if self._url_prefix else ""
