"""The judge of what comes out of a stream: it passes what is right, and names each thing wrong."""

import copy
import io
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from tests.support import judging
from tests.support.clock_clip import FPS, LOOP_SECONDS, make
from tests.support.judging import Moment, Seen, Wanted, faults

WANTED = Wanted(seconds=3)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("clip") / "clock.mp4", seconds=3)


@pytest.fixture(scope="module")
def whole(clip: Path) -> Seen:
    return judging.read([clip])


@pytest.fixture
def seen(whole: Seen) -> Seen:
    """One that a test may spoil."""
    return copy.deepcopy(whole)


def test_the_clip_is_right(seen: Seen) -> None:
    assert faults(seen, WANTED) == []
    assert len(seen.pictures) == 3 * FPS
    assert seen.pictures[40].value - seen.pictures[0].value == pytest.approx(1.6)


def test_the_clip_begins_again(seen: Seen) -> None:
    """Only the clock jumps, by the length of the clip."""
    before = [Moment(one.pts - 3, one.value + LOOP_SECONDS - 3) for one in seen.pictures]
    seen.pictures = before + seen.pictures
    assert faults(seen, WANTED) == []


def later(moments: list[Moment], seconds: float) -> list[Moment]:
    return [Moment(one.pts + seconds, one.value, one.beeps) for one in moments]


def spoil_errors(seen: Seen) -> None:
    seen.errors = "[h264] no frame!\n"


def spoil_codec(seen: Seen) -> None:
    seen.codecs["audio"] = "mp3"


def lose_sound(seen: Seen) -> None:
    del seen.codecs["audio"]


def double_track(seen: Seen) -> None:
    seen.codecs["video"] = "h264+h264"


def repeat_dts(seen: Seen) -> None:
    seen.dts["video"][7] = seen.dts["video"][6]


def lose_picture(seen: Seen) -> None:
    del seen.pictures[30]


def double_picture(seen: Seen) -> None:
    seen.pictures.insert(30, seen.pictures[30])


def swap_pictures(seen: Seen) -> None:
    seen.pictures[30], seen.pictures[31] = seen.pictures[31], seen.pictures[30]


def darken(seen: Seen) -> None:
    seen.pictures[9] = Moment(seen.pictures[9].pts, float("nan"))


def drift(seen: Seen) -> None:
    seen.pictures = [Moment(one.pts * 1.05, one.value) for one in seen.pictures]


def wrong_picture(seen: Seen) -> None:
    seen.pictures[9] = Moment(seen.pictures[9].pts, seen.pictures[3].value)


def shrink(seen: Seen) -> None:
    seen.size = 160, 90


def cut_off(seen: Seen) -> None:
    del seen.pictures[50:]


def silence(seen: Seen) -> None:
    seen.sound = [Moment(one.pts, 0.0) for one in seen.sound]


def cut_sound(seen: Seen) -> None:
    del seen.sound[200:]


def gap_of_sound(seen: Seen) -> None:
    del seen.sound[200:210]


def monotony(seen: Seen) -> None:
    seen.sound = [Moment(one.pts, one.value) for one in seen.sound]


def part(seen: Seen) -> None:
    seen.sound = later(seen.sound, 0.15)


def ahead(seen: Seen) -> None:
    seen.sound = later(seen.sound, -0.15)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_errors, "no frame!"),
        (spoil_codec, "mp3"),
        (lose_sound, "tracks"),
        (double_track, "h264+h264"),
        (repeat_dts, "decoding times of video"),
        (lose_picture, "from picture to picture: 0.080 s"),
        (double_picture, "from picture to picture: 0.000 s"),
        (swap_pictures, "from picture to picture"),
        (darken, "no legible clock: 0.360"),
        (drift, "the picture's clock is off"),
        (wrong_picture, "the picture's clock is off"),
        (shrink, "pictures of (160, 90)"),
        (cut_off, "50 pictures"),
        (silence, "is silence"),
        (cut_sound, "of sound in"),
        (gap_of_sound, "sound from moment to moment: 0.11"),
        (monotony, "is the beep"),
        (part, "the sound is +1"),
        (ahead, "the sound is -1"),
    ],
)
def test_what_is_wrong_is_named(seen: Seen, spoil: Callable[[Seen], None], words: str) -> None:
    spoil(seen)
    found = faults(seen, WANTED)
    assert len(found) >= 1
    assert words in " ".join(found), found


def test_sound_of_another_clock_is_not_compared(seen: Seen) -> None:
    part(seen)
    seen.common_clock = False
    assert faults(seen, WANTED) == []


def test_pictures_alone_and_sound_alone(seen: Seen) -> None:
    alone = Seen(codecs={"video": "h264"}, size=seen.size, pictures=seen.pictures)
    assert faults(alone, Wanted(audio="", seconds=3)) == []
    assert faults(alone, WANTED)
    heard = Seen(codecs={"audio": "aac"}, sound=seen.sound)
    assert faults(heard, Wanted(video="", seconds=3)) == []


def test_what_lacks_packets_is_read_as_it_is(clip: Path) -> None:
    """Neither the reader nor the decoder makes up for what is lost."""
    file = io.BytesIO()
    with av.open(str(clip)) as whole, av.open(file, "w", format="nut") as lossy:
        (video,) = whole.streams.video
        copied = lossy.add_stream_from_template(video)
        for number, packet in enumerate(whole.demux(video)):
            if packet.dts is not None and number not in (30, 31, 32):
                packet.stream = copied
                lossy.mux(packet)
    file.seek(0)
    found = faults(judging.read([file]), Wanted(audio="", seconds=3))
    assert "from picture to picture: 0.160 s" in " ".join(found)


def test_what_lies_behind_the_place_of_the_stop_is_no_gap(tmp_path: Path) -> None:
    """The last one of three that are decoded out of order is shown two later than they."""
    film = make(tmp_path / "clock.mp4", b_frames=2, seconds=2)
    cut = tmp_path / "cut.mp4"
    with av.open(str(film)) as source, av.open(str(cut), "w") as target:
        video = source.streams.video[0]
        out = target.add_stream_from_template(video)
        for number, packet in enumerate(source.demux(video)):
            if number == 36 or packet.dts is None:
                break
            packet.stream = out
            target.mux(packet)
    seen, wanted = judging.read([cut]), Wanted(audio="", seconds=1.4)
    assert any("from picture to picture" in fault for fault in faults(seen, wanted))
    assert faults(judging.whole(seen), wanted) == []


def test_times_of_framecrc() -> None:
    text = (
        "#tb 0: 1/90000\n#media_type 0: video\n#tb 1: 1/1000\n#media_type 1: audio\n"
        "0,       9000,      12600,     3600,     1, 0x1\n1, 100, 100, 20, 1, 0x1\n"
        "0,      12600,      16200,     3600,     1, 0x1\n"
    )
    assert judging.times(text) == {"video": [0.1, 0.14], "audio": [0.1]}
