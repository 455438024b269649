"""Reads the clock of the test picture (`protocols/fake/picture.py`) from decoded luma."""

import datetime

import numpy as np
from media_streamer.protocols.fake.picture import FONT
from numpy.typing import NDArray

_TEXT = "2026-01-01 00:00:00.000Z"
_CELL, _ROWS = 6, 7
_BRIGHT = 125


class PictureClock:
    """For pictures of one size."""

    def __init__(self, width: int, height: int) -> None:
        top, bottom = height // 2, height * 3 // 4
        self._scale = scale = max(
            1, min(width // (len(_TEXT) * _CELL), (height // 4) // (_ROWS + 2))
        )
        self._top = top + (bottom - top - _ROWS * scale) // 2
        self._left = (width - len(_TEXT) * _CELL * scale) // 2
        self._dots = {
            name: np.array([[row >> (4 - bit) & 1 for bit in range(5)] for row in rows])
            for name, rows in FONT.items()
        }

    def read(self, luma: NDArray[np.uint8]) -> float:
        """Unix time; raises ValueError where there is none. `luma`: rows of pixels."""
        scale, text = self._scale, ""
        for place in range(len(_TEXT)):
            left = self._left + place * _CELL * scale
            cell = luma[self._top : self._top + _ROWS * scale, left : left + 5 * scale]
            dots = cell.reshape(_ROWS, scale, 5, scale).mean(axis=(1, 3)) > _BRIGHT
            text += min(self._dots, key=lambda name: int((self._dots[name] != dots).sum()))
        return datetime.datetime.fromisoformat(text).timestamp()
