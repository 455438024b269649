"""`POST /NAME/whip`: a publisher by WebRTC (RFC 9725), a browser or OBS."""

import logging
from dataclasses import dataclass, replace
from typing import Literal

from aiohttp import web

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.request import MediaRequest
from media_streamer.egress.http.routes import Route
from media_streamer.protocols.webrtc import answer, http, offer
from media_streamer.protocols.webrtc.engine import WebRtcEngine, engine_of
from media_streamer.protocols.webrtc.offer import Codec, Offer, Section
from media_streamer.protocols.webrtc.publisher import WebRtcPublisher
from media_streamer.protocols.webrtc.receiver import Incoming, accepted
from media_streamer.rtp import arrivals
from media_streamer.wire.control import PublisherTerms

log = logging.getLogger(__name__)

FORM = "whip"
TAKEN = {"video": ("H264", "H265", "AV1", "VP9", "VP8"), "audio": ("OPUS", "PCMA", "PCMU")}
"""The best first: what every viewer's device plays."""
REMB = "goog-remb"
FEEDBACK = (REMB, "nack", "nack pli")
"""What we send; `transport-cc` in place of `goog-remb` to who numbers its packets for it."""
TRANSPORT_CC = "transport-cc"


def routes(egress: Egress) -> list[Route]:
    engine = engine_of(egress)

    async def begin(request: MediaRequest) -> web.StreamResponse:
        return await publish(engine, request)

    return http.routes_of(egress, FORM, begin)


async def publish(engine: WebRtcEngine, request: MediaRequest) -> web.StreamResponse:
    """Answer an offer; raises AccessDenied and OfferError."""
    wanted = offer.parse(await http.read_text(request, http.SDP))
    engine.admit(request.ip)
    chosen = choose(wanted)  # who has nothing for us is not asked about
    hub = engine.egress.hub
    access = await hub.access(http.access_request(request, "publish"))
    request.note(access)
    terms = access.config.publisher
    chosen = agreed(wanted, terms)
    # The feed gives the access up by itself if it is refused.
    feed = await hub.publish(access, "frames")
    try:
        streams = {one.section: one.stream for one in chosen}
        taken, extension = [one.incoming for one in chosen], transport_extension(chosen)
        return http.begin_session(
            engine,
            request,
            http.Agreed(FORM, access, wanted, streams, terms.transport),
            lambda on_closed: WebRtcPublisher(feed, taken, on_closed, extension, terms),
        )
    except BaseException:
        await feed.close()
        raise


@dataclass(frozen=True, slots=True)
class Choice:
    """A section that is received."""

    section: int
    stream: answer.Stream
    incoming: Incoming


def agreed(wanted: Offer, terms: PublisherTerms) -> list[Choice]:
    """What is received of an offer on the terms of the stream; raises AccessDenied(406)."""
    chosen = choose(wanted, terms.codec)
    if not terms.adapts:
        return [unadapted(one) for one in chosen]
    if terms.rate is not None:
        chosen = [told(one) for one in chosen]
    return [bounded(one, terms) if one.incoming.kind == "video" else one for one in chosen]


def choose(wanted: Offer, first: str = "") -> list[Choice]:
    """The first section of each kind that has a codec of ours; raises AccessDenied(406) where
    there is none, or the picture would be missing. `first`: the codec that is taken before all
    others, such as `av1`."""
    chosen: list[Choice] = []
    done: set[str] = set()
    for index, section in enumerate(wanted.sections):
        usable = section.is_media and section.rtcp_mux and wanted.is_bundled(section)
        if not usable or section.kind in done or section.direction in ("recvonly", "inactive"):
            continue
        found = _choice(index, section, first.upper())
        if found is not None:
            done.add(section.kind)
            chosen.append(found)
    offered = {one.kind for one in wanted.sections if one.is_media and one.direction != "recvonly"}
    if not chosen or "video" in offered - done:
        names = ", ".join((*TAKEN["video"], "Opus, G.711"))
        title = f"The offer sends nothing with a codec that is taken: {names}"
        raise AccessDenied(406, "codec_not_offered", title)
    return chosen


def unadapted(choice: Choice) -> Choice:
    """Without what a sender finds the bit rate by that its path carries (`webrtc_abr false`)."""
    feedback = [one for one in choice.stream.feedback if one not in (TRANSPORT_CC, REMB)]
    return replace(choice, stream=replace(choice.stream, feedback=feedback, extensions={}))


def told(choice: Choice) -> Choice:
    """With the bit rate that is told it in place of when its packets arrived (`abr_…`)."""
    feedback = [one for one in choice.stream.feedback if one not in (TRANSPORT_CC, REMB)]
    return replace(choice, stream=replace(choice.stream, feedback=[REMB, *feedback], extensions={}))


def bounded(choice: Choice, terms: PublisherTerms) -> Choice:
    """With the bounds of its bit rate, in words that browsers of Chromium's family understand."""
    bounds = {"x-google-min-bitrate": terms.least_bit_rate,
              "x-google-max-bitrate": terms.most_bit_rate}  # fmt: skip
    said = {name: str(value // 1000) for name, value in bounds.items() if value}
    stream = choice.stream
    return replace(choice, stream=replace(stream, fmtp={**stream.fmtp, **said}))


def transport_extension(chosen: list[Choice]) -> int:
    """Where packets carry their number on the transport, the same in all of a bundle (RFC 8843
    9.1); 0 where they do not."""
    return next((number for one in chosen for number in one.stream.extensions), 0)


def _choice(index: int, section: Section, first: str) -> Choice | None:
    for encoding in sorted(TAKEN[section.kind], key=lambda one: one != first):
        for codec in sorted(section.ordered(), key=_is_fragmented, reverse=True):
            if codec.encoding == encoding and (found := _receive(index, section, codec)):
                return found
    return None


def _is_fragmented(codec: Codec) -> bool:
    """H.264 in packets that fit the path; without, one that is too large for it is cut by IP."""
    return codec.fmtp.get(answer.MODE) == "1"


def _receive(index: int, section: Section, codec: Codec) -> Choice | None:
    incoming = accepted(section, codec)
    if incoming is None:
        return None
    taken = {*codec.feedback, *section.feedback}
    feedback = [one for one in FEEDBACK if one in taken]
    extensions = {number: uri for number, uri in section.extensions.items() if uri == arrivals.URI}
    if TRANSPORT_CC in taken and extensions:
        feedback = [TRANSPORT_CC, *(one for one in feedback if one != REMB)]
    else:
        extensions = {}
    stream = answer.Stream(
        codec, "recvonly", receiving_parameters(codec), feedback, extensions=extensions
    )
    kind: Literal["video", "audio"] = "video" if section.kind == "video" else "audio"
    return Choice(index, stream, Incoming(kind, codec.payload_type, incoming, "nack" in feedback))


def receiving_parameters(codec: Codec) -> dict[str, str]:
    """What we say of a codec that we are sent."""
    if codec.encoding == "OPUS":
        return {"minptime": "10", "useinbandfec": "1", "stereo": "1", "maxaveragebitrate": "128000"}
    names = ("level-asymmetry-allowed", answer.MODE, "profile-level-id", "profile",
             "profile-id", "tier", "tier-flag", "level-idx", "level-id", "tx-mode")  # fmt: skip
    return {name: codec.fmtp[name] for name in names if name in codec.fmtp}
