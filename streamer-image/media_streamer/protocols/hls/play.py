"""HTTP answers of HLS: playlists, segments, parts, initialisation sections."""

import re
from functools import partial
from pathlib import Path
from typing import Literal

from aiohttp import web

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.files import SegmentResponse
from media_streamer.egress.http.request import MediaRequest, answer, answer_text
from media_streamer.egress.http.routes import Route
from media_streamer.egress.hub import Hub
from media_streamer.protocols.hls.playlist import QUERY, target_duration
from media_streamer.protocols.hls.sessions import HlsSession, HlsSessions
from media_streamer.protocols.hls.source import Container, HlsSource
from media_streamer.protocols.hls.state import Track

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
SEGMENT_CACHE = "public, max-age=3600, immutable"
"""A segment's name says when it was and how long; it never means another one."""
SHORT_CACHE = "public, max-age=60"
"""Nobody asks later than that for a part or an initialisation section."""
MASTER_CACHE = "public, max-age=1"
Form = Literal["ts", "fmp4", "ll"]
_MEDIA_FILE: dict[Form, str] = {"ts": "mono.m3u8", "fmp4": "index.fmp4.m3u8", "ll": "index.ll.m3u8"}
_FORM = {file: form for form, file in _MEDIA_FILE.items()}
_MASTERS: dict[str, Form] = {
    "/index.m3u8": "ts",
    "/playlist.m3u8": "ts",
    "/video.m3u8": "ts",
    "/index.fmp4.m3u8": "fmp4",
    "/index.ll.m3u8": "ll",
}
_MARKER = "/tracks-"
_TRACK = r"(?P<name>.+)/tracks-(?P<track>[a-z0-9]{1,64})/"
_SEGMENT = re.compile(
    _TRACK + r"(?P<file>\d{4}/\d\d/\d\d/\d\d/\d\d/\d\d-\d{5,9}(?:-\d{3})?)\.(?:ts|m4s)"
)
_PART = re.compile(_TRACK + r"part-(?P<number>\d{1,15})-(?P<index>\d{1,6})\.m4s")
_MEDIA = re.compile(_TRACK + r"(?P<file>mono\.m3u8|index\.(?:fmp4|ll)\.m3u8)")
_INIT = re.compile(_TRACK + r"init-(?P<file>[0-9a-f]{8})\.mp4")


def routes(egress: Egress) -> list[Route]:
    sessions = HlsSessions(egress.hub)
    egress.jobs["hls sessions"] = sessions.run
    handlers = HlsHandlers(egress.hub, sessions)
    return [
        Route(_SEGMENT, handlers.segment, marker=_MARKER, content="file"),
        Route(_PART, handlers.part, marker=_MARKER, content="file"),
        Route(_MEDIA, handlers.media, marker=_MARKER, content="list"),
        Route(_INIT, handlers.init, marker=_MARKER, content="file"),
        *(
            Route(last, partial(handlers.master, form), content="list")
            for last, form in _MASTERS.items()
        ),
    ]


