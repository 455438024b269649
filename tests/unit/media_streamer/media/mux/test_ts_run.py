"""Many frames at once are, byte for byte, what the muxer of single frames writes."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from media_streamer.media.frame import TIME_BASE, Frame, Track
from media_streamer.media.mux.ts import TsMuxer
from media_streamer.media.mux.ts_run import TsRunMuxer
from media_streamer.wire.frame import Run

VIDEO = Track(0, "v1", "video", "mpeg2video", b"", "mp4v.61")
AUDIO = Track(1, "a1", "audio", "mp2", b"", "mp4a.6B")
OPUS = Track(2, "a2", "audio", "opus", b"", "opus")
AV1 = Track(0, "v1", "video", "av1", b"", "av01.0.00M.08")

SIZES = st.integers(0, 600) | st.sampled_from([150, 154, 160, 165, 170, 175, 184, 188, 66_000])
FRAME = st.tuples(SIZES, st.integers(0, TIME_BASE), st.integers(-2, 3), st.booleans())


def frames_of(track: Track, made: Sequence[tuple[int, int, int, bool]], begin: int) -> list[Frame]:
    found, dts = [], begin
    for number, (size, step, reorder, key) in enumerate(made):
        data = bytes((number + track.number * 16 & 0xFF,)) * size
        found.append(Frame(track.number, dts, dts + reorder * 3600, step, key, data))
        dts += step
    return found


def run_of(frames: Sequence[Frame]) -> Run:
    return Run(
        [one.dts for one in frames],
        [one.pts for one in frames],
        [one.key for one in frames],
        [len(one.data) for one in frames],
        memoryview(bytearray(b"".join(one.data for one in frames))),
    )


def by_frame(tracks: Sequence[Track], runs: Sequence[Sequence[Frame]]) -> bytes:
    muxer = TsMuxer(tracks, in_pieces=True)
    frames = sorted((frame for run in runs for frame in run), key=lambda frame: frame.dts)
    return b"".join(muxer.mux(frame, number == 0) for number, frame in enumerate(frames))


@given(
    *(st.lists(FRAME, max_size=25) for _ in range(3)),
    st.sampled_from([VIDEO, AV1]),
    st.sampled_from([-5000, 0, 2**33 - 40_000]),
)
@settings(max_examples=60)
def test_it_is_the_same(
    pictures: list[tuple[int, int, int, bool]],
    sounds: list[tuple[int, int, int, bool]],
    others: list[tuple[int, int, int, bool]],
    first: Track,
    begin: int,
) -> None:
    tracks = [first, AUDIO, OPUS]
    runs = [
        frames_of(track, made, begin)
        for track, made in zip(tracks, (pictures, sounds, others), strict=True)
    ]
    made = TsRunMuxer(tracks, in_pieces=True).mux_runs([run_of(run) for run in runs])
    carried = [run for track, run in zip(tracks, runs, strict=True) if track is not AV1]
    assert bytes(made) == by_frame(tracks, [run for run in carried if run])
