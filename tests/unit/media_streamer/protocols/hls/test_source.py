"""What a worker does for requests that know more than it does yet."""

import asyncio
from pathlib import Path

import pytest
from media_streamer.egress.access import Access, AccessDenied
from media_streamer.protocols.hls import source as module
from media_streamer.protocols.hls.source import HlsSource
from media_streamer.wire.control import AccessRequest
from media_streamer.wire.media import Events, InitSection, SegmentReady


class Link:
    """A media worker that is asked and says what the test says."""

    def subscribe(self, _stream, _format, _taker) -> int:
        return 1

    def release(self, _number) -> None:
        pass


@pytest.fixture
async def make_source():
    made = []

    def make(container: str) -> HlsSource:
        request = AccessRequest("live", "hls", "play", "127.0.0.1")
        access = Access("s", "live", Path("/x"), 1, request)
        made.append(HlsSource(access, container, Link(), lambda _: None, lambda _: True))
        return made[-1]

    yield make
    for one in made:
        one.close("test is over")


def init(track: str, former: tuple[str, ...] = ()) -> Events:
    section = InitSection(track, 1, "", "", 0, 0, 0.0, 0, 0, 0, "", list(former))
    return Events(1, [section])


def segment(track: str, msn: int) -> Events:
    ready = SegmentReady(
        track=track,
        msn=msn,
        path=f"/{msn}",
        init=1,
        start_utc_ms=1_700_000_000_000 + 1000 * msn,
        duration=1.0,
        size=1,
        discontinuity=False,
        discontinuities=0,
        bandwidth=8,
    )
    return Events(1, [ready])


async def test_successor_that_another_worker_knew_first_is_waited_for(make_source):
    source = make_source("fmp4")
    source.on_message(init("v1"))
    source.on_message(segment("v1", 10))
    source.on_lost()
    track = source.tracks["v1"]
    waiting = asyncio.create_task(source.wait_for(track, 100, None))
    await asyncio.sleep(0)
    assert not waiting.done()
    for msn in (99, 100):
        source.on_message(segment("v1", msn))
    await asyncio.wait_for(waiting, 5)


async def test_what_is_too_far_ahead_is_refused(make_source, monkeypatch):
    monkeypatch.setattr(module, "LAG_SECONDS", 0.01)
    source = make_source("fmp4")
    source.on_message(init("v1"))
    source.on_message(segment("v1", 10))
    with pytest.raises(AccessDenied, match="too far in the future") as refused:
        await source.wait_for(source.tracks["v1"], 100, None)
    assert refused.value.status == 400


async def test_multiplex_is_found_by_the_names_it_had(make_source):
    source = make_source("ts")
    source.on_message(init("v1"))
    source.on_message(segment("v1", 1))
    source.on_message(init("v1a1", former=["v1"]))
    source.on_message(segment("v1a1", 2))
    multiplex = source.find_track("v1a1")
    assert multiplex is not None
    assert [one.msn for one in multiplex.segments] == [1, 2]
    assert source.find_track("v1") is multiplex
    assert source.find_track("a1v1") is None
