"""The engine on the test picture: real decoders, filters and encoders of the wheel."""

import io
import itertools
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np
import pytest
from media_api.transcoder import TranscoderSpec
from media_streamer.media.track import template
from media_streamer.transcoder.engine import Engine
from media_streamer.transcoder.plan import make_plan
from media_streamer.wire.frame import TIME_BASE, Frame

from tests.support.transcoding import START, Made, Source, Transcode, film_of, pictures, psnr

LADDER: dict[str, Any] = {
    "video": [
        {"bitrate": 300_000, "gop": 30, "preset": "ultrafast"},
        {"bitrate": 100_000, "size": {"width": -1, "height": 90}, "preset": "ultrafast"},
    ],
    "audio": {"bitrate": 64_000},
}


def test_a_ladder_has_its_key_frames_at_the_same_stamps(transcode: Transcode) -> None:
    made = transcode(LADDER)
    assert [track.name for track in made.tracks] == ["v1", "v2", "a1"]
    assert [(t.width, t.height) for t in made.tracks] == [(320, 180), (160, 90), (0, 0)]
    assert len({frame.pts for frame in made.of("v1")}) == 75
    assert [f.pts for f in made.of("v1") if f.key] == [f.pts for f in made.of("v2") if f.key]
    assert len(made.keys("v1")) in {3, 4}
    for name in ("v1", "v2", "a1"):
        dts = [frame.dts for frame in made.of(name)]
        assert all(before < after for before, after in itertools.pairwise(dts))
    assert abs(sum(frame.duration for frame in made.of("a1")) - 3 * TIME_BASE) < TIME_BASE // 4
    assert made.device == "cpu"


def test_the_pictures_are_those_of_the_source(transcode: Transcode, source: Source) -> None:
    made = transcode(LADDER)
    before = pictures(source.tracks[0], [one for one in source.frames if one.track == 0])
    for name in ("v1", "v2"):
        track = next(one for one in made.tracks if one.name == name)
        after = pictures(track, made.of(name))
        assert len(after) == len(before) == 75
        for index in (0, 31, 74):
            was = before[index].reformat(track.width, track.height, "gray").to_ndarray()
            now = after[index].reformat(format="gray").to_ndarray()
            error = np.mean((was.astype(float) - now) ** 2)
            assert 10 * np.log10(255**2 / max(error, 1e-9)) > 28


def test_a_rendition_is_as_good_as_ffmpegs_with_the_same_settings(
    transcode: Transcode, source: Source
) -> None:
    """Of the same pictures, by the program ffmpeg; how many bits it takes is alike, too."""
    video = {"bitrate": 120_000, "gop": 25, "preset": "veryfast"}
    ours = transcode({"video": [video]})
    before = pictures(source.tracks[0], [one for one in source.frames if one.track == 0])
    raw = b"".join(one.reformat(format="yuv420p").to_ndarray().tobytes() for one in before)
    keys = ",".join(str(number / 25) for number in ours.keys("v1"))
    words = (
        "ffmpeg -v error -f rawvideo -pix_fmt yuv420p -s 320x180 -r 25 -i - -c:v libx264"
        " -preset veryfast -b:v 120k -maxrate 144k -bufsize 240k -g 1000 -sc_threshold 0"
        f" -forced-idr 1 -force_key_frames {keys} -f h264 -"
    )
    made = subprocess.run(words.split(), input=raw, stdout=subprocess.PIPE, check=True, timeout=60)
    with av.open(io.BytesIO(made.stdout), "r", format="h264") as container:
        theirs = list(container.decode(video=0))
    own = pictures(next(one for one in ours.tracks if one.name == "v1"), ours.of("v1"))
    assert len(own) == len(theirs) == len(before)
    assert psnr(own, before) > psnr(theirs, before) - 0.5
    assert sum(len(one.data) for one in ours.of("v1")) < 1.25 * len(made.stdout)


@pytest.mark.parametrize("codec", ["hevc", "av1", "mp2v"])
def test_other_video_codecs(transcode: Transcode, source: Source, codec: str) -> None:
    video = {"bitrate": 300_000, "codec": codec, "gop": 25, "preset": "ultrafast"}
    made = transcode({"video": [video]}, source.frames[:90])
    (track,) = made.tracks
    assert track.codec == {"mp2v": "mpeg2video"}.get(codec, codec)
    shown = pictures(track, made.of("v1"))
    assert len(shown) >= 20
    assert (shown[0].width, shown[0].height) == (320, 180)


