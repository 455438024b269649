"""Sizes of pictures: what is scaled, cut and padded to get from one size to another. Pure.

Invariants: sizes are even, as 4:2:0 needs them, and at least 2; the picture keeps the shape in
which it is shown (sample aspect ratios count) unless the strategy is `scale`.
"""

from dataclasses import dataclass
from fractions import Fraction

from media_streamer.wire.transcoding import SizeWish, Work

MAX_SIDE = 16384


@dataclass(frozen=True, slots=True)
class Geometry:
    """The way of a picture, all in pixels."""

    width: int
    """Of the result."""
    height: int
    scaled_width: int
    """Before it is cut or padded to the result."""
    scaled_height: int
    sar: Fraction
    """Sample aspect ratio of the result."""

    @property
    def pads(self) -> bool:
        return self.scaled_width < self.width or self.scaled_height < self.height

    @property
    def cuts(self) -> bool:
        return self.scaled_width > self.width or self.scaled_height > self.height


def even(value: Fraction | float) -> int:
    """The nearest even number that a picture's side can have."""
    return min(MAX_SIDE, max(2, 2 * round(value / 2)))


def fit(
    width: int,
    height: int,
    source_sar: Fraction,
    wish: SizeWish | None,
    sar: Fraction | None = None,
) -> Geometry:
    """How a picture of this size becomes the wanted one.

    `sar`: sample aspect ratio of the result; None: that of the source where nothing is scaled,
    square pixels else.
    """
    source_sar = source_sar if source_sar > 0 else Fraction(1)
    if wish is None or (wish.width <= 0 and wish.height <= 0):
        shown = sar or source_sar
        return Geometry(even(width), even(height), even(width), even(height), shown)
    pixel = sar or Fraction(1)
    # Width / height of the picture in pixels of the result.
    aspect = Fraction(width, height) * source_sar / pixel
    if wish.height <= 0:
        return _whole(even(wish.width), even(wish.width / aspect), pixel)
    if wish.width <= 0:
        return _whole(even(wish.height * aspect), even(wish.height), pixel)
    target_width, target_height = even(wish.width), even(wish.height)
    if wish.strategy == "scale":
        return _whole(target_width, target_height, pixel)
    is_wider = aspect > Fraction(target_width, target_height)
    if is_wider == (wish.strategy == "fit"):
        scaled = target_width, even(target_width / aspect)
    else:
        scaled = even(target_height * aspect), target_height
    if wish.strategy == "fit":
        scaled = min(scaled[0], target_width), min(scaled[1], target_height)
    else:
        scaled = max(scaled[0], target_width), max(scaled[1], target_height)
    return Geometry(target_width, target_height, *scaled, pixel)


def _whole(width: int, height: int, sar: Fraction) -> Geometry:
    return Geometry(width, height, width, height, sar)


def decoder_size(work: Work, width: int, height: int) -> tuple[int, int] | None:
    """To what a decoder that can scale should scale: what the largest rendition needs; None if the
    whole picture is needed. Renditions are scaled from there."""
    decoding = work.decoding
    if decoding is None or decoding.crop is not None or decoding.deinterlace:
        return None
    largest = (0, 0)
    for one in work.renditions:
        wish = one.size
        if wish is None or one.logos or wish.strategy == "crop":
            return None
        by_width = wish.width / width if wish.width > 0 else 0.0
        by_height = wish.height / height if wish.height > 0 else 0.0
        ratios = [ratio for ratio in (by_width, by_height) if ratio]
        if not ratios or max(ratios) >= 1:
            return None
        factor = max(ratios)
        largest = max(largest, (even(width * factor), even(height * factor)))
    return largest if all(largest) else None
