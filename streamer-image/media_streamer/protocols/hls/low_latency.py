"""Low-latency HLS by the bytes of a request: playlists that wait for a part, and parts.

Hundreds of viewers ask for the same at the same moments, several times a second, and wait for the
rest of the time. Through parser, task, session and response each of these requests costs four times
what its bytes do (`egress/http/quick_segments`).

Invariant: what is answered here a handler would answer with the same bytes; whatever is not as it
usually is (a request far ahead, a part that is gone, a stream that ended) is left to it.
"""

import re
import time
from collections.abc import Callable
from functools import partial

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.http.connection import Begin, Later
from media_streamer.egress.http.prepared import Message
from media_streamer.egress.http.quick_segments import END, Directives, Folder, Wanted
from media_streamer.egress.http.segments import SHORT_CACHE, mp4_type
from media_streamer.egress.http.text import Text
from media_streamer.egress.segmented_sessions import SegmentedSession, SegmentedSessions
from media_streamer.presentation.index import SegmentIndex, has_reached, is_announced, is_near
from media_streamer.presentation.track_index import Part, TrackIndex
from media_streamer.protocols.hls.rendered import Playlists

PLAYLIST = "index.ll.m3u8"
WAIT_SECONDS = 1.0
"""What has not come after so long is not on its way as usual: a handler waits from then on."""
MAX_PARTS = 16
"""Answers that are kept of a track: those of the last seconds."""
MAX_READY = 64
"""Whole answers that are kept of a track until it changes, or the second is over."""
_PART = re.compile(r"part-(\d{1,15})\.m4s")


def low_latency_folder(
    viewers: SegmentedSessions,
    viewer: SegmentedSession,
    index: SegmentIndex,
    name: str,
    playlists: Playlists,
    query_of: Callable[[str], str],
) -> Folder:
    """The files of a live track, `name` as paths have it. `query_of`: the query string of URIs that
    has a token."""
    files = _Files(index, name, playlists, query_of)
    return Folder(viewers, viewer.key[1], viewer.access.config, files.answer)


def update_of(
    playlists: Playlists, track: TrackIndex, *, skip: bool, target: int
) -> tuple[Text, str]:
    """A playlist that somebody was blocked for, and its Cache-Control: what a request was blocked
    for never changes (rfc8216bis, 6.2.5.2)."""
    text = playlists.media(track, low_latency=True, skip=skip)
    return text, f"public, max-age={6 * target}"


_Question = tuple[str, Directives | None, bool, str]
"""What follows the folder, the directives, whether it may be compressed, the token."""


class _Files:
    def __init__(
        self,
        index: SegmentIndex,
        name: str,
        playlists: Playlists,
        query_of: Callable[[str], str],
    ) -> None:
        self._index = index
        self._name = name
        self._playlists = playlists
        self._query_of = query_of
        self._parts: dict[tuple[str, int], Message] = {}
        self._moment = -1, -1
        """Of the whole answers: version of the index, and the second, which is their date."""
        self._ready: dict[_Question, tuple[bytes, int]] = {}
        """With the length of the body."""
        self._to_come: dict[_Question, Begin] = {}

    def answer(self, wanted: Wanted) -> bytes | Later | None:
        """See `Folder.answer`. Who asks for what another one has just got gets the same bytes:
        nothing is looked at but whether the index is still as it was."""
        index, viewer = self._index, wanted.viewer
        moment = index.version, int(time.time())
        if moment != self._moment:
            self._moment = moment
            self._ready.clear()
            self._to_come.clear()
        key = wanted.rest, wanted.directives, wanted.may_compress, viewer.access.token
        begin = self._to_come.get(key)
        ready = self._ready.get(key) if begin is None else None
        if ready is None:
            found = self._find(wanted) if begin is None else Later(begin)
            if found is None:
                return None
            if isinstance(found, Later):
                if begin is None and len(self._to_come) < MAX_READY:
                    self._to_come[key] = found.begin
                self._use()
                return found
            ready = found.whole(END), len(found.body)
            if len(self._ready) < MAX_READY:
                self._ready[key] = ready
        self._use()
        viewer.count(ready[1])
        return ready[0]

    def _find(self, wanted: Wanted) -> Message | Later | None:
        index = self._index
        if index.ended or not index.is_ready(parts_suffice=True):
            return None
        track = index.find_track(self._name)
        if track is None:
            return None
        if wanted.rest == PLAYLIST:
            return self._playlist(track, wanted)
        match = _PART.fullmatch(wanted.rest)
        return self._part(track, int(match[1])) if match else None

    def _playlist(self, track: TrackIndex, wanted: Wanted) -> Message | Later | None:
        ahead = wanted.directives
        if ahead is None or not is_near(track, ahead.msn):
            return None
        if not has_reached(track, ahead.msn, ahead.part):
            return self._later(track, ahead)
        target = track.target_seconds(self._index.timing)
        text, cache = update_of(self._playlists, track, skip=ahead.skip, target=target)
        query = self._query_of(wanted.viewer.access.token)
        return text.answer(query, cache, may_compress=wanted.may_compress)

    def _later(self, track: TrackIndex, ahead: Directives) -> Later:
        call = self._index.call_when
        return Later(partial(call, track, ahead.msn, ahead.part, WAIT_SECONDS))

    def _part(self, track: TrackIndex, seq: int) -> Message | Later | None:
        part = track.find_part(seq)
        if part is None:
            if not is_announced(track, seq):
                return None
            return Later(partial(self._index.call_when_part, track, seq, WAIT_SECONDS))
        try:
            return self._message(track, part)
        except AccessDenied:
            return None  # it is gone: the handler says so

    def _message(self, track: TrackIndex, part: Part) -> Message:
        key = part.path, part.offset
        found = self._parts.get(key)
        if found is None:
            body = self._index.read_part(part)
            found = self._parts[key] = part_message(body, track)
            if len(self._parts) > MAX_PARTS:
                del self._parts[next(iter(self._parts))]
        return found

    def _use(self) -> None:
        self._index.touch()
        self._index.expect_parts()


def part_message(body: bytes, track: TrackIndex) -> Message:
    """The answer with a part."""
    return Message(body, mp4_type(track), SHORT_CACHE)
