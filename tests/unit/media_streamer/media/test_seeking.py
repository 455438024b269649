"""A playback that goes on elsewhere: the same output, from another moment on."""

import asyncio
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from media_streamer.archive.library import Library
from media_streamer.media.playback import Playback, Turns
from media_streamer.wire.media import Chunk, End, Event, Header, Replay, Seek, Sought

from tests.support.endless_film import EndlessFilm

NTP_EPOCH = 2_208_988_800


class Viewer:
    """Keeps what a playback sends, and waits for it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.news = asyncio.Event()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def sink(self, events: Sequence[Event]) -> None:
        self.events += events
        self.news.set()

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not enough():
                self.news.clear()
                await self.news.wait()

    def packets(self) -> list[bytes]:
        return [p for event in self.events if isinstance(event, Chunk) for p in event.packets]

    async def take(self, count: int) -> list[bytes]:
        """At least so many frames."""
        await self.until(lambda: len(self.packets()) >= count)
        return self.packets()


@pytest.fixture(scope="module")
def films() -> EndlessFilm:
    return EndlessFilm()


def told(packet: bytes) -> tuple[float, int, int]:
    """Wall clock of the report before a frame, source, and number of its first RTP packet."""
    assert packet[:2] == b"$\x01"
    seconds, fraction = struct.unpack_from(">II", packet, 4 + 8)
    rtp = packet[4 + int.from_bytes(packet[2:4], "big") :]
    assert rtp[:2] == b"$\x00"
    number, source = int.from_bytes(rtp[6:8], "big"), int.from_bytes(rtp[12:16], "big")
    return seconds - NTP_EPOCH + fraction / 2**32, source, number


def stamps(packets: list[bytes]) -> list[int]:
    """RTP time stamps of frames."""
    found = []
    for packet in packets:
        at = 4 + int.from_bytes(packet[2:4], "big") if packet[1] == 1 else 0
        found.append(int.from_bytes(packet[at + 8 : at + 12], "big"))
    return found


async def test_it_goes_on_elsewhere_under_the_same_source(films: EndlessFilm) -> None:
    viewer = Viewer()
    with ThreadPoolExecutor(1) as threads:
        replay = Replay([], 5000, 10**9, 1.0, [], "film.mp4")
        one = Playback(
            "s", replay, Library(), films, threads, Turns(), viewer.sink, viewer.ended.set_result
        )
        one.start("rtp", ())
        first = await viewer.take(5)
        assert told(first[0])[0] == pytest.approx(5.0, abs=0.001)

        one.seek(Seek(1, 7, 100_000, -1, 1.0, 1.0))
        await viewer.until(lambda: Sought(7) in viewer.events)
        at = viewer.events.index(Sought(7))
        viewer.events = viewer.events[at + 1 :]
        later = await viewer.take(5)
        assert told(later[0])[0] == pytest.approx(100.0, abs=0.001)
        assert told(later[0])[1] == told(first[0])[1]
        assert not [event for event in viewer.events if isinstance(event, Header)]

        viewer.events = []
        one.seek(Seek(1, 8, 50_000, 51_000, 1.0, 2.0))
        await viewer.until(lambda: Sought(8) in viewer.events)
        viewer.events = viewer.events[viewer.events.index(Sought(8)) + 1 :]
        async with asyncio.timeout(30):
            assert await viewer.ended == "recordings_ended"
        fast = stamps(viewer.packets())
        assert len(fast) == 25
        assert {after - before for before, after in pairwise(fast)} == {1800}


async def test_another_speed_goes_on_where_it_is(films: EndlessFilm) -> None:
    viewer = Viewer()
    with ThreadPoolExecutor(1) as threads:
        replay = Replay([], 0, 20_000, 1.0, [], "film.mp4")
        one = Playback(
            "s", replay, Library(), films, threads, Turns(), viewer.sink, viewer.ended.set_result
        )
        one.start("rtp", ())
        await viewer.take(5)
        one.seek(Seek(1, 1, -1, -1, 100.0, 1.0))
        async with asyncio.timeout(15):  # 20 s of film
            await viewer.ended
        assert len(viewer.packets()) == 500
        assert not [event for event in viewer.events if isinstance(event, Sought)]


async def test_whoever_closes_it_while_it_seeks_hears_nothing_more(films: EndlessFilm) -> None:
    viewer = Viewer()
    with ThreadPoolExecutor(1) as threads:
        replay = Replay([], 0, 10**9, 1.0, [], "film.mp4")
        one = Playback(
            "s", replay, Library(), films, threads, Turns(), viewer.sink, viewer.ended.set_result
        )
        one.start("rtp", ())
        await viewer.take(5)
        one.seek(Seek(1, 1, 1000, -1, 1.0, 1.0))
        one.close()
        count = len(viewer.events)
        tasks = [task for task in asyncio.all_tasks() if "playback" in task.get_name()]
        await asyncio.wait(tasks, timeout=30)
        assert all(task.done() for task in tasks)
        assert not [one for one in viewer.events[count:] if isinstance(one, Chunk | Sought)]
        assert not viewer.ended.done()
        assert not [event for event in viewer.events if isinstance(event, End)]
