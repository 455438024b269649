"""`whep://HOST/PATH`, `wheps://…`, `webrtc://HOST/NAME`: a stream of another server by WHEP.

All of it happens in the event loop of the media worker: packets give frames, no demuxer is needed.
A token of the server stands before the host (`whep://TOKEN@HOST/PATH`).
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Literal

from media_streamer.media.inputs.base import Input, InputError, InputRequest
from media_streamer.media.inputs.frames import FrameInput, Taker
from media_streamer.media.inputs.http import http_headers
from media_streamer.outgoing.target import HttpError
from media_streamer.protocols.webrtc.call import Call, CallError, target_of
from media_streamer.protocols.webrtc.offer import Codec, Offer, Section
from media_streamer.protocols.webrtc.proposal import Proposed
from media_streamer.protocols.webrtc.receiver import Incoming, MediaReceiver, accepted
from media_streamer.rtp.intake import Sink

log = logging.getLogger(__name__)

_REPAIRED = ["nack", "nack pli", "goog-remb"]
_H264 = {"level-asymmetry-allowed": "1", "packetization-mode": "1"}
WANTED = (
    Proposed(
        "video",
        [
            Codec(96, "H264", 90_000, 1, {**_H264, "profile-level-id": "42e01f"}, _REPAIRED),
            Codec(97, "H264", 90_000, 1, {**_H264, "profile-level-id": "640032"}, _REPAIRED),
            Codec(98, "H264", 90_000, 1, {**_H264, "profile-level-id": "4d0032"}, _REPAIRED),
            Codec(99, "H265", 90_000, 1, {}, _REPAIRED),
            Codec(100, "AV1", 90_000, 1, {}, _REPAIRED),
            Codec(101, "VP9", 90_000, 1, {"profile-id": "0"}, _REPAIRED),
            Codec(102, "VP8", 90_000, 1, {}, _REPAIRED),
        ],
    ),
    Proposed(
        "audio",
        [
            Codec(111, "OPUS", 48_000, 2, {"minptime": "10", "stereo": "1", "sprop-stereo": "1"}),
            Codec(0, "PCMU", 8000),
            Codec(8, "PCMA", 8000),
        ],
    ),
)
"""What is taken of a server."""


def create(request: InputRequest) -> Input:
    return WhepInput(request)


class WebRtcSource(MediaReceiver):
    """What the server sends; tracks are told once they are heard, since an answer may name more
    codecs than come."""

    def __init__(self, sink: Sink, tracks: Sequence[Incoming], kinds: int) -> None:
        super().__init__(sink, tracks)
        loop = asyncio.get_running_loop()
        self.connected: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[str] = loop.create_future()
        self._kinds = kinds
        self._heard = 0

    def on_connected(self) -> None:
        if not self.connected.done():
            self.connected.set_result(None)
        super().on_connected()
        self.wish()

    def on_rtp(self, packet: bytes) -> None:
        super().on_rtp(packet)
        heard = sum(lane.track.received.packets > 0 for lane in self._lanes.values())
        if heard != self._heard:
            self._heard = heard
            self._tell_tracks()

    def on_closed(self, reason: str) -> None:
        self.end()
        if not self.closed.done():
            self.closed.set_result(reason)

    def _tell_tracks(self) -> None:
        tracks = [lane.track for lane in self._lanes.values() if lane.track.received.packets]
        for track in tracks:
            track.changed = False
        if tracks:
            self._sink.tracks([track.setup for track in tracks], len(tracks) >= self._kinds)


class WhepInput(FrameInput):
    """One attempt."""

    def __init__(self, request: InputRequest) -> None:
        super().__init__(request.stream, request.receiver, request.limits, on_taken=request.arrived)
        self._config = request.config
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name=f"whep {self.name}")

    async def _run(self) -> None:
        error = "the server ended the session"
        try:
            target = target_of(self._config.url, "whep")
            call = Call(target, http_headers(self._config))
        except (HttpError, InputError, UnicodeError) as problem:
            self._end(str(problem))
            return
        try:
            async with asyncio.timeout(self.limits.open_seconds):
                source = await call.begin(WANTED, self._received)
                waited = (source.connected, source.closed)
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if not source.closed.done():
                super().start()
            error = await source.closed
        except TimeoutError:
            error = f"no answer within {self.limits.open_seconds:g} s"
        except CallError as problem:
            self.count_status(problem.status)
            error = str(problem)
        except Exception as problem:
            log.exception("%s: whep failed", self.name)
            error = f"internal error: {type(problem).__name__}"
        finally:
            await call.end()
        self._end(error)

    def _received(self, answer: Offer) -> WebRtcSource:
        """Raises CallError if the answer has nothing of use."""
        tracks: list[Incoming] = []
        kinds: set[str] = set()
        for section in answer.sections:
            if section.is_media and section.port and section.direction in ("sendonly", "sendrecv"):
                found = [one for codec in section.ordered() if (one := _incoming(section, codec))]
                kinds.update(one.kind for one in found)
                tracks += found
        if not tracks:
            raise CallError("the server sends no track with a codec that is known here")
        source = WebRtcSource(Taker(self), tracks, len(kinds))
        source.silence_seconds = self.limits.read_seconds
        self.on_key_frame = source.wish
        return source

    def _end(self, error: str | None) -> None:
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        super()._end(error)


def _incoming(section: Section, codec: Codec) -> Incoming | None:
    incoming = accepted(section, codec)
    if incoming is None:
        return None
    repairs = "nack" in {*codec.feedback, *section.feedback}
    kind: Literal["video", "audio"] = "video" if section.kind == "video" else "audio"
    return Incoming(kind, codec.payload_type, incoming, repairs)
