"""Several videos come in one order, with the key frames that they share side by side."""

from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.frame import Frame, Track
from media_streamer.media.gop import Boundary, BoundaryFinder
from media_streamer.media.renditions import MAX_SKEW, Renditions

STEP = 3600
BEST, SMALL = (Track(n, f"v{n + 1}", "video", "h264", b"", "avc1.42c00a") for n in (0, 1))
AUDIO = Track(2, "a1", "audio", "aac", b"", "mp4a.40.2")
TRACKS = (BEST, SMALL, AUDIO)


def video(track: int, count: int, gop: int = 5, depth: int = 0) -> list[Frame]:
    """Pictures at 25 a second; `depth`: frames between decoding and presentation."""
    return [
        Frame(track, (n - depth) * STEP, n * STEP, STEP, n % gop == 0, b"x") for n in range(count)
    ]


def places(frames: list[Frame], track: int) -> list[int]:
    return [n for n, frame in enumerate(frames) if frame.track == track and frame.key]


@given(
    behind=st.lists(st.integers(0, 25), min_size=2, max_size=2),
    depths=st.lists(st.integers(0, 2), min_size=2, max_size=2),
    rounding=st.integers(-90, 90),
    batch=st.integers(1, 20),
)
def test_the_same_moments_come_together(
    behind: list[int], depths: list[int], rounding: int, batch: int
) -> None:
    """However late the encoders are, and whatever their B-frames: all before a key frame is out
    when it comes, and those of the other videos follow it at once."""
    arriving: list[tuple[int, int, Frame]] = []
    for track in (0, 1):
        for n, frame in enumerate(video(track, 100, depth=depths[track])):
            frame.pts += rounding * track
            arriving.append((n + behind[track], track, frame))
    order = [frame for _, _, frame in sorted(arriving, key=lambda item: item[:2])]
    made = Renditions(TRACKS)
    out: list[Frame] = []
    for at in range(0, len(order), batch):
        out += made.push(order[at : at + batch])
        assert all(made.is_common(frame) for frame in out if frame.track == 0)
    out += made.flush()
    assert made.held_bytes == 0
    for track in (0, 1):
        mine = [frame for frame in out if frame.track == track]
        assert mine == [frame for frame in order if frame.track == track]
    assert places(out, 1) == [place + 1 for place in places(out, 0)]
    for place in places(out, 0):
        assert all(frame.pts < out[place].pts + STEP // 2 for frame in out[:place])


def test_nobody_waits_longer_than_it_takes() -> None:
    """In step, a picture goes on with the one of the same moment; sound never waits."""
    made = Renditions(TRACKS)
    for first, second in zip(video(0, 20), video(1, 20), strict=True):
        sound = Frame(2, first.dts, first.dts, 1920, True, b"x")
        assert made.push([first]) == []
        assert made.push([sound]) == [sound]
        assert made.push([second]) == [first, second]


def test_a_video_that_has_ended_is_waited_for_once() -> None:
    made = Renditions(TRACKS)
    made.push([*video(0, 10), *video(1, 10)])
    held = 0
    for frame in video(0, 100)[10:]:
        if made.push([frame]):
            break
        held += 1
    assert held * STEP >= MAX_SKEW - STEP
    later = video(0, 100)[12 + held :]
    assert [made.push([frame]) for frame in later] == [[frame] for frame in later]
    # And one that is back is in step again.
    back = Frame(1, later[-1].dts, later[-1].pts, STEP, True, b"x")
    assert made.push([back]) == [back]


def boundaries(first: list[Frame], second: list[Frame], max_gap: int) -> list[int]:
    made = Renditions(TRACKS)
    finder = BoundaryFinder(TRACKS, max_gap, made.is_common)
    found = []
    for frame in sorted([*first, *second], key=lambda frame: (frame.dts, frame.track)):
        out = made.push([frame])
        found += [one.dts // STEP for one in out if finder.classify(one) is Boundary.KEY]
    return found


def test_only_key_frames_that_all_have_are_boundaries() -> None:
    """An encoder that puts in key frames of its own (scene cuts) breaks nothing."""
    assert boundaries(video(0, 61, gop=10), video(1, 61, gop=20), 10**9) == [0, 20, 40, 60]


def test_videos_that_share_no_key_frames_are_cut_by_the_first() -> None:
    other = video(1, 60, gop=20)
    for frame in other:
        frame.key = (frame.dts // STEP) % 20 == 7
    assert boundaries(video(0, 60, gop=20), other, 10**9) == [0, 20, 40]


def test_what_is_shared_no_more_is_given_up_in_time() -> None:
    other = video(1, 200, gop=20)
    for frame in other[1:]:
        frame.key = False
    found = boundaries(video(0, 200, gop=20), other, 100 * STEP)
    assert found == [0, 60, 80, 100, 120, 140, 160, 180]
