"""From words to work."""

from typing import Any, get_args

import av.video.format
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_api.transcoder import PixelFormat, TranscoderSpec
from media_streamer.transcoder.plan import PlanError, make_plan
from media_streamer.wire.frame import TIME_BASE, Track

VIDEO = Track(0, "v1", "video", "h264", b"", "avc1", width=1280, height=720, fps=25.0)
AUDIO = Track(1, "a1", "audio", "aac", b"", "mp4a", channels=2, sample_rate=44100, language="deu")
SECOND = Track(2, "a2", "audio", "mp2", b"", "mp4a", channels=1, sample_rate=22050)
TEXT = Track(3, "t1", "subtitles", "webvtt", b"", "wvtt")
ALL = (VIDEO, AUDIO, SECOND, TEXT)


def plan(document: dict[str, Any], *tracks: Track) -> Any:
    return make_plan(TranscoderSpec.model_validate(document), tracks or ALL)


def test_a_ladder_and_all_sound() -> None:
    made = plan(
        {
            "video": [
                {"bitrate": 500_000, "size": {"width": -1, "height": 240}},
                {"bitrate": 2_000_000, "gop": 50, "fps": 29.97},
            ],
            "audio": {"bitrate": 96_000, "codec": "opus"},
        }
    )
    low, high = made.work.renditions
    assert (low.name, low.number, low.group, low.rank) == ("v1", 0, "ladder", 1)
    assert (high.name, high.number, high.group, high.rank) == ("v2", 1, "ladder", 0)
    # All on one grid as soon as one has a rate of its own.
    assert (low.fps, high.fps) == ((25000, 1000), (30000, 1001))
    assert made.work.decoding.gop_ticks == round(50 * TIME_BASE / 29.97)
    first, second = made.work.sounds
    assert (first.name, first.track, first.sample_rate, first.language) == ("a1", 1, 48000, "deu")
    assert (second.name, second.track, second.channels) == ("a2", 2, 1)
    assert {number: [one.name for one in to] for number, to in made.copies.items()} == {3: ["t1"]}
    assert made.taken == {0, 1, 2}
    assert made.made == [0, 1, 2, 3]


def test_a_copy_gives_its_key_frames_to_all() -> None:
    made = plan({"video": [{"bitrate": "copy", "gop": 25}, {"bitrate": 300_000, "gop": 25}]})
    assert made.work.decoding.gop_ticks == made.work.decoding.most_ticks == 0
    (copy,) = made.copies[0]
    assert (copy.name, copy.number, copy.group, copy.rank) == ("v1", 0, "ladder", 0)
    assert made.work.renditions[0].rank == 1
    assert [one.name for one in made.copies[1] + made.copies[2]] == ["a1", "a2"]
    assert made.taken == {0}


def test_sound_alone() -> None:
    made = plan({"audio": {"bitrate": 64_000, "codec": "mp3", "channels": 6, "avol": "-3dB"}})
    assert made.work.decoding is None
    assert [one.codec for one in made.work.sounds] == ["mp3", "mp3"]
    assert [one.channels for one in made.work.sounds] == [2, 2]
    assert made.work.sounds[0].volume == "-3dB"
    assert [one.name for one in made.copies[0]] == ["v1"]


def test_a_source_without_what_is_asked_for() -> None:
    ladder = {"video": [{"bitrate": 1000}], "audio": {"bitrate": 64_000}}
    assert plan(ladder, AUDIO).work.decoding is None
    assert plan(ladder, VIDEO).work.sounds == []


def test_the_device_that_is_named() -> None:
    """`external` is what is always done, and changes nothing."""
    document = {"global": {"hw": "nvenc", "deviceid": 1, "external": True}, "video": [{}]}
    assert plan(document).work.device == 1
    assert plan({"global": {"hw": "nvenc", "deviceid": "auto"}, "video": [{}]}).work.device is None


def test_tracks_one_by_one() -> None:
    made = plan(
        {
            "tracks": [
                {"content": "video", "bitrate": 800_000},
                {
                    "content": "audio",
                    "bitrate": 64_000,
                    "input_track": "a2",
                    "channels": 1,
                    "volume": "+5dB",
                },
                {"content": "audio", "bitrate": "copy", "input_track": "a1"},
                {"content": "audio", "bitrate": 32_000, "input_track": "a9"},
            ]
        }
    )
    assert [one.codec for one in made.work.renditions] == ["h264"]
    assert [(one.name, one.track) for one in made.work.sounds] == [("a1", 2)]
    assert [(one.volume, one.channels, one.codec) for one in made.work.sounds] == [
        ("+5dB", 1, "aac")
    ]
    assert [(one.name, one.number) for one in made.copies[1]] == [("a2", 2)]


def test_the_words_of_the_decoder() -> None:
    decoder = {"deinterlace": True, "deinterlace_rate": "field", "drop_frame_interval": 3}
    decoder["crop"] = {"left": 1, "top": 2, "width": 3, "height": 4}
    made = plan({"decoder": decoder, "video": [{"bitrate": 1000}], "global": {"gop": 100}})
    decoding = made.work.decoding
    assert (decoding.deinterlace, decoding.fields, decoding.drop_each) == ("bwdif", True, 3)
    assert (decoding.crop.left, decoding.crop.height) == (1, 4)
    assert decoding.gop_ticks == 4 * TIME_BASE


