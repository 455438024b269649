"""Seeded mutation of inputs, guided by what the target answers.

An input that makes a target answer in a new way (another summary, another line that refuses) joins
the pool that further ones are made of. The same seed and number of rounds give the same inputs.
Whatever is raised that the target does not promise, and whatever takes too long, is a finding.
"""

import contextlib
import hashlib
import random
import time
import traceback
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
"""By target: inputs that were found, the crashes of the past among them."""
MAX_BYTES = 64 * 1024
MAX_POOL = 400
SLOW_SECONDS = 2.0
INTERESTING = (0, 1, 2, 3, 0x7F, 0x80, 0xFE, 0xFF)
LENGTHS = (0, 1, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0xFFFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Target:
    """What is tried: `run` takes any bytes and may raise `expected` only.

    It returns a summary of what it made of them, small and the same for the same bytes.
    """

    name: str
    run: Callable[[bytes], Hashable]
    seeds: Sequence[bytes]
    expected: tuple[type[Exception], ...] = ()
    words: Sequence[bytes] = ()
    """Tokens of the format."""

    def inputs(self) -> list[bytes]:
        """Seeds, and the stored corpus in the order of its names."""
        stored = sorted((CORPUS / self.name).glob("*")) if (CORPUS / self.name).is_dir() else []
        return [*self.seeds, *(path.read_bytes() for path in stored)]


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that breaks a target's promise."""

    target: str
    data: bytes
    what: str


@dataclass(slots=True)
class Report:
    """What a run did."""

    rounds: int = 0
    ways: int = 0
    """Different answers that were seen."""
    slowest: float = 0.0
    """Seconds of the input that took longest."""
    findings: list[Finding] = field(default_factory=list)
    fresh: list[bytes] = field(default_factory=list)
    """Made-up inputs that found a new way."""


def store(target: str, data: bytes) -> Path:
    """Keep an input in the corpus; it is tried first from now on."""
    directory = CORPUS / target
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / hashlib.sha256(data).hexdigest()[:12]
    path.write_bytes(data)
    return path


def mutate(
    random_: random.Random, data: bytes, pool: Sequence[bytes], words: Sequence[bytes]
) -> bytes:
    """A few changes, most of them small."""
    changed = bytearray(data)
    for _ in range(random_.choice((1, 1, 2, 3, 6))):
        at = random_.randrange(len(changed) + 1)
        kind = random_.randrange(9)
        if kind == 0 and changed:
            changed[at % len(changed)] ^= 1 << random_.randrange(8)
        elif kind == 1 and changed:
            changed[at % len(changed)] = random_.choice(INTERESTING)
        elif kind == 2:
            changed[at:at] = random_.randbytes(random_.choice((1, 2, 4, 16)))
        elif kind == 3:
            del changed[at : at + random_.choice((1, 2, 4, 16, 200))]
        elif kind == 4:
            size = random_.choice((1, 4, 16, 200))
            changed[at:at] = changed[at : at + size] * random_.choice((1, 2, 40))
        elif kind == 5:
            size = random_.choice((2, 3, 4))
            value = random_.choice(LENGTHS) & ((1 << 8 * size) - 1)
            changed[at : at + size] = value.to_bytes(size, random_.choice(("big", "little")))
        elif kind == 6 and words:
            word = random_.choice(words)
            changed[at : at + random_.choice((0, len(word)))] = word
        elif kind == 7:
            other = random_.choice(pool)
            start = random_.randrange(len(other) + 1)
            changed[at:] = other[start:]
        else:
            del changed[at:]
    return bytes(changed[:MAX_BYTES])


def _again(target: Target, data: bytes) -> float:
    """Seconds of another try: the first one may have waited for a busy machine."""
    began = time.monotonic()
    with contextlib.suppress(Exception):
        target.run(data)
    return time.monotonic() - began


def fuzz(
    target: Target, seed: int, rounds: int | None = None, seconds: float = float("inf")
) -> Report:
    """All inputs that are known, then made-up ones: so many rounds, or for so long."""
    random_ = random.Random(f"{target.name} {seed}")
    report, seen = Report(), set[Hashable]()
    pool = [data[:MAX_BYTES] for data in target.inputs()]
    deadline = time.monotonic() + seconds

    def attempt(data: bytes) -> bool:
        """Whether the answer is a new one."""
        began = time.monotonic()
        try:
            way: Hashable = ("done", target.run(data))
        except target.expected as error:
            way = (type(error).__name__, _line(error))
        except Exception as error:
            way = (type(error).__name__, _line(error))
            if way not in seen:
                text = "".join(traceback.format_exception(error))
                report.findings.append(Finding(target.name, data, text))
        took = time.monotonic() - began
        if took > SLOW_SECONDS:
            took = min(took, _again(target, data))
        report.slowest = max(report.slowest, took)
        report.rounds += 1
        if took > SLOW_SECONDS and ("slow", way) not in seen:
            seen.add(("slow", way))
            report.findings.append(Finding(target.name, data, f"took {took:.1f} s"))
        new = way not in seen
        seen.add(way)
        return new

    for data in list(pool):
        attempt(data)
    made = 0
    while (rounds is None or made < rounds) and time.monotonic() < deadline:
        data = mutate(random_, random_.choice(pool), pool, target.words)
        made += 1
        if attempt(data) and len(pool) < MAX_POOL:
            pool.append(data)
            report.fresh.append(data)
    report.ways = len(seen)
    return report


def _line(error: Exception) -> int:
    """Where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_lineno if trace is not None else 0