@pytest.mark.parametrize("codec", ["aac", "opus", "mp3", "mp2a", "ac3", "eac3"])
def test_sound_in_each_codec(transcode: Transcode, codec: str) -> None:
    made = transcode({"audio": {"bitrate": 96_000, "codec": codec, "sample_rate": 48_000}})
    (track,) = made.tracks
    assert (track.channels, track.sample_rate, track.bit_rate) == (2, 48000, 96_000)
    with template(track.init) as container:
        context: Any = container.streams[0].codec_context
        heard = [s for f in made.of("a1") for s in context.decode(av.Packet(f.data))]
    samples = np.concatenate([one.to_ndarray().astype(float).ravel() for one in heard])
    assert np.abs(samples).max() > 0
    assert abs(made.of("a1")[0].pts - START) < TIME_BASE // 10


@pytest.mark.parametrize("codec", ["pcma", "pcmu"])
def test_sound_of_telephones(transcode: Transcode, codec: str) -> None:
    made = transcode({"audio": {"codec": codec, "channels": 2, "sample_rate": 44_100}})
    (track,) = made.tracks
    assert track.codec == {"pcma": "pcm_alaw", "pcmu": "pcm_mulaw"}[codec]
    assert (track.channels, track.sample_rate, track.bit_rate) == (1, 8000, 64_000)
    frames = made.of("a1")
    assert {len(one.data) for one in frames} == {160}, "20 ms each, as RTP sends them"
    assert {b.pts - a.pts for a, b in itertools.pairwise(frames)} == {TIME_BASE // 50}
    assert len(frames) >= 2.8 * 50


def test_each_channel_is_a_track(transcode: Transcode, tmp_path: Path) -> None:
    """Of a source with a low tone on the left and a high one on the right."""
    tones = ("-f", "lavfi", "-i", "aevalsrc=sin(880*PI*t)|sin(4000*PI*t):s=48000:d=1")
    subprocess.run(
        ["ffmpeg", "-v", "error", *tones, "-c:a", "aac", str(tmp_path / "a.mp4")], check=True
    )
    source = film_of(tmp_path / "a.mp4")
    spec = {"audio": {"bitrate": 96_000, "split_channels": True}}
    made = transcode(spec, source.frames, source.tracks)
    found = {}
    for track in made.tracks:
        assert track.channels == 1
        with template(track.init) as container:
            context: Any = container.streams[0].codec_context
            heard = [s for f in made.of(track.name) for s in context.decode(av.Packet(f.data))]
        samples = np.concatenate([one.to_ndarray().ravel() for one in heard])[8192:24576]
        spectrum = np.abs(np.fft.rfft(samples))
        found[track.name] = float(spectrum.argmax() * 48_000 / len(samples))
    assert found == {"a1": pytest.approx(440, abs=6), "a2": pytest.approx(2000, abs=6)}


def test_pictures_in_another_form(transcode: Transcode, source: Source) -> None:
    """Grey ones have no colour; a form that the encoder has is kept."""
    video = {"bitrate": 400_000, "preset": "ultrafast", "gop": 25}
    made = transcode({"decoder": {"pix_fmt": "gray8"}, "video": [video]}, source.frames[:40])
    (track,) = made.tracks
    shown = pictures(track, made.of("v1"))[3]
    assert np.abs(shown.to_ndarray()[180:].astype(int) - 128).max() <= 2
    made = transcode({"decoder": {"pix_fmt": "yuv422p10"}, "video": [video]}, source.frames[:40])
    (track,) = made.tracks
    assert pictures(track, made.of("v1"))[3].format.name == "yuv422p10le"


@pytest.mark.parametrize(("tradeoff", "most"), [(0, 0.0), (15, 0.2), (23, 0.67)])
def test_how_much_is_left_out_is_said(
    source: Source, monkeypatch: pytest.MonkeyPatch, tradeoff: int, most: float
) -> None:
    monkeypatch.setattr("media_streamer.transcoder.engine.THIN_TICKS", TIME_BASE // 5)
    video = {"bitrate": 300_000, "preset": "ultrafast", "temporal_tradeoff": tradeoff}
    plan = make_plan(TranscoderSpec.model_validate({"video": [video]}), source.tracks)
    made = Made()
    engine = Engine(plan.work, source.tracks, made)
    engine.push(source.frames)  # three seconds at once
    engine.start()
    engine.finish()
    assert made.over.wait(60)
    assert 75 * most * 0.7 <= engine.frames_dropped <= 75 * most


def test_volume_and_channels(transcode: Transcode) -> None:
    def loudness(**options: Any) -> float:
        made = transcode({"audio": {"bitrate": 64_000, "channels": 1, **options}})
        (track,) = made.tracks
        assert track.channels == 1
        with template(track.init) as container:
            context: Any = container.streams[0].codec_context
            heard = [s for f in made.of("a1") for s in context.decode(av.Packet(f.data))]
        return float(np.std(np.concatenate([one.to_ndarray().ravel() for one in heard])))

    assert loudness(avol="-20dB") == pytest.approx(loudness() / 10, rel=0.3)


def test_a_hole_in_the_sound_is_silence(transcode: Transcode, source: Source) -> None:
    kept = [one for one in source.frames if not START + 90_000 < one.dts < START + 150_000]
    made = transcode({"audio": {"bitrate": 64_000}}, kept)
    steps = {after.dts - before.dts for before, after in itertools.pairwise(made.of("a1"))}
    assert max(steps) <= 1921


def test_another_rate_size_and_shape(transcode: Transcode) -> None:
    size = {"width": 200, "height": 200, "background": "#ff0000"}
    made = transcode({"video": [{"bitrate": 100_000, "fps": 12.5, "size": size, "gop": 25}]})
    (track,) = made.tracks
    assert (track.width, track.height, track.fps) == (200, 200, 12.5)
    assert 36 <= len(made.of("v1")) <= 39
    shown = pictures(track, made.of("v1"))[20].to_ndarray(format="rgb24")
    red, green, _ = shown[5, 100]
    assert red > 150
    assert green < 80


@pytest.mark.parametrize(
    "video",
    [
        {"size": {"width": 100, "height": 100, "strategy": "crop"}},
        {"size": {"width": 100, "height": 100, "background": "blur"}},
        {"size": {"width": 333, "height": -1}, "bframes": 0, "refs": 2, "rc_method": "cbr"},
        {"profile": "baseline", "level": "3.1", "qp_range": {"qpminp": 20, "qpmaxp": 40}},
        {"open_gop": True, "threads": 1, "vbv_bufsize": 100_000, "sar": {"x": 4, "y": 3}},
        {"extra": {"tune": "zerolatency"}, "profile": "high10"},
    ],
)
def test_options_that_encoders_take(
    transcode: Transcode, source: Source, video: dict[str, Any]
) -> None:
    made = transcode(
        {"video": [{"bitrate": 100_000, "preset": "ultrafast", **video}]}, source.frames[:60]
    )
    assert made.refusal == ""
    (track,) = made.tracks
    assert len(pictures(track, made.of("v1"))) == len(made.of("v1")) > 10


def test_decoder_options_and_a_logo(transcode: Transcode, source: Source, tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    with av.open(str(logo), "w", format="image2") as output:
        stream: Any = output.add_stream("png")
        stream.width = stream.height = 16
        stream.pix_fmt = "rgb24"
        white = np.full((16, 16, 3), 255, np.uint8)
        output.mux(stream.encode(av.VideoFrame.from_ndarray(white, format="rgb24")))
        output.mux(stream.encode(None))
    decoder = {"deinterlace": "yadif", "crop": {"left": 0, "top": 0, "width": 160, "height": 90}}
    video = {"bitrate": 200_000, "logo": {"path": str(logo), "position": "br", "x": 4, "y": 4}}
    made = transcode({"decoder": decoder, "video": [video]}, source.frames[:60])
    (track,) = made.tracks
    assert (track.width, track.height) == (160, 90)
    shown = pictures(track, made.of("v1"))[10].to_ndarray(format="gray")
    assert shown[90 - 12, 160 - 12] > 200
    above = {"path": str(logo), "position": "tl", "x": 4, "y": 4}
    small = {"bitrate": 200_000, "size": {"width": 80, "height": 45}, "alogo": above}
    made = transcode({"decoder": decoder, "video": [small]}, source.frames[:60])
    shown = pictures(made.tracks[0], made.of("v1"))[10].to_ndarray(format="gray")
    assert shown[5:19, 5:19].mean() > 200, "not scaled with the picture"
    missing = {"bitrate": 1000, "logo": {"path": str(tmp_path / "none.png")}}
    assert "none.png" in transcode({"video": [missing]}).refusal


@pytest.mark.parametrize(
    ("video", "said"),
    [
        ({"profile": "high", "level": "99"}, "v1: libx264 cannot encode 320x180"),
        ({"extra": {"no_such": "x"}, "size": {"width": 16384, "height": 16384}}, "v1: libx264"),
        ({"codec": "mp2v", "profile": "main", "level": "x"}, "v1: mpeg2video"),
    ],
)
def test_an_encoder_that_cannot_open_says_why(
    transcode: Transcode, video: dict[str, Any], said: str
) -> None:
    made = transcode({"video": [{"bitrate": 100_000, **video}]})
    assert made.refusal.startswith(said)


def test_broken_frames_are_counted_and_left_out(transcode: Transcode, source: Source) -> None:
    broken = [
        Frame(f.track, f.dts, f.pts, f.duration, f.key, b"\0\0\0\1x" if index % 7 == 3 else f.data)
        for index, f in enumerate(source.frames)
    ]
    made = transcode(LADDER, broken)
    assert made.refusal == ""
    assert made.engine is not None
    assert made.engine.decode_errors > 0
    assert len(made.of("v1")) > 20


def test_whoever_asks_gets_a_key_frame(source: Source) -> None:
    spec = {"video": [{"bitrate": 100_000, "gop": 1000, "preset": "ultrafast"}]}
    plan = make_plan(TranscoderSpec.model_validate(spec), source.tracks)
    made = Made()
    engine = Engine(plan.work, source.tracks, made)
    video = [one for one in source.frames if one.track == 0]
    engine.start()
    engine.push(video[:20])
    while engine.frames_decoded < 15:
        assert not made.over.wait(0.01), made.refusal
    engine.request_key_frame()
    engine.push(video[20:40])
    engine.finish()
    assert made.over.wait(60)
    assert sum(frame.key for frame in made.of("v1")) == 2


def test_encoders_that_do_not_keep_up_leave_pictures_out_for_all_alike(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media_streamer.transcoder.engine.THIN_TICKS", TIME_BASE // 5)
    plan = make_plan(TranscoderSpec.model_validate(LADDER), source.tracks)
    made = Made()
    engine = Engine(plan.work, source.tracks, made)
    engine.push(source.frames)  # three seconds at once
    engine.start()
    engine.finish()
    assert made.over.wait(60)
    assert engine.frames_dropped > 10
    assert [f.pts for f in made.of("v1")] == [f.pts for f in made.of("v2")]
    assert [f.pts for f in made.of("v1") if f.key] == [f.pts for f in made.of("v2") if f.key]


def test_a_text_is_burnt_into_the_rendition_that_wants_it(
    transcode: Transcode, source: Source
) -> None:
    label = {"text": "TEXT", "position": "c", "font": {"size": 40, "color": "white"},
             "box": {"color": "black", "borderw": 10}}  # fmt: skip
    plain = {"bitrate": 400_000, "preset": "ultrafast"}
    videos = [{**plain, "burn": {"text": label}}, plain]
    made = transcode({"video": videos}, source.frames[:60])
    with_text, without = (
        pictures(track, made.of(track.name))[0].reformat(format="gray").to_ndarray()
        for track in made.tracks
    )
    box = with_text[60:120, 110:210]
    assert box.min() < 30
    assert box.max() > 200
    assert abs(with_text[:40].astype(int) - without[:40]).mean() < 3
    assert abs(box.astype(int) - without[60:120, 110:210]).mean() > 20


@pytest.mark.parametrize("codec", ["h264", "mp2v"])
@pytest.mark.parametrize(("wish", "upper"), [(True, True), ("bff", False)])
def test_fields_are_encoded(
    transcode: Transcode, source: Source, codec: str, wish: bool | str, upper: bool
) -> None:
    video = {"bitrate": 400_000, "codec": codec, "preset": "ultrafast", "interlace": wish,
             "size": {"width": 160, "height": 96}}  # fmt: skip
    made = transcode({"video": [video]}, source.frames[:60])
    (track,) = made.tracks
    decoded = pictures(track, made.of("v1"))
    assert len(decoded) > 20
    assert all(picture.interlaced_frame for picture in decoded)
    assert {_upper_first(picture) for picture in decoded} == {upper}


def _upper_first(picture: av.VideoFrame) -> bool:
    """Which field comes first, as FFmpeg's filter of fields sees it: it gives that first."""
    graph = av.filter.Graph()
    picture.time_base = Fraction(1, TIME_BASE)
    source = graph.add_buffer(
        width=picture.width,
        height=picture.height,
        format=picture.format,
        time_base=picture.time_base,
    )
    separated, sink = graph.add("separatefields"), graph.add("buffersink")
    source.link_to(separated)
    separated.link_to(sink)
    graph.configure()
    graph.push(picture)
    first = graph.pull()
    assert isinstance(first, av.VideoFrame)
    rows = picture.to_ndarray(format="gray")
    field = first.to_ndarray(format="gray")
    return bool((field == rows[0::2]).all())
