"""What is wrong with a transport stream as it goes by, by TR 101 290 (5.2.1), first priority.

Role: turns what `TsGate` has seen into counts. Lost synchronisation (1.1), a PAT that does not
come in time (1.3), programs that leave the PAT. Continuity is counted where packets are parsed.
"""

import time
from collections.abc import Callable
from typing import Literal

from media_streamer.protocols.ts.gate import TsGate

PAT_SECONDS = 0.5

TsFault = Literal["desync", "ts_pat", "ts_service_lost"]


class TsFaults:
    """`look` after everything that the gate was fed; `count` is told of each fault."""

    def __init__(
        self,
        gate: TsGate,
        count: Callable[[TsFault], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gate, self._count, self._clock = gate, count, clock
        self._pats = self._desyncs = self._lost = 0
        self._pat_at = clock()

    def look(self) -> None:
        gate, now = self._gate, self._clock()
        if gate.pats != self._pats:
            self._pats, self._pat_at = gate.pats, now
        elif now - self._pat_at > PAT_SECONDS:
            self._count("ts_pat")
            self._pat_at = now
        for _ in range(gate.desyncs - self._desyncs):
            self._count("desync")
        for _ in range(gate.programs_lost - self._lost):
            self._count("ts_service_lost")
        self._desyncs, self._lost = gate.desyncs, gate.programs_lost
