"""What no encoder sends costs a worker a few milliseconds of its loop a message, and little memory.

The bytes are those of `tests/support/garbage.py`; transport streams are in `test_cut_input.py`.
"""

import asyncio
import re
import time
from pathlib import Path

import pytest
from media_streamer.media.canonical import CODECS, Canonicalizer
from media_streamer.protocols.flv.reader import FlvReader
from media_streamer.protocols.rtmp.chunks import AGGREGATE, Message
from media_streamer.protocols.rtmp.publish import _split_aggregate
from media_streamer.protocols.rtsp.publish import announced
from media_streamer.protocols.rtsp.status import Refused
from media_streamer.protocols.webrtc.offer import OfferError
from media_streamer.protocols.webrtc.offer import parse as parse_offer
from media_streamer.rtp.intake import Intake
from media_streamer.wire.media import PublishedFrame, Reception, TrackSetup

from tests.support import garbage
from tests.support.webrtc_offers import browser

RTMP = garbage.rtmp_cases()
RTSP = garbage.rtsp_cases()
OFFERS = garbage.offers(browser("sendonly"))
CPU_SECONDS = 0.1
"""Of one message, in the loop: CPU time, which other programs do not lengthen."""
GROWTH_MIB = 50
REFUSED = {"sprop-1mb", "tracks-300", "config"}
NO_OFFER = {"m-lines-500"}


class Sink:
    """Takes what a publisher's reader finds."""

    is_behind = False

    def __init__(self) -> None:
        self.setups: dict[int, TrackSetup] = {}
        self.taken: list[PublishedFrame] = []

    def tracks(self, tracks: list[TrackSetup], complete: bool, /) -> None:
        self.setups |= {track.number: track for track in tracks}

    def frames(self, frames: list[PublishedFrame], /) -> None:
        self.taken += frames

    def reception(self, figures: Reception, /) -> None: ...


class Cost:
    """CPU time of the dearest step, and the growth of this process at most."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")
        self._before = _memory("VmRSS")
        self.worst = 0.0
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.process_time()

    def __exit__(self, *_: object) -> None:
        self.worst = max(self.worst, time.process_time() - self._began)

    def check(self) -> None:
        assert self.worst < CPU_SECONDS
        assert _memory("VmHWM") - self._before < GROWTH_MIB


def _memory(key: str) -> float:
    found = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


@pytest.mark.parametrize("word", RTMP)
def test_messages_of_rtmp(word: str) -> None:
    messages, sink = list(RTMP[word]), Sink()
    reader, cost = FlvReader(sink), Cost()
    for kind, stamp, body in messages:
        with cost:
            if kind == AGGREGATE:
                tags = _split_aggregate(Message(kind, stamp, 1, body))
            else:
                tags = [(kind, stamp, body)]
            for tag in tags:
                reader.take(*tag)
            reader.flush()
    known = [one for one in sink.setups.values() if one.codec in CODECS]
    lanes = {one.number: Canonicalizer(one.codec, one.configuration) for one in known}
    for frame in sink.taken:
        if frame.track in lanes:
            with cost:
                lanes[frame.track].convert(frame.data)
    cost.check()


@pytest.mark.parametrize("word", RTSP)
def test_descriptions_and_packets_of_rtsp(word: str) -> None:
    text, packets = RTSP[word]
    cost = Cost()

    async def publish() -> None:
        intake = Intake(Sink())
        with cost:
            one = announced(text.encode(), "live/x")[0]
        track = intake.add(one.number, one.kind, one.incoming, reorder=False)
        for packet in packets:
            with cost:
                intake.hand_on(intake.take(track, packet[4:]))

    if word in REFUSED:
        with pytest.raises(Refused):
            asyncio.run(publish())
    else:
        asyncio.run(publish())
    cost.check()


@pytest.mark.parametrize("word", OFFERS)
def test_offers_of_webrtc(word: str) -> None:
    cost = Cost()
    if word in NO_OFFER:
        with pytest.raises(OfferError), cost:
            parse_offer(OFFERS[word])
    else:
        with cost:
            parse_offer(OFFERS[word])
    cost.check()
