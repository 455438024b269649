"""Transport streams whose tables and times lie: read or refused in words, and soon, in little
memory. The bytes are those of `tests/support/garbage.py`."""

import asyncio
import gc
import logging
from collections.abc import Sequence
from fractions import Fraction

import pytest
from av.container import InputContainer
from av.video.stream import VideoStream
from media_streamer.media.frame import Frame, Track
from media_streamer.media.inputs.base import Limits
from media_streamer.media.inputs.cut_reader import CutReader
from media_streamer.media.inputs.publish import PublishInput

from tests.support import garbage
from tests.support.memory import forget_peak, memory
from tests.support.streamer import until

CASES = garbage.ts_cases()
GROWTH_MIB = 50
FEED_BYTES = 64 * 1024
REFUSED = dict.fromkeys(
    ("streams-7500", "changing-tables", "sps-10000", "sei-200000", "nal-zero"), "more than"
)
"""The others are read, as far as anything can be made of them."""


class Counted:
    """A receiver."""

    def __init__(self) -> None:
        self.frames = 0
        self.tracks: Sequence[Track] = ()
        self.ends: list[str | None] = []

    def connected(self) -> None: ...

    def describe(self, tracks: Sequence[Track], time_bases: Sequence[Fraction]) -> None:
        self.tracks = tracks

    def frame(
        self,
        track: int,
        dts: int | None,
        pts: int | None,
        duration: int | None,
        key: bool,
        data: bytes,
    ) -> None:
        self.frames += 1

    def relayed(self, frame: Frame) -> None: ...

    def looped(self) -> None: ...

    def ended(self, error: str | None) -> None:
        self.ends.append(error)


async def read(data: bytes, programs: frozenset[int] = frozenset()) -> tuple[Counted, float]:
    """What is made of it, and how much memory that took at most, in MiB."""
    receiver = Counted()
    one = PublishInput("live/x", receiver, Limits(), programs=programs)
    before = forget_peak()
    one.start()
    for at in range(0, len(data), FEED_BYTES):
        one.feed(data[at : at + FEED_BYTES])
    one.finish()

    async def has_ended() -> bool:
        return bool(receiver.ends) and not one.alive

    try:
        await until(has_ended, "the input ends", 30)
    finally:
        one.stop()
    return receiver, memory("VmHWM") - before


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """What FFmpeg takes for its first film is nobody's fault."""
    asyncio.run(read(garbage.ts_film((t, t) for t in range(90_000, 180_000, 3600))))


@pytest.mark.parametrize("word", CASES)
async def test_what_lies_costs_little(word: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    receiver, growth = await read(CASES[word])
    (end,) = receiver.ends
    assert growth < GROWTH_MIB
    assert not [one for one in caplog.records if one.exc_info], caplog.text
    if word in REFUSED:
        assert REFUSED[word] in str(end)
    else:
        assert end is None


async def test_many_programs_are_read_where_one_is_chosen() -> None:
    """A multiplex of 20 programs has 160 PIDs, and is a source as any other."""
    programs = [(number, 0x100 + 16 * number) for number in range(1, 21)]
    out = garbage.Packets()
    data = out.of(0, garbage.pat(programs), table=True)
    for number, pid in programs:
        streams = [(0x1B, pid + 1, b"")] + [(0x0F, pid + n, b"") for n in range(2, 8)]
        data += out.of(pid, garbage.pmt(streams, number), table=True)
    for at in range(90_000, 270_000, 3600):
        for _, pid in programs[:2]:
            data += out.of(pid + 1, garbage.pes(at, at, garbage.access_unit()), pcr=at)
    receiver = Counted()
    one = PublishInput("live/x", receiver, Limits(), programs=frozenset({2}))
    one.start()
    one.feed(data)
    one.finish()

    async def has_ended() -> bool:
        return bool(receiver.ends)

    await until(has_ended, "the input ends", 30)
    assert receiver.ends == [None]
    assert [track.codec for track in receiver.tracks] == ["h264"]
    assert receiver.frames > 10


def multiplex(programs: int, sounds: int) -> bytes:
    """Each with a video and some sounds, all of which send; the tables come again and again."""
    numbers = [(number, 0x100 + 0x20 * number) for number in range(1, programs + 1)]
    out = garbage.Packets()
    data: list[bytes] = []
    for at in range(90_000, 270_000, 3600):
        if at % 18_000 == 0:
            data.append(out.of(0, garbage.pat(numbers), table=True))
        for number, pid in numbers:
            streams = [(0x1B, pid + 1, b"")] + [(0x0F, pid + 2 + n, b"") for n in range(sounds)]
            if at % 18_000 == 0:
                data.append(out.of(pid, garbage.pmt(streams, number), table=True))
            data.append(out.of(pid + 1, garbage.pes(at, at, garbage.access_unit()), pcr=at))
            data += (out.of(one, garbage.sound_pes(at)) for _, one, _ in streams[1:])
    return b"".join(data)


async def test_one_program_of_a_satellite(caplog: pytest.LogCaptureFixture) -> None:
    """40 programs, 400 PIDs: the wanted one costs what it costs alone."""
    data = multiplex(40, 8)
    receiver, growth = await read(data, frozenset({17}))
    assert receiver.ends == [None], caplog.text
    assert [track.codec for track in receiver.tracks] == ["h264"] + ["aac"] * 8
    assert receiver.frames > 400
    assert growth < 20
    receiver, growth = await read(data)
    assert "programs= chooses some" in str(receiver.ends[0])
    assert growth < GROWTH_MIB
    receiver, _ = await read(data, frozenset({77}))
    assert "no program 77" in str(receiver.ends[0])


@pytest.mark.parametrize("declared", [True, False])
async def test_sounds_cost_little(declared: bool) -> None:
    """64 of a program; 250 that no table names."""
    out = garbage.Packets()
    pids = range(0x200, 0x200 + (64 if declared else 250))
    streams = [(0x0F, pid, b"") for pid in (pids if declared else pids[:1])]
    data = out.of(0, garbage.pat([(1, 0x100)]), table=True)
    data += out.of(0x100, garbage.pmt(streams), table=True)
    for at in range(90_000, 198_000, 1920):
        data += b"".join(out.of(pid, garbage.sound_pes(at)) for pid in pids)
    receiver, growth = await read(data)
    assert receiver.ends == [None]
    assert len(receiver.tracks) == len(streams)
    assert growth < GROWTH_MIB + 30


async def test_nothing_of_ffmpeg_waits_for_the_garbage_collector() -> None:
    """An input that is over is garbage with cycles in it. With what FFmpeg kept for each publisher
    in there, 200 KiB, a heap of megabytes came and went between two full passes."""
    kinds = (InputContainer, VideoStream, CutReader)

    def there() -> list[int]:
        return [sum(type(one) is kind for one in gc.get_objects()) for kind in kinds]

    gc.collect()
    gc.disable()
    try:
        before = there()
        receiver, _ = await read(garbage.ts_film((t, t) for t in range(90_000, 180_000, 3600)))
        assert receiver.frames
        assert there() == before
    finally:
        gc.enable()