def test_the_form_that_pictures_are_decoded_to() -> None:
    def made(pix_fmt: str, **video: str) -> tuple[str, str]:
        work = plan({"decoder": {"pix_fmt": pix_fmt}, "video": [video]}).work
        return work.decoding.pix_fmt, work.renditions[0].pix_fmt

    assert made("yuv422p10") == ("yuv422p10le", "yuv422p10le")
    assert made("yuv444p", codec="hevc") == ("yuv444p", "yuv444p")
    # What an encoder or its profile has not is brought to what it has.
    assert made("gray8") == ("gray", "yuv420p")
    assert made("yuv444p", codec="av1") == ("yuv444p", "yuv420p")
    assert made("yuv444p", profile="main") == ("yuv444p", "yuv420p")
    for name in get_args(PixelFormat):
        assert made(name)[0] in av.video.format.names


def test_how_many_pictures_are_left_out_under_overload() -> None:
    videos = [{}, {"temporal_tradeoff": 15}, {"temporal_tradeoff": 0}]
    assert plan({"video": videos}).work.decoding.thin == (1, 5)
    assert plan({"video": videos[2:]}).work.decoding.thin == (0, 1)
    assert plan({"video": [{}]}).work.decoding.thin == (1, 2)
    # Values of earlier versions, which nothing read.
    older = [{"temporal_tradeoff": number} for number in (1, 2, 3)]
    assert plan({"video": older}).work.decoding.thin == (1, 2)
    assert plan({"video": [*older, {"temporal_tradeoff": 23}]}).work.decoding.thin == (2, 3)


def test_a_track_of_each_channel() -> None:
    made = plan({"audio": {"bitrate": 64_000, "split_channels": True}})
    shown = [(one.name, one.track, one.channel, one.channels) for one in made.work.sounds]
    assert shown == [("a1", 1, 0, 1), ("a2", 1, 1, 1), ("a3", 2, None, 1)]
    assert plan({"audio": {"bitrate": "copy", "split_channels": True}}).work.sounds == []


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"global": {"hw": "qsv"}, "video": [{}]}, "hw=qsv"),
        ({"audio": {"codec": "pcm"}}, "pcm"),
        ({"audio": {"avol": "loud"}}, "avol=loud"),
        ({"video": [{"rc_method": "cbr2pass"}]}, "cbr2pass"),
        ({"video": [{"interlace": "tff_separated"}]}, "tff_separated"),
        ({"video": [{"interlace": True, "codec": "hevc"}]}, "not with hevc"),
        ({"video": [{"interlace": True}], "global": {"hw": "nvenc"}}, "hw=nvenc"),
        ({"video": [{"size": {"width": 2, "background": "a:b"}}]}, "background"),
        ({"tracks": [{"content": "video", "codec": "vp9"}]}, "vp9"),
    ],
)
def test_what_cannot_be_done_is_said(document: dict[str, Any], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        plan(document)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"bitrate": st.just("copy") | st.integers(1000, 10**7)},
            optional={
                "gop": st.integers(0, 500),
                "fps": st.floats(1, 120) | st.sampled_from(["any", "auto"]),
                "size": st.fixed_dictionaries(
                    {}, optional={"width": st.integers(-1, 5000), "height": st.integers(-1, 5000)}
                ),
            },
        ),
        max_size=5,
    ),
    st.none() | st.fixed_dictionaries({"bitrate": st.just("copy") | st.integers(8000, 512_000)}),
    st.lists(st.sampled_from(ALL), unique=True),
)
def test_every_output_track_has_one_maker(
    video: list[dict[str, Any]], audio: dict[str, Any] | None, tracks: list[Track]
) -> None:
    document: dict[str, Any] = {"video": video} | ({"audio": audio} if audio else {})
    made = make_plan(TranscoderSpec.model_validate(document), tracks)
    copies = [one for group in made.copies.values() for one in group]
    numbers = [*made.made, *(one.number for one in copies)]
    assert sorted(numbers) == list(range(len(numbers)))
    names = [one.name for one in (*made.work.renditions, *made.work.sounds, *copies)]
    assert len(set(names)) == len(names)
    ranks = [one.rank for one in (*made.work.renditions, *copies) if one.group]
    assert sorted(ranks) == list(range(len(ranks)))


def test_labels_of_a_track_go_before_those_of_all() -> None:
    font = {"file": "/f.ttf", "size": 30, "color": "red", "alpha": 0.7}
    two = {"text": "two", "x": 3, "y": 4, "font": font}
    spec = {
        "global": {"burn": {"time": {"position": "br", "box": {"alpha": 0.5}}}},
        "video": [{"bitrate": 1}, {"bitrate": 2, "burn": {"text": two}}],
    }
    first, second = (one.labels for one in plan(spec, VIDEO).work.renditions)
    assert [(one.text, one.is_time, one.position) for one in first] == [
        ("%Y-%m-%d %H:%M:%S", True, "br")
    ]
    assert first[0].box is not None
    assert first[0].box.alpha == 0.5
    (label,) = second
    assert (label.text, label.is_time, label.box, label.x, label.y) == ("two", False, None, 3, 4)
    assert (label.font, label.size, label.color, label.alpha) == ("/f.ttf", 30, "red", 0.7)


def test_tracks_one_by_one_have_labels_and_fields() -> None:
    track = {"content": "video", "bitrate": 1, "interlace": "bff", "burn": {"time": {"text": "%S"}}}
    (made,) = plan({"tracks": [track]}, VIDEO).work.renditions
    assert made.interlace == "bff"
    assert [(one.text, one.is_time) for one in made.labels] == [("%S", True)]
