"""A publisher of frames: how its tracks start, change, come late, and what is held or left out."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

import pytest
from media_streamer.media.frame import Frame, Track
from media_streamer.media.inputs import frames as module
from media_streamer.media.inputs.base import Limits
from media_streamer.media.inputs.frames import FrameInput
from media_streamer.protocols.flv.reader import FlvReader
from media_streamer.wire.media import PublishedFrame, TrackSetup

from tests.support.flv_tags import read_tags


class Stream:
    """The receiver."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.tracks: Sequence[Track] = ()
        self.frames: list[tuple[int, int | None, bool]] = []
        self.ends: list[str | None] = []
        self.news = asyncio.Event()

    def connected(self) -> None: ...

    def describe(self, tracks: Sequence[Track], time_bases: Sequence[Fraction]) -> None:
        assert not self.ends
        self.tracks = tracks
        assert list(time_bases) == [Fraction(1, 1000)] * len(tracks)
        self.told.append([track.codec for track in tracks])
        self.news.set()

    def frame(
        self,
        track: int,
        dts: int | None,
        pts: int | None,
        duration: int | None,
        key: bool,
        data: bytes,
    ) -> None:
        assert not self.ends
        assert data
        self.told.append(self.tracks[track].codec)
        self.frames.append((track, dts, key))
        self.news.set()

    def relayed(self, frame: Frame) -> None: ...

    def looped(self) -> None: ...

    def ended(self, error: str | None) -> None:
        self.ends.append(error)
        self.news.set()

    async def until(self, what: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not what():
                self.news.clear()
                await self.news.wait()

    @property
    def descriptions(self) -> list[list[str]]:
        return [item for item in self.told if isinstance(item, list)]


class Published:
    """What a publisher hands in: (all tracks, complete) or a frame, in order."""

    def __init__(self, flv: bytes, *, kinds: Iterable[int] = (8, 9), shift_ms: int = 0) -> None:
        self.items: list[tuple[list[TrackSetup], bool] | PublishedFrame] = []
        self._shift = shift_ms
        self.add(flv, kinds, FlvReader(self))

    def add(self, flv: bytes, kinds: Iterable[int], reader: FlvReader, shift_ms: int = 0) -> None:
        for kind, stamp, body in read_tags(flv):
            if kind in kinds:
                reader.take(kind, stamp + shift_ms, body)
            reader.flush()

    def tracks(self, tracks: list[TrackSetup], complete: bool) -> None:
        self.items.append((tracks, complete))

    def frames(self, frames: list[PublishedFrame]) -> None:
        self.items += frames

    def into(self, reader: FrameInput, start: int = 0, end: int | None = None) -> bool:
        took = True
        for item in self.items[start:end]:
            if isinstance(item, PublishedFrame):
                took = reader.take([item])
            else:
                reader.tracks(*item)
        return took


@pytest.fixture
async def stream() -> Stream:
    return Stream()


@pytest.fixture
async def reader(stream: Stream) -> FrameInput:
    one = FrameInput("live/x", stream, Limits())
    one.start()
    return one


async def test_all_tracks_start_together_and_nothing_is_lost(reader, stream, make_media) -> None:
    published = Published(make_media("flv", "libx264", "aac"))
    published.into(reader)
    reader.finish()
    await stream.until(lambda: stream.ends)
    assert stream.ends == [None]
    assert stream.descriptions == [["h264", "aac"]]
    sent = [item for item in published.items if isinstance(item, PublishedFrame)]
    assert len(stream.frames) == len(sent)
    assert [dts for _, dts, _ in stream.frames] == [frame.dts for frame in sent]
    assert [key for track, _, key in stream.frames if track == 0].count(True) == 2
    assert (stream.tracks[0].name, stream.tracks[1].name) == ("v1", "a1")
    assert (stream.tracks[0].width, stream.tracks[0].height) == (64, 48)


@pytest.mark.parametrize(
    ("video", "audio", "names"),
    [
        ("libx264", "libmp3lame", ["h264", "mp3"]),
        ("", "aac", ["aac"]),
        ("libx264", "", ["h264"]),
    ],
)
async def test_other_sets_of_tracks(
    reader, stream, make_media, monkeypatch, video, audio, names
) -> None:
    published = Published(make_media("flv", video, audio))
    published.into(reader)
    if len(names) == 1:
        assert not stream.told, "another kind may still come"
        reader._waited_enough()
    await stream.until(lambda: stream.frames)
    assert stream.descriptions == [names]


async def test_what_comes_while_a_track_is_described_keeps_its_order(
    reader, stream, make_media
) -> None:
    published = Published(make_media("flv", "libx264", "aac", frames=40))
    end = len(published.items) // 2
    published.into(reader, 0, end)
    assert not stream.told, "FFmpeg looks at it in a thread"
    published.into(reader, end)
    await stream.until(lambda: stream.frames)
    sent = [i for i in published.items if isinstance(i, PublishedFrame)]
    assert [dts for _, dts, _ in stream.frames] == [frame.dts for frame in sent]


async def test_a_track_that_comes_later_waits_for_a_key_frame(reader, stream, make_media) -> None:
    media = make_media("flv", "libx264", "aac", frames=16)
    tags = read_tags(media)
    published = Published(b"", kinds=())
    flv = FlvReader(published)
    flv.metadata({"videocodecid": 7})
    sequence_header = next(body for kind, _, body in tags if kind == 8)
    late = [tag for tag in tags if tag[0] == 8 and tag[1] > 200]
    for kind, stamp, body in tags:
        if kind == 8 and (kind, stamp, body) == late[0]:
            flv.take(kind, stamp, sequence_header)
        if kind == 9 or (kind, stamp, body) in late:
            flv.take(kind, stamp, body)
            flv.flush()
    published.into(reader)
    await stream.until(lambda: ["h264", "aac"] in stream.descriptions)
    assert stream.descriptions == [["h264"], ["h264", "aac"]]
    after = stream.told.index(["h264", "aac"])
    assert stream.told[after + 1] == "h264"
    key = [key for track, _, key in stream.frames if track == 0]
    pictures_before = stream.told[:after].count("h264")
    assert key[pictures_before], "a key frame of the picture begins it"
    assert "aac" not in stream.told[:after]


async def test_another_configuration_describes_the_track_again(reader, stream, make_media) -> None:
    published = Published(make_media("flv", "libx264", "aac"))
    flv = FlvReader(published)
    published.items.clear()
    published.add(make_media("flv", "libx264", "aac"), (8, 9), flv)
    published.add(make_media("flv", "libx264", "aac", size=(96, 64)), (8, 9), flv, 320)
    published.into(reader)
    await stream.until(lambda: len(stream.descriptions) > 1)
    reader.finish()
    await stream.until(lambda: stream.ends)
    assert stream.descriptions == [["h264", "aac"]] * 2
    assert stream.tracks[0].width == 96
    sent = [i for i in published.items if isinstance(i, PublishedFrame)]
    assert len(stream.frames) == len(sent)


async def test_another_codec_describes_the_track_again(reader, stream, make_media) -> None:
    published = Published(b"", kinds=())
    flv = FlvReader(published)
    published.add(make_media("flv", "libx264", "aac"), (8, 9), flv)
    published.add(make_media("flv", "libx264", "libmp3lame"), (8, 9), flv, 320)
    published.into(reader)
    await stream.until(lambda: ["h264", "mp3"] in stream.descriptions)
    assert stream.descriptions[0] == ["h264", "aac"]


async def test_frames_without_a_configuration_wait_until_it_comes(
    reader, stream, make_media
) -> None:
    """AAC and H.264 whose sequence headers were lost."""
    published = Published(make_media("flv", "libx264", "aac"))
    setups = [
        TrackSetup(0, "video", "h264", b"", 1000),
        TrackSetup(1, "audio", "aac", b"", 1000),
    ]
    sent = [item for item in published.items if isinstance(item, PublishedFrame)]
    reader.tracks(setups, True)
    reader.take(sent)
    await asyncio.to_thread(reader._thread.join, 20)
    await asyncio.sleep(0)
    assert not stream.told
    published.into(reader)
    await stream.until(lambda: ["h264", "aac"] in stream.descriptions)
    assert not stream.ends


async def test_unsupported_codecs_end_a_publisher_who_has_nothing_else(reader, stream) -> None:
    setups = [TrackSetup(0, "video", "vp6f", b"", 1000), TrackSetup(1, "audio", "x", b"", 1000)]
    reader.tracks(setups, False)
    assert not stream.ends
    reader.tracks(setups, True)
    assert stream.ends == ["no track of the source has a supported codec: vp6f, x"]
    assert not reader.take([PublishedFrame(0, 0, 0, True, b"x")])


async def test_what_is_held_is_bounded(reader, stream, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_HELD_BYTES", 1000)
    reader.tracks([TrackSetup(0, "video", "h264", b"", 1000)], False)
    small = PublishedFrame(0, 0, 0, False, bytes(300))
    assert [reader.take([small]) for _ in range(4)] == [True, True, True, False]


async def test_pictures_without_a_key_frame_are_not_gathered(reader, stream) -> None:
    reader.tracks([TrackSetup(0, "video", "h264", b"", 1000)], True)
    for number in range(5 * module.MAX_START_FRAMES):
        assert reader.take([PublishedFrame(0, number, number, False, bytes(100))])
    assert len(reader._held) < module.MAX_START_FRAMES


async def test_stop_is_the_last_word(reader, stream, make_media) -> None:
    published = Published(make_media("flv", "libx264", "aac"))
    published.into(reader)
    reader.stop()
    reader.stop()
    reader.finish()
    assert stream.ends == [None]
    assert not published.into(reader)
    await asyncio.to_thread(reader._thread.join, 20)
    assert not stream.told


async def test_frames_of_unknown_tracks_are_left_out(reader, stream, make_media) -> None:
    published = Published(make_media("flv", "libx264", "aac"))
    published.into(reader)
    await stream.until(lambda: stream.frames)
    count = len(stream.frames)
    assert reader.take([PublishedFrame(9, 0, 0, True, b"x")])
    assert len(stream.frames) == count


@pytest.mark.parametrize("codec", ["h264", "hevc"])
async def test_broken_parameters_are_told_and_end_nothing(
    reader, stream, codec: str, caplog: pytest.LogCaptureFixture
) -> None:
    reader.tracks([TrackSetup(0, "video", codec, b"\1" + b"\xff" * 30, 1000)], True)
    for number in range(3):
        reader.take([PublishedFrame(0, 40 * number, 40 * number, True, b"\0\0\0\1\x65")])
    reader.finish()
    await stream.until(lambda: stream.ends)
    lines = [one for one in caplog.messages if "is left out" in one]
    assert len(lines) == 1, caplog.text
    assert lines[0].startswith("live/x: track 0")
    assert not [one for one in caplog.records if one.exc_info]


async def test_frames_that_lie_are_told_once_and_counted(
    reader, stream, make_media, caplog: pytest.LogCaptureFixture
) -> None:
    Published(make_media("flv", "libx264", "")).into(reader)
    await stream.until(lambda: stream.frames)
    reader.take([PublishedFrame(0, 9000, 9000, False, b"\xff\xff\xff\xff\x41")] * 500)
    reader.finish()
    await stream.until(lambda: stream.ends)
    lines = [one for one in caplog.messages if "frames are left out" in one]
    assert len(lines) == 1, caplog.text
    assert reader.faults["broken_payload"] == 500
