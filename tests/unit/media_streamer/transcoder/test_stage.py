"""The stage, its process and the way between them; what a supervisor does is done here.

The worker of the process works in this event loop, over a real socket.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from media_api.stream import StreamConfig
from media_api.transcoder import TranscoderSpec
from media_streamer.media.frame import Frame, Track
from media_streamer.media.stages import StageRefused
from media_streamer.transcoder.link import Transcoders
from media_streamer.transcoder.stage import TranscoderStage, transcoder_spec
from media_streamer.transcoder.worker import TranscoderWorker
from media_streamer.wire.control import TranscodersWanted
from media_streamer.wire.homes import make_home, transcoders_socket

from tests.support.transcoding import Source

SPEC = {
    "video": [
        {"bitrate": "copy"},
        {"bitrate": 100_000, "size": {"width": -1, "height": 90}, "preset": "ultrafast"},
    ],
}


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.01)


class Sink:
    """What is behind the stage and before it."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.asked = 0

    def set_tracks(self, tracks: Sequence[Track]) -> None:
        self.items.append(list(tracks))

    def push(self, frames: Sequence[Frame]) -> None:
        self.items += frames

    def gap(self) -> None:
        self.items.append("gap")

    def request_key_frame(self) -> None:
        self.asked += 1

    @property
    def frames(self) -> list[Frame]:
        return [one for one in self.items if isinstance(one, Frame)]

    def of(self, number: int) -> list[Frame]:
        return [one for one in self.frames if one.track == number]


class Place:
    """A media worker's part, and the processes that come to it."""

    def __init__(self, directory: Path) -> None:
        self.wanted: list[dict[str, int]] = []
        self.transcoders = Transcoders(lambda told: self._told(told))
        make_home(directory, "media", "0")
        self.socket = transcoders_socket(directory, "0")
        self.processes: list[asyncio.Task[int]] = []
        self.sink = Sink()

    def _told(self, told: TranscodersWanted) -> None:
        self.wanted.append(told.streams)

    def stage(self, document: dict[str, Any] = SPEC) -> TranscoderStage:
        spec = TranscoderSpec.model_validate(document)
        stage = TranscoderStage("live", spec, self.transcoders)
        stage.start(self.sink, self.sink)
        return stage

    def process(self, stream: str = "live") -> "asyncio.Task[int]":
        task = asyncio.create_task(TranscoderWorker(stream).run(self.socket))
        self.processes.append(task)
        return task


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    one = Place(tmp_path)
    await one.transcoders.start(one.socket)
    yield one
    one.transcoders.close()
    await asyncio.gather(*one.processes, return_exceptions=True)


async def test_copies_and_renditions_come_in_one_order(place: Place, source: Source) -> None:
    stage = place.stage()
    stage.set_tracks(source.tracks)
    assert place.wanted[-1] == {"live": 0}
    place.process()
    await until(lambda: place.wanted[-1] == {"live": os.getpid()})
    stage.push(source.frames)
    await until(lambda: len(place.sink.of(1)) > 20)
    tracks = place.sink.items[0]
    assert [(one.name, one.height, one.rank) for one in tracks] == [
        ("v1", 180, 0),
        ("v2", 90, 1),
        ("a1", 0, 0),
    ]
    dts = [one.dts for one in place.sink.frames]
    assert dts == sorted(dts)
    keys = [[one.pts for one in place.sink.of(n) if one.key] for n in (0, 1)]
    assert keys[0][: len(keys[1])] == keys[1]
    stats = stage.stats()
    assert stats["running_transcoder"] is True
    assert stats["transcoder"]["device"] == "cpu"
    stage.close()


async def test_a_process_that_is_gone_leaves_the_copies(place: Place, source: Source) -> None:
    stage = place.stage()
    stage.set_tracks(source.tracks)
    first = place.process()
    await until(lambda: place.wanted[-1]["live"])
    middle = len(source.frames) * 2 // 3
    stage.push(source.frames[:middle])
    await until(lambda: place.sink.of(1))
    first.cancel()
    process = place.transcoders._processes["live"]
    process.channel.abort("killed")
    await until(lambda: place.wanted[-1] == {"live": 0})
    stats = stage.stats()
    assert stats["running_transcoder"] is False
    assert stats["coder_error"] is True
    assert stats["transcoder"]["restarts"] == 1
    assert "gone" in stats["transcoder"]["error"]
    before = len(place.sink.of(0))
    stage.push(source.frames[middle:])
    assert len(place.sink.of(0)) > before + 20
    asked = place.sink.asked
    place.process()
    await until(lambda: place.wanted[-1]["live"] and place.sink.asked > asked)
    count = len(place.sink.of(1))
    later = moved(source.frames, 1_000_000)
    stage.push(later[5:])
    await until(lambda: len(place.sink.of(1)) > count)
    first_again = place.sink.of(1)[count]
    assert first_again.key
    assert first_again.pts == [one.pts for one in later if one.track == 0 and one.key][1]
    dts = [one.dts for one in place.sink.of(1)]
    assert all(a < b for a, b in itertools.pairwise(dts))
    assert not stage.stats()["coder_error"]
    stage.close()


