"""Text and time burnt into pictures."""

from pathlib import Path

import av
import numpy as np
import pytest
from media_streamer.transcoder.errors import EncoderRefused
from media_streamer.transcoder.labels import Labels
from media_streamer.wire.transcoding import Box, LabelWish
from msgspec.structs import replace

WORDS = LabelWish("Hello", size=24, box=Box(border=4))


def grey(form: str = "yuv420p", width: int = 320, height: int = 180) -> av.VideoFrame:
    picture = av.VideoFrame(width, height, form)
    deep = form.endswith("10le")
    for plane in picture.planes:
        value = (512).to_bytes(2, "little") if deep else bytes((128,))
        plane.update(value * (plane.buffer_size // len(value)))
    return picture


def changed(picture: av.VideoFrame) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is no longer grey."""
    luma = picture.to_ndarray(format="gray")
    rows, columns = np.nonzero(np.abs(luma.astype(int) - int(luma[0, -1])) > 3)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def burnt(wish: LabelWish, utc_ms: int = 0, form: str = "yuv420p") -> av.VideoFrame:
    picture = grey(form)
    Labels([wish]).burn(picture, utc_ms)
    return picture


@pytest.mark.parametrize(
    ("position", "edges"),
    [
        ("tl", {0: 10, 1: 6}), ("br", {2: 310, 3: 174}), ("bl", {0: 10, 3: 174}),
        ("ct", {1: 6}), ("cb", {3: 174}), ("c", {}),
    ],
)  # fmt: skip
def test_a_label_stands_where_it_is_wanted(position: str, edges: dict[int, int]) -> None:
    label = replace(WORDS, position=position, x=10 if position not in ("ct", "cb", "c") else 0,
                    y=6 if position != "c" else 0)  # fmt: skip
    place = changed(burnt_beside(label))
    assert all(abs(place[side] - wanted) <= 2 for side, wanted in edges.items()), place
    if position in ("ct", "cb", "c"):
        assert abs(place[0] - (320 - place[2])) <= 2
    if position == "c":
        assert abs(place[1] - (180 - place[3])) <= 2


def burnt_beside(label: LabelWish) -> av.VideoFrame:
    """The corner that is compared with stays grey: the upper right one."""
    return burnt(label)


@pytest.mark.parametrize("form", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
def test_colours_are_those_that_were_asked_for(form: str) -> None:
    picture = burnt(replace(WORDS, color="black", box=Box("red", border=8)), form=form)
    left, top, right, bottom = changed(picture)
    assert 40 < right - left < 120
    assert 20 < bottom - top < 60
    red = picture.reformat(format="rgb24").to_ndarray()[top + 2, left + 2]
    assert red[0] > 230
    assert max(red[1], red[2]) < 30
    outside = picture.reformat(format="rgb24").to_ndarray()[170, 300].astype(int)
    assert np.ptp(outside) < 6


def test_opacity_lets_the_picture_through() -> None:
    half = burnt(replace(WORDS, text=" ", box=Box("white", 0.5, 20)))
    left, top, right, bottom = changed(half)
    luma = np.frombuffer(half.planes[0], np.uint8).reshape(-1, half.planes[0].line_size)
    assert luma[(top + bottom) // 2, (left + right) // 2] == pytest.approx((128 + 235) / 2, abs=2)


def test_a_time_runs_and_waits_until_it_is_known() -> None:
    clock = LabelWish("%H:%M:%S", is_time=True, size=24)
    labels = Labels([clock])
    made = []
    for utc_ms in (0, 1_700_000_000_000, 1_700_000_000_900, 1_700_000_001_000):
        picture = grey()
        labels.burn(picture, utc_ms)
        made.append(picture.to_ndarray(format="gray"))
    assert (made[0] == made[0][0, 0]).all()
    assert (made[1] == made[2]).all()
    assert not (made[1] == made[3]).all()


def test_the_picture_of_others_is_not_written_into() -> None:
    picture = grey()
    before = picture.to_ndarray(format="gray").copy()
    shared = av.VideoFrame.from_ndarray(picture.to_ndarray(), "yuv420p")
    Labels([WORDS]).burn(shared, 0)
    assert (picture.to_ndarray(format="gray") == before).all()


def test_a_text_that_is_larger_than_the_picture_is_cut() -> None:
    picture = grey(width=64, height=48)
    Labels([replace(WORDS, text="a long text\n" * 20, size=40)]).burn(picture, 0)
    assert picture.width == 64


@pytest.mark.parametrize(
    "wish",
    [
        replace(WORDS, font="/none.ttf"),
        replace(WORDS, color="colour of the sea"),
        replace(WORDS, box=Box("#12")),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(wish: LabelWish) -> None:
    with pytest.raises(EncoderRefused, match="burn: "):
        Labels([wish])


def test_a_font_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    with pytest.raises(EncoderRefused, match="burn: "):
        Labels([replace(WORDS, font=str(tmp_path / "broken.ttf"))])
