"""`push whip://HOST/PATH`, `whips://…`, `webrtc://HOST/NAME`: publishing by WHIP (RFC 9725).

The packets are those of WebRTC viewers, so sound is Opus or G.711. The first video and the first
sound are sent.
"""

import asyncio
import logging

from media_streamer.egress.context import Egress
from media_streamer.egress.jobs import JobFailed, Work
from media_streamer.egress.push import Push
from media_streamer.outgoing.target import HttpError
from media_streamer.protocols.webrtc.call import Call, CallError, target_of
from media_streamer.protocols.webrtc.framing import WebRtcFraming
from media_streamer.protocols.webrtc.offer import Codec, Offer
from media_streamer.protocols.webrtc.outgoing import Chosen
from media_streamer.protocols.webrtc.play import B_FRAMES, Described, described
from media_streamer.protocols.webrtc.proposal import Proposed
from media_streamer.protocols.webrtc.sender import FORMAT, MediaSender

log = logging.getLogger(__name__)

_COUNTED = frozenset({401, 403, 404, 409})
_FMTP = {
    "H264": ("packetization-mode", "profile-level-id"),
    "AV1": ("profile", "level-idx", "tier"),
    "VP9": ("profile-id",),
    "OPUS": ("sprop-stereo",),
}
"""What of a track's description an offer tells; parameter sets go with the key frames."""


class WebRtcPusher(MediaSender):
    """Tells when it may send, and when it can no more. Servers want time stamps as they are."""

    squeezes = False

    def __init__(self, chosen: list[Chosen]) -> None:
        super().__init__(chosen)
        self.connected: asyncio.Future[None] = self._loop.create_future()
        self.lost: asyncio.Future[str] = self._loop.create_future()

    def on_connected(self) -> None:
        if not self.connected.done():
            self.connected.set_result(None)

    def on_closed(self, reason: str) -> None:
        self.abort()
        if not self.lost.done():
            self.lost.set_result(reason)


async def run(egress: Egress, work: Work) -> None:
    """See `egress/jobs.py`."""
    push = Push(egress, work)
    try:
        target = target_of(push.config.url, "whip")
    except (HttpError, UnicodeError):
        text = "the URL cannot be read: write whip://[TOKEN@]HOST/PATH"
        raise JobFailed(text, hopeless=True) from None
    broadcast = await push.source(FORMAT, WebRtcFraming)
    tracks = first_of_each_kind(described(broadcast.description, ()))
    if not tracks:
        raise JobFailed("WebRTC can carry none of the stream's tracks")
    call = Call(target)
    try:
        async with push.reaching():
            pusher = await call.begin(
                [propose(track) for track in tracks],
                lambda answer: WebRtcPusher(accepted(answer, tracks)),
            )
            await asyncio.wait((pusher.connected, pusher.lost), return_when=asyncio.FIRST_COMPLETED)
        if pusher.lost.done():
            raise JobFailed(pusher.lost.result(), "errors_connection_lost")
        pusher.take_from(broadcast)
        pusher.pay_by(work.account)
        if isinstance(broadcast.framer, WebRtcFraming) and broadcast.framer.reordered:
            log.warning("stream %s: %s: %s", work.stream, work.job.title, B_FRAMES)
        await push.send(broadcast, pusher, pusher.lost)
    except CallError as error:
        counter = f"errors_{error.status}" if error.status in _COUNTED else "errors_connection_lost"
        raise JobFailed(str(error), "errors_500" if error.status >= 500 else counter) from None
    finally:
        await call.end()


def first_of_each_kind(tracks: list[Described]) -> list[Described]:
    """One video and one sound at most: what servers take."""
    kinds = {track.media.kind: track for track in reversed(tracks)}
    return [kinds[kind] for kind in ("video", "audio") if kind in kinds]


def propose(track: Described) -> Proposed:
    """A section that sends the track as it is."""
    media = track.media
    fmtp = {key: media.fmtp[key] for key in _FMTP.get(media.encoding, ()) if key in media.fmtp}
    if media.encoding == "H264":
        fmtp = {"level-asymmetry-allowed": "1", **fmtp}
    elif media.encoding == "OPUS":
        fmtp = {"minptime": "10", "useinbandfec": "1", **fmtp}
    codec = Codec(
        media.payload_type,
        media.encoding,
        media.clock_rate,
        media.channels,
        fmtp,
        ["nack", "nack pli"] if media.kind == "video" else [],
    )
    return Proposed(media.kind, [codec], track.ssrc)


def accepted(answer: Offer, tracks: list[Described]) -> list[Chosen]:
    """The tracks that the server takes; raises CallError if the picture is not among them."""
    chosen = []
    for track, section in zip(tracks, answer.sections, strict=False):
        media = track.media
        named = [one for one in section.ordered() if one.encoding == media.encoding]
        if section.port and section.direction in ("recvonly", "sendrecv") and named:
            number = named[0].payload_type
            chosen.append(Chosen(2 * track.number, track.ssrc, number, media.kind))
        elif media.kind == "video" or len(tracks) == 1:
            raise CallError(f"the server does not take {media.encoding}")
    return chosen
