"""What a point of the history holds, how points are merged and packed. Pure.

A point is a row of whole numbers: how many samples it stands for, then sums, maxima and amounts.
Whatever the level, rows are merged by the same rule, so a point of an hour says exactly what its
720 samples said. A block is the points of a minute, an hour or a day, packed by columns: the
figures of a stream change little, so a column is stored as differences and compressed.
"""

import sys
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal

Kind = Literal["stream", "server"]
Row = tuple[int, ...]
Points = dict[int, Row]
"""By the Unix second at which they begin."""

STREAM_SUMS = ("bitrate", "clients", "alive")
STREAM_MAXIMA = ("bitrate_max", "clients_max")
STREAM_AMOUNTS = ("bytes_in", "bytes_out", "errors")
SERVER_SUMS = (
    "cpu", "memory", "scheduler_load", "streams", "online_streams", "clients", "input_kbit",
    "output_kbit",
)  # fmt: skip
SERVER_MAXIMA = ("clients_max", "cpu_max")
MAX_VALUE = 2**62


@dataclass(frozen=True, slots=True)
class Shape:
    """Columns of a row after `samples`, in this order."""

    sums: tuple[str, ...]
    maxima: tuple[str, ...]
    amounts: tuple[str, ...]

    @property
    def width(self) -> int:
        return 1 + len(self.sums) + len(self.maxima) + len(self.amounts)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.sums, *self.maxima, *self.amounts)

    def row(self, figures: Mapping[str, int]) -> Row:
        """One sample."""
        return (1, *(min(max(0, figures.get(name, 0)), MAX_VALUE) for name in self.names))

    def merged(self, rows: Sequence[Row]) -> Row:
        """What several rows say together; there is at least one."""
        if len(rows) == 1:
            return rows[0]
        first, last = 1 + len(self.sums), 1 + len(self.sums) + len(self.maxima)
        return tuple(
            max(column) if first <= index < last else min(sum(column), MAX_VALUE)
            for index, column in enumerate(zip(*rows, strict=True))
        )

    def figures(self, row: Row) -> dict[str, float | int]:
        """For people: means of the sums, the rest as it is."""
        samples = row[0] or 1
        found: dict[str, float | int] = {}
        for index, name in enumerate(self.names):
            value = row[index + 1]
            found[name] = round(value / samples, 3) if index < len(self.sums) else value
        return found


SHAPES: Mapping[Kind, Shape] = {
    "stream": Shape(STREAM_SUMS, STREAM_MAXIMA, STREAM_AMOUNTS),
    "server": Shape(SERVER_SUMS, SERVER_MAXIMA, ()),
}


@dataclass(frozen=True, slots=True)
class Level:
    """Points of `step` seconds, in blocks of `span` seconds that are kept for `keep` seconds.

    A graph of more than `longest` seconds is made of a coarser level.
    """

    number: int
    step: int
    span: int
    keep: int
    longest: int


DAY = 86_400
LEVELS = (
    Level(0, 5, 60, 12 * 3600, 6 * 3600),
    Level(1, 60, 3600, 92 * DAY, 7 * DAY),
    Level(2, 3600, DAY, 366 * DAY, 10**11),
)


def rolled_up(shape: Shape, points: Points, step: int) -> Points:
    """Points of a coarser step."""
    groups: dict[int, list[Row]] = {}
    for at, row in points.items():
        groups.setdefault(at - at % step, []).append(row)
    return {at: shape.merged(rows) for at, rows in groups.items()}


def pack(level: Level, begin: int, points: Points) -> bytes:
    """A block; all points lie in it."""
    width = len(next(iter(points.values())))
    slots = sorted(points)
    numbers = array("q", [(at - begin) // level.step for at in slots])
    for index in range(width):
        column = [points[at][index] for at in slots]
        numbers.extend([column[0], *(b - a for a, b in pairwise(column))])
    head = bytes((1, width, len(slots) & 0xFF, len(slots) >> 8))
    if sys.byteorder == "big":
        numbers.byteswap()
    # Bytes of the same weight side by side: most of them are zero.
    data = numbers.tobytes()
    shuffled = b"".join(data[weight::8] for weight in range(8))
    return head + zlib.compress(shuffled, 6)


def unpack(level: Level, begin: int, block: bytes) -> Points:
    """Raises ValueError for what is no block."""
    if len(block) < 4 or block[0] != 1:
        raise ValueError("no block of a history")
    width, count = block[1], block[2] | block[3] << 8
    size = 8 * count * (width + 1)
    packer = zlib.decompressobj()
    try:
        shuffled = packer.decompress(block[4:], size + 1)
    except zlib.error as error:
        raise ValueError(f"a damaged block: {error}") from None
    if len(shuffled) != size or not count:
        raise ValueError("a block of another size")
    data = bytearray(size)
    for weight in range(8):
        data[weight::8] = shuffled[weight * size // 8 : (weight + 1) * size // 8]
    numbers = array("q", bytes(data))
    if sys.byteorder == "big":
        numbers.byteswap()
    columns = [
        list(accumulate(numbers[count * (index + 1) : count * (index + 2)]))
        for index in range(width)
    ]
    rows: Iterable[Row] = zip(*columns, strict=True)
    return {begin + slot * level.step: row for slot, row in zip(numbers[:count], rows, strict=True)}
