"""What ladders take of streamers: CPU, and of cards the encoder, its sessions and its memory. Pure.

What a ladder takes is an estimate (`media_api.transcoding_cost`) that may be off by half. So it
only keeps one from being added where others have taken what there is: nothing that runs is moved
for it, and who runs no other ladder takes one of any size. In whole numbers, since what was added
and taken away again must leave nothing behind.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from media_api.transcoding_cost import transcoding_cost

THOUSAND = 1000
MIB = 1024**2


class Encoding(NamedTuple):
    """What a ladder takes (0: nothing), or what a streamer has (0: nobody says)."""

    millicores: int = 0
    gpu_permille: int = 0
    """Thousandths of the encoder of one card."""
    sessions: int = 0
    """Of NVENC: one for each rendition that a card makes."""
    gpu_mib: int = 0

    def plus(self, other: Self) -> "Encoding":
        return Encoding(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: Self) -> "Encoding":
        return Encoding(*(a - b for a, b in zip(self, other, strict=True)))


NOTHING = Encoding()


def encoding_of(transcoder: Any, claims: Mapping[str, Any]) -> Encoding:
    """Of a stream's documents; `claims.cpu` (cores) is taken in place of the estimate."""
    cost = transcoding_cost(transcoder)
    claimed = claims.get("cpu")
    cpu = claimed if isinstance(claimed, int | float) else cost.cpu
    if not cpu and not cost.sessions:
        return NOTHING
    return Encoding(
        round(cpu * THOUSAND),
        math.ceil(cost.gpu * THOUSAND),
        cost.sessions,
        math.ceil(cost.gpu_memory_bytes / MIB),
    )


def encoding_by_gpu(transcoder: Any, claims: Mapping[str, Any]) -> Encoding | None:
    """The same on a streamer with a GPU; None where it makes no difference."""
    options = transcoder.get("global") if isinstance(transcoder, Mapping) else None
    if not isinstance(options, Mapping) or options.get("hw") != "auto":
        return None
    return encoding_of({**transcoder, "global": {**options, "hw": "nvenc"}}, claims)


def lacks(capacity: Encoding, taken: Encoding, more: Encoding) -> str | None:
    """The first of the figures of which too little is left for one more ladder; None if enough."""
    if more is NOTHING:
        return None
    for name, has, used, asked in zip(Encoding._fields, capacity, taken, more, strict=True):
        if has and used and asked and used + asked > has:
            return name
    return None


def share(capacity: Encoding, taken: Encoding) -> float:
    """The largest share of a figure that is in use; may exceed 1."""
    if taken is NOTHING:
        return 0.0
    return max(used / has if has else 0.0 for has, used in zip(capacity, taken, strict=True))


def at_once(capacity: Encoding, each: Encoding, part: float = 1.0) -> float:
    """So many ladders of one size fill `part` of a streamer, at least 1; inf without a limit."""
    found = min(
        (has * part // asked for has, asked in zip(capacity, each, strict=True) if has and asked),
        default=math.inf,
    )
    return max(1.0, found)
