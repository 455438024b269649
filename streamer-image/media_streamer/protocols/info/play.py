"""`media_info.json` and `info.json`: what a viewer may know of a stream before playing it."""

import json
from typing import Any

from aiohttp import web

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.request import MediaRequest, answer
from media_streamer.egress.http.routes import Route
from media_streamer.presentation.index import SegmentIndex
from media_streamer.presentation.track_index import Init, TrackIndex
from media_streamer.protocols.info.recording import recording_status

_CODECS = {
    "avc1": "h264",
    "avc3": "h264",
    "hvc1": "hevc",
    "hev1": "hevc",
    "av01": "av1",
    "vp08": "vp8",
    "vp09": "vp9",
    "mp4v": "mp2v",
    "mp4a.40": "aac",
    "mp4a.6B": "mp3",
    "mp4a.69": "mp3",
    "mp4a.6b": "mp3",
    "mp4a.40.34": "mp3",
    "ac-3": "ac3",
    "ec-3": "eac3",
    "opus": "opus",
    "Opus": "opus",
}


def codec_name(codecs: str) -> str:
    """The API's codec name of an RFC 6381 string; empty if it is not known."""
    for prefix in sorted(_CODECS, key=len, reverse=True):
        if codecs.startswith(prefix):
            return _CODECS[prefix]
    return ""


def track_info(track: TrackIndex) -> dict[str, Any]:
    """A track as `track_info` of the API; rates in kbit/s."""
    init = track.init or Init(0)
    info: dict[str, Any] = {"track_id": track.name}
    if track.name.startswith("v"):
        info |= {"content": "video", "width": init.width, "height": init.height, "fps": init.fps}
    elif init.kind == "subtitles":
        return {"track_id": track.name, "content": "text", "codec": "wvtt"} | (
            {"language": init.language} if init.language else {}
        )
    else:
        info |= {
            "content": "audio",
            "channels": init.channels,
            "sample_rate": init.sample_rate,
            "language": init.language,
        }
    info |= {"codec": codec_name(init.codecs), "bitrate": round(track.bandwidth / 1000)}
    return {key: value for key, value in info.items() if value}


def routes(egress: Egress) -> list[Route]:
    async def media_info(request: MediaRequest) -> web.StreamResponse:
        return await info(egress, request, whole=False)

    async def stream_info(request: MediaRequest) -> web.StreamResponse:
        return await info(egress, request, whole=True)

    async def recorded(request: MediaRequest) -> web.StreamResponse:
        return await recording_status(egress, request)

    return [
        Route("/media_info.json", media_info),
        Route("/info.json", stream_info),
        Route("/recording_status.json", recorded),
    ]


async def info(egress: Egress, request: MediaRequest, *, whole: bool) -> web.StreamResponse:
    """The JSON document; `whole`: with the stream around the media. Who asks is no viewer.

    Raises AccessDenied like playing does.
    """
    hub = egress.hub
    access = await hub.access(request.access_request("api"))
    request.note(access)
    index: SegmentIndex
    if access.config.file:
        index = await egress.films.index(access, "fmp4")
    else:
        index = hub.live_index(access, "fmp4")
    media_info: dict[str, Any] | None = None
    try:
        await index.wait_ready(parts_suffice=True)
        tracks = [track_info(track) for _, track in sorted(index.tracks.items(), reverse=True)]
        media_info = {"flow_type": "stream" if index.grows else "file", "tracks": tracks}
        if not index.grows:
            media_info["duration"] = round(1000 * index.seconds)
    except AccessDenied as denied:
        if denied.status != 503 or not whole:
            raise
    document = media_info
    if whole:
        config = access.config
        document = {
            "name": access.stream,
            "title": config.title,
            "provider": config.provider,
            "auth_token": request.token_parameter,
            "stats": {
                "status": "running" if media_info else "waiting",
                "alive": media_info is not None,
                "media_info": media_info,
            },
        }
    body = json.dumps(document, ensure_ascii=False).encode() + b"\n"
    return answer(body, "application/json", cache="no-cache")
