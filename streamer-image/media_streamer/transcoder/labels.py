"""Text and time burnt into the pictures of a rendition.

The wheel's FFmpeg has no filter that writes, so Pillow draws a label once for each text that it
shows, and its pixels are blended into the planes of the picture: a time costs a drawing a second.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor, ImageDraw, ImageFont

from media_streamer.transcoder.errors import EncoderRefused
from media_streamer.wire.transcoding import LabelWish

DEFAULT_SHARE = 24
"""Height of the picture in heights of a text whose size is not said."""
MARGIN = 8
"""Pixels between the text and the edge of its box."""
MAX_KEPT = 4
MAX_CHARACTERS = 500
_ALIKE = ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le")
_Plane = npt.NDArray[np.float32]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class _Drawn(NamedTuple):
    """A text for one format of pictures: what of a plane is kept, and what is added, by plane."""

    left: int
    top: int
    planes: Sequence[tuple[_Plane, _Plane]]


class Labels:
    """What is burnt into the pictures of one rendition. Not thread-safe."""

    def __init__(self, wishes: Sequence[LabelWish]) -> None:
        """Raises EncoderRefused for a font that cannot be read or a colour that is none."""
        self._labels = [_Label(wish) for wish in wishes]

    def burn(self, picture: av.VideoFrame, utc_ms: int) -> None:
        """Write them into a picture that is shown at that time (Unix ms, 0: it is not known)."""
        if not self._labels:
            return
        picture.make_writable()
        for label in self._labels:
            label.burn(picture, utc_ms)


class _Label:
    def __init__(self, wish: LabelWish) -> None:
        self._wish = wish
        self._font: Font | None = None
        self._drawn: OrderedDict[tuple[str, int, int, str], _Drawn] = OrderedDict()
        try:
            self._colour = _yuv(wish.color)
            self._box = _yuv(wish.box.color) if wish.box is not None else None
            self._open(MARGIN)
        except (OSError, ValueError) as error:
            raise EncoderRefused(f"burn: {error}") from None

    def _open(self, size: int) -> Font:
        if not self._wish.font:
            return ImageFont.load_default(size)
        return ImageFont.truetype(self._wish.font, size)

    def burn(self, picture: av.VideoFrame, utc_ms: int) -> None:
        text = self._wish.text
        if self._wish.is_time:
            if not utc_ms:
                return
            text = time.strftime(text, time.gmtime(utc_ms / 1000))
        key = (text[:MAX_CHARACTERS], picture.width, picture.height, picture.format.name)
        drawn = self._drawn.get(key)
        if drawn is None:
            drawn = self._drawn[key] = self._draw(*key)
            while len(self._drawn) > MAX_KEPT:
                self._drawn.popitem(last=False)
        _blend(picture, drawn)

    def _draw(self, text: str, width: int, height: int, form: str) -> _Drawn:
        wish, box = self._wish, self._wish.box
        if self._font is None:
            self._font = self._open(wish.size or max(10, height // DEFAULT_SHARE))
        probe = ImageDraw.Draw(Image.new("L", (1, 1)))
        first, upper, last, lower = probe.multiline_textbbox((0, 0), text, font=self._font)
        border = (box.border if box.border is not None else MARGIN) if box is not None else 0
        wide = min(round(last - first) + 2 * border + 1, width) & ~1 or 2
        high = min(round(lower - upper) + 2 * border + 1, height) & ~1 or 2
        image = Image.new("L", (wide, high))
        place = (border - first, border - upper)
        ImageDraw.Draw(image).multiline_text(place, text, fill=255, font=self._font)
        shown = np.asarray(image, np.float32) / 255 * wish.alpha
        behind = np.full_like(shown, box.alpha if box is not None else 0.0)
        keep = ((1 - shown) * (1 - behind)).astype(np.float32)
        left, top = _place(wish, wide, high, width, height)
        planes = []
        for plane in range(3):
            under = self._box[plane] if self._box is not None else 0.0
            add = shown * self._colour[plane] + (1 - shown) * behind * under
            across, down = _subsampling(form) if plane else (1, 1)
            scale = 4.0 if form.endswith("10le") else 1.0
            added = (add * scale).astype(np.float32)
            planes.append((_shrunk(keep, across, down), _shrunk(added, across, down)))
        return _Drawn(left, top, planes)


def _place(wish: LabelWish, wide: int, high: int, width: int, height: int) -> tuple[int, int]:
    """Left and top of a label in a picture, both even: chroma has half the resolution."""
    position = wish.position
    right, under = width - wide, height - high
    left = wish.x if "l" in position else right - wish.x if "r" in position else right // 2 + wish.x
    if position in ("tl", "tr", "ct"):
        top = wish.y
    elif position == "c":
        top = under // 2 + wish.y
    else:
        top = under - wish.y
    return min(max(0, left), right) & ~1, min(max(0, top), under) & ~1


def _subsampling(form: str) -> tuple[int, int]:
    if form not in _ALIKE:
        raise EncoderRefused(f"burn: pictures of the form {form} cannot be written into")
    return {"yuv444p": (1, 1), "yuv422p": (2, 1)}.get(form, (2, 2))


def _shrunk(values: _Plane, across: int, down: int) -> _Plane:
    high, wide = values.shape
    parts = values.reshape(high // down, down, wide // across, across)
    shrunk: _Plane = parts.mean(axis=(1, 3), dtype=np.float32)
    return shrunk


def _blend(picture: av.VideoFrame, drawn: _Drawn) -> None:
    across, down = _subsampling(picture.format.name)
    deep = picture.format.name.endswith("10le")
    for number, (keep, add) in enumerate(drawn.planes):
        plane = picture.planes[number]
        kind = np.dtype("<u2") if deep else np.dtype(np.uint8)
        rows: npt.NDArray[Any] = np.frombuffer(memoryview(plane), kind).reshape(
            -1, plane.line_size // kind.itemsize
        )
        top, left = drawn.top // (down if number else 1), drawn.left // (across if number else 1)
        high, wide = keep.shape
        part = rows[top : top + high, left : left + wide]
        part[:] = np.rint(part * keep + add).astype(kind)


def _yuv(colour: str) -> tuple[float, float, float]:
    """A colour's name or #RRGGBB as video has it (BT.601, limited). Raises ValueError."""
    red, green, blue = (part / 255 for part in ImageColor.getrgb(colour)[:3])
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return (
        16 + 219 * luma,
        128 + 224 * (blue - luma) / 1.772,
        128 + 224 * (red - luma) / 1.402,
    )
