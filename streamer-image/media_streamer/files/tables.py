"""The sample tables of a track of an MP4 file (`stbl`, ISO/IEC 14496-12 8.5 to 8.7). Pure.

Strangers upload files, so no number is believed: a table is as long as its box, what it counts is
cut to what the others describe, and arithmetic that leaves 64 bits raises BadFile.
"""

from array import array
from collections.abc import Mapping
from itertools import accumulate
from operator import mul
from sys import byteorder

from media_streamer.files.samples import Runs, Samples

MAX_SAMPLES = 1 << 24
"""46 hours at 100 a second."""


class BadFile(ValueError):  # noqa: N818 - what the client is told
    """It cannot be played; says why."""


def numbers(data: bytes, start: int, count: int, width: int = 4) -> "array[int]":
    """`count` unsigned numbers of `width` bytes, big endian; fewer if there are fewer."""
    code = {1: "B", 2: "H", 4: "I", 8: "Q"}[width]
    found = array(code)
    available = max(0, len(data) - start) // width
    count = min(count, available)
    found.frombytes(data[start : start + count * width])
    if byteorder == "little":
        found.byteswap()
    return found


def entries(data: bytes) -> int:
    """How many entries a table says that it has."""
    if len(data) < 8:
        raise BadFile("a table of samples ends early")
    return int.from_bytes(data[4:8], "big")


def read_samples(table: Mapping[bytes, bytes], file_size: int) -> Samples:
    """From the boxes in `stbl`, by type, of a file of so many bytes. Raises BadFile."""
    try:
        return _read(table, file_size)
    except KeyError as error:
        name = error.args[0]
        shown = name.decode() if isinstance(name, bytes) else name
        raise BadFile(f"a track has no table {shown}") from None
    except OverflowError:
        raise BadFile("a table of samples has numbers that cannot be") from None


def _read(table: Mapping[bytes, bytes], file_size: int) -> Samples:
    sizes = _sizes(table, file_size)
    count = len(sizes)
    durations, starts, timed = _durations(table[b"stts"], count)
    chunks = _chunks(table)
    chunk_firsts, placed = _chunk_firsts(table[b"stsc"], len(chunks), count)
    count = min(count, timed, placed)
    return Samples(
        sizes=sizes[:count],
        durations=durations,
        starts=starts,
        offsets=_offsets(table[b"ctts"], count) if b"ctts" in table else None,
        syncs=_syncs(table[b"stss"], count) if b"stss" in table else None,
        chunks=chunks[: len(chunk_firsts)],
        chunk_firsts=chunk_firsts,
        count=count,
    )


def _sizes(table: Mapping[bytes, bytes], file_size: int) -> "array[int]":
    if b"stsz" not in table and b"stz2" in table:
        data = table[b"stz2"]
        if len(data) < 12 or data[7] not in (8, 16):
            raise BadFile("a table of sizes has a form that is not known (stz2)")
        found = numbers(data, 12, int.from_bytes(data[8:12], "big"), data[7] // 8)
        return array("I", found)
    data = table[b"stsz"]
    if len(data) < 12:
        raise BadFile("a table of sizes ends early")
    each, count = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")
    if count > MAX_SAMPLES:
        raise BadFile(f"a track has more than {MAX_SAMPLES} samples")
    return array("I", [each]) * min(count, file_size // each) if each else numbers(data, 12, count)


def _pairs(data: bytes) -> tuple["array[int]", "array[int]"]:
    found = numbers(data, 8, 2 * entries(data))
    return found[0 : len(found) - len(found) % 2 : 2], found[1::2]


def _durations(data: bytes, count: int) -> tuple[Runs, "array[int]", int]:
    """Durations, the time at which each run begins, and how many samples have one."""
    lengths, values = _pairs(data)
    if not lengths:
        raise BadFile("a track has no samples")
    firsts = array("Q", accumulate(lengths[:-1], initial=0))
    starts = array("Q", accumulate(map(mul, lengths[:-1], values), initial=0))
    return Runs(firsts, values), starts, firsts[-1] + lengths[-1]


def _offsets(data: bytes, count: int) -> Runs | None:
    """Signed in either version: so are those of the files that are said to have none."""
    lengths, values = _pairs(data)
    if not lengths:
        return None
    firsts = array("Q", accumulate(lengths, initial=0))
    signed = array("i", values.tobytes())
    signed.append(0)  # samples that the table leaves out
    return Runs(firsts, signed)


def _syncs(data: bytes, count: int) -> "array[int]":
    found = numbers(data, 8, entries(data))
    kept = sorted({number - 1 for number in found if 0 < number <= count})
    return array("I", kept or [0])


def _chunks(table: Mapping[bytes, bytes]) -> "array[int]":
    if b"co64" in table:
        return numbers(table[b"co64"], 8, entries(table[b"co64"]), 8)
    return array("Q", numbers(table[b"stco"], 8, entries(table[b"stco"])))


def _chunk_firsts(data: bytes, chunks: int, count: int) -> tuple["array[int]", int]:
    """The first sample of each chunk, up to `count`, and how many samples have a place."""
    runs = numbers(data, 8, 3 * entries(data))
    firsts = array("Q")
    sample = 0
    for position in range(0, len(runs) - 2, 3):
        first, each, description = runs[position : position + 3]
        if description != 1:
            raise BadFile("a track changes its codec within the file")
        end = runs[position + 3] if position + 5 < len(runs) else chunks + 1
        length = min(end - first, chunks - len(firsts))
        if length <= 0 or first != len(firsts) + 1:
            break
        if each == 0:
            raise BadFile("a chunk without samples")
        # One more than are needed: the rest of the chunks lie behind the last sample.
        length = min(length, (count - sample) // each + 1)
        firsts.extend(range(sample, sample + length * each, each))
        sample += length * each
        if sample >= count:
            break
    while firsts and firsts[-1] >= count:
        firsts.pop()
    return firsts, min(sample, count)