def moved(frames: Sequence[Frame], ticks: int) -> list[Frame]:
    return [Frame(f.track, f.dts + ticks, f.pts + ticks, f.duration, f.key, f.data) for f in frames]


async def test_a_gap_comes_between_what_was_before_it_and_after(
    place: Place, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media_streamer.transcoder.engine.THIN_TICKS", 1 << 40)
    stage = place.stage()
    stage.set_tracks(source.tracks)
    place.process()
    await until(lambda: place.wanted[-1]["live"])
    stage.push(source.frames)
    stage.gap()
    jump = 90_000_000
    stage.push(moved(source.frames, jump))
    await until(lambda: [one for one in place.sink.of(1) if one.pts > jump])
    assert place.sink.items.count("gap") == 1
    at = place.sink.items.index("gap")
    before = [one for one in place.sink.items[:at] if isinstance(one, Frame)]
    after = [one for one in place.sink.items[at:] if isinstance(one, Frame)]
    assert max(one.pts for one in before) < jump < min(one.pts for one in after)
    # All that was there comes out, what the encoder held too.
    assert len([one for one in before if one.track == 1]) == 75
    stage.close()


async def test_other_tracks_of_the_source(place: Place, source: Source) -> None:
    stage = place.stage()
    stage.set_tracks(source.tracks)
    place.process()
    await until(lambda: place.wanted[-1]["live"])
    stage.push(source.frames)
    stage.set_tracks(source.tracks)  # the same: nothing happens
    stage.set_tracks(source.tracks[:1])
    stage.push([one for one in moved(source.frames, 300_000) if one.track == 0])
    await until(lambda: len(lists(place)) == 2 and isinstance(place.sink.items[-1], Frame))
    assert [one.name for one in lists(place)[1]] == ["v1", "v2"]
    stage.close()


def lists(place: Place) -> list[list[Track]]:
    return [one for one in place.sink.items if isinstance(one, list)]


async def test_what_cannot_be_made_is_raised(place: Place, source: Source) -> None:
    stage = place.stage({"global": {"hw": "coder"}, "video": [{"bitrate": 1000}]})
    with pytest.raises(StageRefused, match="hw=coder"):
        stage.set_tracks(source.tracks)
    stage.close()
    stage = place.stage({"video": [{"bitrate": 1000, "level": "99"}]})
    stage.set_tracks(source.tracks)
    place.process()
    await until(lambda: place.wanted[-1]["live"])
    stage.push(source.frames)
    await until(lambda: stage.stats()["coder_error"])
    assert not stage.reconfigure(TranscoderSpec.model_validate({"video": [{"bitrate": 1000}]})), (
        "what was refused of one says nothing of another: it is made anew"
    )
    with pytest.raises(StageRefused, match="libx264 cannot encode"):
        stage.push(source.frames)
    stage.close()


async def test_a_stream_that_is_configured_anew_keeps_its_process(
    place: Place, source: Source
) -> None:
    first = place.stage()
    first.set_tracks(source.tracks)
    place.process()
    await until(lambda: place.wanted[-1]["live"])
    first.close()
    second = place.stage({"audio": {"bitrate": 32_000}})
    second.set_tracks(source.tracks)
    second.push(source.frames)
    place.sink.items.clear()
    await until(lambda: place.sink.of(1))
    assert len(place.processes) == 1
    second.close()


async def test_a_ladder_that_changes_has_no_gap_in_what_stays(
    place: Place, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after the key frame from which on another rendition is made."""
    monkeypatch.setattr("media_streamer.transcoder.engine.THIN_TICKS", 1 << 40)
    stage = place.stage()
    stage.set_tracks(source.tracks)
    place.process()
    await until(lambda: place.wanted[-1]["live"])
    keys = [n for n, one in enumerate(source.frames) if one.key and one.track == 0]
    asked = keys[1] - 5
    stage.push(source.frames[:asked])
    await until(lambda: place.sink.of(1))
    before = place.sink.asked
    more = {"bitrate": 50_000, "size": {"width": -1, "height": 46}, "preset": "ultrafast"}
    spec = TranscoderSpec.model_validate({"video": [*SPEC["video"], more]})
    assert stage.reconfigure(spec)
    assert place.sink.asked > before
    stage.push(source.frames[asked:])
    await until(lambda: place.sink.of(3))  # its sound, which has another number now
    stage.gap()  # what the encoders hold comes out
    await until(lambda: len(place.sink.of(1)) == 75)
    assert [[one.name for one in found] for found in lists(place)] == [
        ["v1", "v2", "a1"],
        ["v1", "v2", "v3", "a1"],
    ]
    assert "gap" not in place.sink.items
    for number in (0, 1):
        times = sorted(one.pts for one in place.sink.of(number))
        assert {after - one for one, after in itertools.pairwise(times)} == {3600}
    changed = place.sink.items.index(lists(place)[1])
    after = [one for one in place.sink.items[changed:] if isinstance(one, Frame)]
    new = [one for one in after if one.track == 2]
    assert new[0].key
    assert new[0].pts == source.frames[keys[1]].pts
    assert len(place.processes) == 1
    stage.close()


async def test_a_ladder_of_nothing_but_copies_ends_its_process(
    place: Place, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made before comes out first, what passes has no gap, and it can begin again."""
    monkeypatch.setattr("media_streamer.transcoder.engine.THIN_TICKS", 1 << 40)
    monkeypatch.setattr("media_streamer.transcoder.link.KEEP_SECONDS", 0.05)
    stage = place.stage()
    stage.set_tracks(source.tracks)
    process = place.process()
    await until(lambda: place.wanted[-1]["live"])
    keys = [n for n, one in enumerate(source.frames) if one.key and one.track == 0]
    stage.push(source.frames[: keys[1]])
    await until(lambda: place.sink.of(1))
    await until(lambda: stage.stats()["transcoder"]["frames_encoded"])
    assert stage.reconfigure(TranscoderSpec.model_validate({"video": [{"bitrate": "copy"}]}))
    stage.push(source.frames[keys[1] :])
    await until(lambda: place.wanted[-1] == {})
    assert await asyncio.wait_for(process, 60) == 0
    assert [[one.name for one in found] for found in lists(place)] == [
        ["v1", "v2", "a1"],
        ["v1", "a1"],
    ]
    changed = place.sink.items.index(lists(place)[1])
    made = [one for one in place.sink.items[:changed] if isinstance(one, Frame) and one.track == 1]
    assert len(made) == sum(one.track == 0 for one in source.frames[: keys[1]])
    times = sorted(one.pts for one in place.sink.of(0))
    assert {after - one for one, after in itertools.pairwise(times)} == {3600}
    stats = stage.stats()
    assert (stats["running_transcoder"], stats["coder_error"]) == (False, False)
    assert stats["transcoder"]["restarts"] == 0
    assert "gap" not in place.sink.items

    encoded = stats["transcoder"]["frames_encoded"]
    assert stage.reconfigure(TranscoderSpec.model_validate(SPEC))
    assert place.wanted[-1] == {"live": 0}
    place.process()
    await until(lambda: place.wanted[-1]["live"])
    came = stage._heard_at
    await until(lambda: stage._heard_at > came)  # its figures, which are nought
    assert stage.stats()["transcoder"]["frames_encoded"] >= encoded
    stage.push(moved(source.frames, 300_000))
    count = len(made)
    await until(lambda: len(place.sink.of(1)) > count)
    stage.close()


async def test_copies_after_a_process_was_lost_are_no_error(place: Place, source: Source) -> None:
    stage = place.stage()
    stage.set_tracks(source.tracks)
    first = place.process()
    await until(lambda: place.wanted[-1]["live"])
    first.cancel()
    place.transcoders._processes["live"].channel.abort("killed")
    await until(lambda: stage.stats()["coder_error"])
    assert stage.reconfigure(TranscoderSpec.model_validate({"video": [{"bitrate": "copy"}]}))
    await until(lambda: not stage.stats()["coder_error"])
    assert "error" not in stage.stats()["transcoder"]
    stage.close()


async def test_a_ladder_that_cannot_be_made_is_raised_when_it_is_asked_for(
    place: Place, source: Source
) -> None:
    stage = place.stage()
    stage.set_tracks(source.tracks)
    wrong = TranscoderSpec.model_validate({"global": {"hw": "coder"}, "video": [{"bitrate": 1000}]})
    with pytest.raises(StageRefused, match="hw=coder"):
        stage.reconfigure(wrong)
    stage.close()


async def test_key_frames_are_asked_for_once_a_second(place: Place, source: Source) -> None:
    stage = place.stage()
    stage.set_tracks(source.tracks)
    place.process()
    await until(lambda: place.wanted[-1]["live"])
    before = place.sink.asked
    for _ in range(50):
        stage.request_key_frame()
    assert place.sink.asked <= before + 2
    stage.close()


async def test_strangers_are_sent_away(place: Place) -> None:
    assert await asyncio.wait_for(place.process("nobody"), 30) == 0


def test_streams_that_need_it(tmp_path: Path) -> None:
    wanted = transcoder_spec(Transcoders(lambda _: None)).wanted
    for document, needs in (
        ({}, False),
        ({"transcoder": {}}, False),
        ({"transcoder": {"audio": {"bitrate": "copy"}}}, False),
        ({"transcoder": {"audio": {"bitrate": 64000}}}, True),
        ({"transcoder": {"video": [{"bitrate": 64000}]}}, True),
    ):
        config = StreamConfig.model_validate({"name": "a", **document})
        assert (wanted(config) is not None) is needs
