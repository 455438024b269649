"""Playlists are made once for all who ask alike."""

import gzip
from collections.abc import Mapping

from media_streamer.egress.http import text as texts
from media_streamer.egress.http.prepared import Message
from media_streamer.presentation.index import SegmentIndex
from media_streamer.presentation.track_index import Init, Segment, Timing, TrackIndex
from media_streamer.protocols.hls.rendered import Playlists


class Archive(SegmentIndex):
    """An index that is no live window."""

    timing = Timing()

    def __init__(self) -> None:
        super().__init__("live/ä x", "fmp4")
        track = TrackIndex("v1", complete=True)
        track.inits[0] = Init(0, "/init", "avc1.64001f")
        for number in range(40):
            start = 1_700_000_000_000 + 5000 * number
            track.segments.append(Segment(number, start, 5.0, "/x", 1, False, 0, 1_000_000))
        self._tracks = {"v1": track, "a1": TrackIndex("a1", complete=True)}

    @property
    def tracks(self) -> Mapping[str, TrackIndex]:
        return self._tracks

    def change(self) -> None:
        self._changed()


def test_a_text_is_kept_until_the_index_changes() -> None:
    index = Archive()
    playlists = Playlists(index, "")
    track = index.tracks["v1"]
    first = playlists.media(track, low_latency=False, skip=False)
    assert playlists.media(track, low_latency=False, skip=False) is first
    assert playlists.media(track, low_latency=True, skip=False) is not first
    index.change()
    assert playlists.media(track, low_latency=False, skip=False) is not first


def headers(message: Message) -> str:
    return message.bytes(b"\r\n\r\n", with_body=False).decode()


def test_answers_have_the_query_and_are_compressed_for_those_who_like_it() -> None:
    index = Archive()
    text = Playlists(index, "").media(index.tracks["v1"], low_latency=False, skip=False)
    plain = text.answer("?token=x", "public, max-age=3", may_compress=False)
    assert plain.body.count(b"?token=x\n") == 40
    assert "Content-Encoding" not in headers(plain)
    packed = text.answer("?token=x", "public, max-age=3", may_compress=True)
    assert gzip.decompress(packed.body) == plain.body
    assert "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n" in headers(packed)
    assert text.answer("?token=x", "public, max-age=3", may_compress=True) is packed
    for number in range(2 * texts.MAX_COPIES):
        text.answer(f"?token={number}", "public", may_compress=True)
    assert len(text._answers) == texts.MAX_COPIES
    tracks = index.selected("")
    short = Playlists(index, "").master("index.fmp4.m3u8", tracks, audio_only=False)
    assert b"#EXTM3U" in short.answer("", "public", may_compress=True).body


def test_what_carries_a_token_is_the_viewers_alone() -> None:
    index = Archive()
    tracks = index.selected("")
    text = Playlists(index, "").master("index.fmp4.m3u8", tracks, audio_only=False)
    shared = text.answer("", "public, max-age=1", may_compress=False)
    own = text.answer("?token=x", "public, max-age=1", may_compress=False)
    assert "Cache-Control: public, max-age=1\r\n" in headers(shared)
    assert "Cache-Control: private, max-age=1\r\n" in headers(own)


def test_a_selection_goes_along_and_is_nobodys_secret() -> None:
    index = Archive()
    text = Playlists(index, "").media(index.tracks["v1"], low_latency=False, skip=False)
    both = text.answer("?token=x", "public", may_compress=False, selection="filter.tracks=v1")
    assert b".m4s?token=x&filter.tracks=v1\n" in both.body
    assert "Cache-Control: private" in headers(both)
    alone = text.answer("", "public", may_compress=False, selection="filter.tracks=v1")
    assert b".m4s?filter.tracks=v1\n" in alone.body
    assert "Cache-Control: public" in headers(alone)


def test_segments_may_lie_elsewhere() -> None:
    index = Archive()
    text = Playlists(index, "https://cdn/").media(index.tracks["v1"], low_latency=False, skip=False)
    body = text.answer("", "public", may_compress=False).body
    assert b"\nhttps://cdn/live/%C3%A4%20x/tracks-v1/2023/11/14/" in body


def test_selections_that_clients_make_up_are_bounded() -> None:
    index = Archive()
    playlists = Playlists(index, "")
    for number in range(2 * texts.MAX_TEXTS):
        playlists.master(f"{number}.m3u8", index.selected(["v1"]), audio_only=False)
    assert len(playlists._texts) <= texts.MAX_TEXTS
    text = playlists.master("x", index.selected(["v1"]), audio_only=False)
    assert b"tracks-a1" not in text.answer("", "public", may_compress=False).body
