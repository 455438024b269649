"""`POST /NAME/whep`: a stream to a browser by WebRTC (draft-ietf-wish-whep)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.http.routes import Route
from media_streamer.presentation.selection import asked_tracks, check
from media_streamer.protocols.webrtc import answer, http, offer
from media_streamer.protocols.webrtc.engine import WebRtcEngine, engine_of
from media_streamer.protocols.webrtc.framing import WebRtcFraming
from media_streamer.protocols.webrtc.offer import Offer, Section
from media_streamer.protocols.webrtc.outgoing import Chosen
from media_streamer.protocols.webrtc.sender import FORMAT
from media_streamer.protocols.webrtc.viewer import WebRtcViewer
from media_streamer.rtp import sdp

log = logging.getLogger(__name__)

FORM = "whep"
WARNING = "X-Stream-Warning"
B_FRAMES = "the video has B-frames, which browsers do not show smoothly by WebRTC: encode without"


def routes(egress: Egress) -> list[Route]:
    engine = engine_of(egress)

    async def begin(request: MediaRequest) -> web.StreamResponse:
        return await play(engine, request)

    return http.routes_of(egress, FORM, begin)


async def play(engine: WebRtcEngine, request: MediaRequest) -> web.StreamResponse:
    """Answer an offer; raises AccessDenied and OfferError."""
    wanted = offer.parse(await http.read_text(request, http.SDP))
    engine.admit(request.ip)
    hub = engine.egress.hub
    access = await hub.access(http.access_request(request, "play"))
    request.note(access)
    # A broadcast gives the access up by itself if it raises.
    broadcast = await hub.broadcast(access, FORMAT, WebRtcFraming)
    try:
        tracks = described(broadcast.description, asked_tracks(request.query, "tracks"))
        start = request.query.get("start_track") or access.config.start_track
        chosen = choose(started_by(tracks, start), wanted)
        streams = {one.section: one.stream for one in chosen}
        taken = [one.track for one in chosen]
        names = {2 * track.number: track.name for track in tracks}
        response = http.begin_session(
            engine,
            request,
            http.Agreed(FORM, access, wanted, streams),
            lambda on_closed: WebRtcViewer(
                engine.egress, access, taken, names, on_closed, shows=not wanted.unchanged
            ),
        )
    except BaseException:
        hub.give_up(access, "refused")
        raise
    if isinstance(broadcast.framer, WebRtcFraming) and broadcast.framer.reordered:
        response.headers[WARNING] = B_FRAMES
        log.warning("webrtc %s stream %s: %s", request.ip, access.stream, B_FRAMES)
    return response


@dataclass(frozen=True, slots=True)
class Described:
    """A track of the format; `number` is its place there."""

    number: int
    name: str
    ssrc: int
    media: sdp.Media


def described(description: bytes, wanted: Sequence[str]) -> list[Described]:
    """Tracks of the format's header that are named, all if none is; raises AccessDenied(404)."""
    try:
        media = sdp.parse(description.decode()).media
    except sdp.SdpError:
        return []
    tracks = [
        Described(number, one.attributes["x-track"], int(one.attributes["x-ssrc"]), one)
        for number, one in enumerate(media)
    ]
    check(wanted, [track.name for track in tracks])
    return [track for track in tracks if not wanted or track.name in wanted]


def started_by(tracks: list[Described], start: str) -> list[Described]:
    """The video of that name first, else the next lower, else the next higher one that there is;
    a text that names no video changes nothing."""
    wanted = _video_number(start)
    numbers = {_video_number(one.name): one for one in tracks if one.media.kind == "video"}
    if not wanted or not numbers:
        return tracks
    lower = [number for number in numbers if number <= wanted]
    first = numbers[max(lower) if lower else min(numbers)]
    return [first, *(one for one in tracks if one is not first)]


def _video_number(name: str) -> int:
    """0: it is no name of a video."""
    number = name[1:]
    return int(number) if name[:1] == "v" and number.isdecimal() and len(number) < 4 else 0


@dataclass(frozen=True, slots=True)
class Choice:
    """A track and the section that takes it."""

    section: int
    stream: answer.Stream
    track: Chosen


def choose(tracks: list[Described], wanted: Offer) -> list[Choice]:
    """For each section the first track of its kind that the peer has a codec for.

    Raises AccessDenied(406) if nothing is left, or if the peer wants video and cannot have it: a
    player that shows a black picture does not tell why.
    """
    if not tracks:
        title = "The stream has no track that WebRTC can carry (H.264, HEVC, AV1, VP9,"
        title += " VP8, Opus, G.711)"
        raise AccessDenied(406, "no_codec", title)
    chosen: list[Choice] = []
    done: set[str] = set()
    for index, section in enumerate(wanted.sections):
        usable = section.is_media and section.rtcp_mux and wanted.is_bundled(section)
        if not usable or section.kind in done or section.direction in ("sendonly", "inactive"):
            continue
        found = _first(index, section, tracks)
        if found is not None:
            done.add(section.kind)
            chosen.append(found)
    asked = {one.kind for one in wanted.sections if one.is_media}
    have = {track.media.kind for track in tracks}
    if not chosen or ("video" in asked & have and "video" not in done):
        codecs = ", ".join(sorted({track.media.encoding for track in tracks}))
        title = f"The offer has no receiving section with a codec of the stream: {codecs}"
        raise AccessDenied(406, "codec_not_offered", title)
    return chosen


def _first(index: int, section: Section, tracks: list[Described]) -> Choice | None:
    for track in tracks:
        media = track.media
        if media.kind != section.kind or (codec := answer.match(media, section)) is None:
            continue
        stream = answer.sending(media, codec, section, track.ssrc)
        taken = Chosen(
            2 * track.number,
            track.ssrc,
            codec.payload_type,
            media.kind,
            _renditions(track, tracks) if media.kind == "video" else (),
            next(iter(stream.extensions), 0),
        )
        return Choice(index, stream, taken)
    return None


def _renditions(track: Described, tracks: list[Described]) -> tuple[int, ...]:
    """Channels of the other videos that who decodes this one decodes as well."""
    media = track.media
    return tuple(
        2 * one.number
        for one in tracks
        if one is not track and one.media.kind == "video" and one.media.encoding == media.encoding
    )
