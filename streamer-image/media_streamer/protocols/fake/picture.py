"""The picture and the tone of `fake://`: made so that a person and a test can both judge them.

Layout, from top to bottom:
- upper half: eight vertical bars of equal width in the colours of `BARS`, never moving;
- third quarter: the time in UTC as digits, white on black;
- lowest quarter: grey, with a white square that crosses it from left to right every four seconds.
The tone is 440 Hz, and 880 Hz during the first tenth of every second of the stream.
"""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]

BARS: dict[str, tuple[int, int, int]] = {
    "white": (235, 128, 128),
    "yellow": (210, 16, 146),
    "cyan": (170, 166, 16),
    "green": (145, 54, 34),
    "magenta": (106, 202, 222),
    "red": (81, 90, 240),
    "blue": (41, 240, 110),
    "black": (16, 128, 128),
}
"""Y, Cb, Cr of full colours, limited range (ITU-R BT.601)."""

GREY = 100
WHITE = 235
BLACK = 16
CROSSING_SECONDS = 4

SAMPLE_RATE = 48_000
TONE_HZ = 440
BEEP_HZ = 880
TONE_AMPLITUDE = 0.1  # of full scale: audible, not annoying

# 5 x 7 dots a character, a row a number, the most significant of five bits on the left.
FONT = {
    "0": (14, 17, 19, 21, 25, 17, 14),
    "1": (4, 12, 4, 4, 4, 4, 14),
    "2": (14, 17, 1, 2, 4, 8, 31),
    "3": (31, 2, 4, 2, 1, 17, 14),
    "4": (2, 6, 10, 18, 31, 2, 2),
    "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14),
    "7": (31, 1, 2, 4, 8, 8, 8),
    "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12),
    ":": (0, 4, 4, 0, 4, 4, 0),
    ".": (0, 0, 0, 0, 0, 12, 12),
    "-": (0, 0, 0, 31, 0, 0, 0),
    "Z": (31, 1, 2, 4, 8, 16, 31),
    " ": (0, 0, 0, 0, 0, 0, 0),
}
_CELL = 6  # dots a character with its gap
_ROWS = 7


class Picture:
    """Draws frames of one size in yuv420p; width and height are even."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._clock_top = height // 2
        self._strip_top = height * 3 // 4
        # All planes one below the other, as PyAV takes yuv420p.
        self._frame: Plane = np.empty((height * 3 // 2, width), np.uint8)
        self._luma = self._frame[:height]
        self._draw_background()
        characters = len("2026-01-01 00:00:00.000Z")
        self._scale = max(1, min(width // (characters * _CELL), (height // 4) // (_ROWS + 2)))
        self._glyphs = {
            character: np.kron(self._dots(rows), np.ones((self._scale, self._scale), np.uint8))
            for character, rows in FONT.items()
        }
        self._side = max(2, (height - self._strip_top) // 2)

    def draw(self, when: datetime, frame: int, fps: int) -> Plane:
        """The frame of time `when`, the `frame`-th of the stream; valid until the next call."""
        text = when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
        self._write(text)
        strip = self._luma[self._strip_top :]
        strip[:] = GREY
        period = CROSSING_SECONDS * fps
        left = (frame % period) * max(0, self.width - self._side) // period
        top = (strip.shape[0] - self._side) // 2
        strip[top : top + self._side, left : left + self._side] = WHITE
        return self._frame

    def _draw_background(self) -> None:
        width, height = self.width, self.height
        chroma = self._frame[height:].reshape(2, height // 2, width // 2)
        self._luma[:] = BLACK
        chroma[:] = 128
        for index, (y, cb, cr) in enumerate(BARS.values()):
            left, right = index * width // len(BARS), (index + 1) * width // len(BARS)
            self._luma[: height // 2, left:right] = y
            chroma[0, : height // 4, left // 2 : right // 2] = cb
            chroma[1, : height // 4, left // 2 : right // 2] = cr

    def _dots(self, rows: tuple[int, ...]) -> Plane:
        dots = [[BLACK, WHITE][row >> (4 - bit) & 1] for row in rows for bit in range(5)]
        cell = np.full((_ROWS, _CELL), BLACK, np.uint8)
        cell[:, :5] = np.array(dots, np.uint8).reshape(_ROWS, 5)
        return cell

    def _write(self, text: str) -> None:
        line = np.concatenate([self._glyphs[character] for character in text], axis=1)
        line = line[: self._strip_top - self._clock_top, : self.width]
        top = self._clock_top + (self._strip_top - self._clock_top - line.shape[0]) // 2
        left = (self.width - line.shape[1]) // 2
        self._luma[top : top + line.shape[0], left : left + line.shape[1]] = line


class Tone:
    """Samples of the tone: float planar stereo at 48 kHz."""

    def __init__(self) -> None:
        time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
        hertz = np.where(time < 0.1, BEEP_HZ, TONE_HZ)
        second = (TONE_AMPLITUDE * np.sin(2 * np.pi * hertz * time)).astype(np.float32)
        # One second and a spare one, so that any stretch is one slice. Both tones have whole
        # periods in a tenth of a second, so nothing clicks.
        self._samples = np.concatenate([second, second])

    def samples(self, start: int, count: int) -> NDArray[np.float32]:
        """Samples `start` to `start + count` of the stream, shape (2, count); count <= 48000."""
        begin = start % SAMPLE_RATE
        one = self._samples[begin : begin + count]
        return np.stack([one, one])