class HlsHandlers:
    """One per worker."""

    def __init__(self, hub: Hub, sessions: HlsSessions) -> None:
        self._hub = hub
        self._sessions = sessions

    async def master(self, form: Form, request: MediaRequest) -> web.StreamResponse:
        """`index.m3u8` and its relatives."""
        viewer, source = await self._open(request, "ts" if form == "ts" else "fmp4")
        await source.wait_ready(parts_suffice=form == "ll")
        if form == "ts" and (better := await self._fmp4_instead(viewer, source)):
            source, form = better, "fmp4"
        only = _wanted_tracks(request.query.get("filter.tracks"), source)
        audio_only = viewer.access.config.add_audio_only
        body = source.master(_MEDIA_FILE[form], only, audio_only)
        return _playlist(request, viewer, body, MASTER_CACHE)

    async def media(self, request: MediaRequest) -> web.StreamResponse:
        """A media playlist, blocking if the client says what it waits for."""
        form = _FORM[request.values["file"]]
        viewer, source = await self._open(request, "ts" if form == "ts" else "fmp4")
        # A first playlist without a whole segment counts as empty for players: FFmpeg gives up,
        # hls.js reports an error and asks again.
        is_update = form == "ll" and "_HLS_msn" in request.query
        await source.wait_ready(parts_suffice=is_update)
        track = _track(source, request.values["track"])
        low_latency = form == "ll"
        cache = f"public, max-age={max(1, target_duration(track, source.timing) // 2)}"
        if low_latency:
            msn, part = _directives(request.query)
            cache = MASTER_CACHE
            if msn is not None:
                await source.wait_for(track, msn, part)
                # What a request was blocked for never changes (rfc8216bis, 6.2.5.2).
                cache = f"public, max-age={6 * target_duration(track, source.timing)}"
        skip = request.query.get("_HLS_skip") in ("YES", "v2")
        body = source.media(track, low_latency=low_latency, skip=skip)
        return _playlist(request, viewer, body, cache)

    async def segment(self, request: MediaRequest) -> web.StreamResponse:
        """A whole segment, sent by the kernel."""
        is_ts = request.http.path.endswith(".ts")
        viewer, source = await self._open(request, "ts" if is_ts else "fmp4")
        await source.wait_ready(parts_suffice=True)
        track = _track(source, request.values["track"])
        segment = await source.wait_segment(track.name, request.values["file"])
        content_type = "video/mp2t" if is_ts else _mp4_type(track)
        path = Path(segment.path)
        return SegmentResponse(path, segment.size, content_type, SEGMENT_CACHE, viewer.count)

    async def init(self, request: MediaRequest) -> web.StreamResponse:
        """An initialisation section of fragmented MP4."""
        viewer, source = await self._open(request, "fmp4")
        await source.wait_ready(parts_suffice=True)
        track = _track(source, request.values["track"])
        init = track.find_init(request.values["file"])
        if init is None:
            raise AccessDenied(404, "not_found", "There is no such initialisation section")
        body = source.read_init(init)
        viewer.count(len(body))
        return answer(body, _mp4_type(track), cache=SHORT_CACHE)

    async def part(self, request: MediaRequest) -> web.StreamResponse:
        """A partial segment; the one that is hinted at is waited for."""
        viewer, source = await self._open(request, "fmp4")
        await source.wait_ready(parts_suffice=True)
        track = _track(source, request.values["track"])
        body = await source.wait_part(
            track, int(request.values["number"]), int(request.values["index"])
        )
        viewer.count(len(body))
        return answer(body, _mp4_type(track), cache=SHORT_CACHE)

    async def _fmp4_instead(self, viewer: HlsSession, source: HlsSource) -> HlsSource | None:
        """The source to play from if MPEG-TS does not do for the codecs of the stream."""
        if source.kinds == {"v", "a"} and not source.needs_fmp4:
            return None
        better = await self._hub.hls(viewer.access, "fmp4")
        await better.wait_ready(parts_suffice=False)
        return better if source.needs_fmp4 or better.kinds > source.kinds else None

    async def _open(
        self, request: MediaRequest, container: Container
    ) -> tuple[HlsSession, HlsSource]:
        proto = "hls" if container == "ts" else "llhls"
        viewer = await self._sessions.find(request.access_request(proto))
        return viewer, await self._hub.hls(viewer.access, container)


def _track(source: HlsSource, name: str) -> Track:
    track = source.find_track(name)
    if track is None:
        raise AccessDenied(404, "not_found", f"The stream has no track {name}")
    return track


def _wanted_tracks(wanted: str | None, source: HlsSource) -> frozenset[str] | None:
    """`filter.tracks=v1a2` as track names; None for all, or if none of them exists."""
    if not wanted or source.container == "ts":
        return None
    return frozenset(name for name in source.tracks if name in wanted) or None


def _directives(query: dict[str, str]) -> tuple[int | None, int | None]:
    """Delivery directives `_HLS_msn` and `_HLS_part`; raises AccessDenied(400)."""
    try:
        msn = int(query["_HLS_msn"]) if "_HLS_msn" in query else None
        part = int(query["_HLS_part"]) if "_HLS_part" in query else None
    except ValueError:
        raise AccessDenied(400, "bad_request", "_HLS_msn and _HLS_part are numbers") from None
    if (part is not None and msn is None) or (msn or 0) < 0 or (part or 0) < 0:
        raise AccessDenied(400, "bad_request", "_HLS_part needs _HLS_msn; both are not negative")
    return msn, part


def _playlist(
    request: MediaRequest, viewer: HlsSession, body: bytes, cache: str
) -> web.StreamResponse:
    query = request.session_query(viewer.access.token)
    body = body.replace(QUERY.encode(), query.encode())
    viewer.count(len(body))
    # What carries a viewer's token is the viewer's alone.
    cache = cache.replace("public", "private") if query else cache
    return answer_text(request.http, body, PLAYLIST_TYPE, cache=cache)


def _mp4_type(track: Track) -> str:
    return "audio/mp4" if track.name.startswith("a") else "video/mp4"
