"""An input whose bytes come by before FFmpeg's demuxer: a transport stream or FLV.

Role: what publishers and connected sources of these two containers have in common: tracks that
appear, end or change their codec later are shown without a new connection. The demuxer of before
reads up to the change, and another one goes on from there (`cut_reader`).
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Literal

import av
from av.container import InputContainer
from av.stream import Stream

from media_streamer.budgets import (
    TRANSPORT_STREAM_PIDS,
    TRANSPORT_STREAM_TRACKS,
    TRANSPORT_STREAM_UNITS,
    TRANSPORT_STREAM_VIDEOS,
)
from media_streamer.media.inputs.base import InputError, InputRequest, Limits, Receiver
from media_streamer.media.inputs.cut_reader import READ_BYTES, CutReader
from media_streamer.media.inputs.demux import MPEGTS_OPTIONS, PROBE_OPTIONS, DemuxInput
from media_streamer.protocols.flv.watch import FlvWatch
from media_streamer.protocols.ts.faults import TsFaults
from media_streamer.protocols.ts.stride import plain
from media_streamer.protocols.ts.watch import TsWatch

Format = Literal["mpegts", "flv"]
"""FFmpeg's names."""

LATE_ANALYSIS_US = "1000000"
"""A demuxer that goes on has the tables and a key frame at once. Viewers wait for it, so a track
that is announced and sends nothing holds them up no longer than this."""


class _ReadOnly:
    """What FFmpeg may see of a reader: with `write` it would be opened for writing."""

    def __init__(self, reader: CutReader) -> None:
        self.read = reader.read


def check_tables(watch: TsWatch, way_out: str = "") -> None:
    """Raises InputError for more than FFmpeg shall keep; `way_out`: what helps."""
    counts = (
        (len(watch.streams), TRANSPORT_STREAM_TRACKS, "tracks"),
        (watch.videos, TRANSPORT_STREAM_VIDEOS, "videos"),
        (len(watch.named), TRANSPORT_STREAM_PIDS, "PIDs"),
    )
    for count, most, what in counts:
        if count > most:
            raise InputError(f"its tables name more than {most} {what}{way_out}")
    if watch.units > TRANSPORT_STREAM_UNITS:
        raise InputError(f"a picture has more than {TRANSPORT_STREAM_UNITS} NAL units")


def _check(watch: TsWatch, faults: TsFaults, programs: frozenset[int]) -> None:
    """And where there is nothing for it."""
    faults.look()
    check_tables(watch, ": programs= chooses some")
    if watch.has_programs and not watch.gate.has_found:
        if not programs:
            raise InputError("the source has no programs")
        numbers = ", ".join(map(str, sorted(programs)))
        raise InputError(f"the source has no program {numbers} (programs)")


class CutInput(DemuxInput):
    """One source; `programs` and `pids`: what is wanted of a transport stream, empty for all."""

    def __init__(
        self,
        name: str,
        receiver: Receiver,
        limits: Limits,
        format: Format,
        options: dict[str, str],
        *,
        programs: frozenset[int] = frozenset(),
        pids: frozenset[int] = frozenset(),
    ) -> None:
        super().__init__(name, receiver, limits, self._open)
        self._format = format
        self._options = options
        self._programs = programs
        self._pids = pids
        self._reader: CutReader | None = None
        self._connection = ExitStack()
        """Closed when the source is."""

    @abstractmethod
    def _connect(self) -> Callable[[int], bytes]:
        """What returns some bytes of the source, b"" at its end; raises InputError."""

    def _read(self) -> None:
        with self._connection:
            super()._read()

    def _let_go(self) -> None:
        super()._let_go()
        self._reader = None

    def _open(self) -> InputContainer:
        options = self._options
        if self._reader is None:
            if self._format == "mpegts":
                packets = TsWatch(self._programs, self._pids)
                faults = TsFaults(packets.gate, self.count)
                check = partial(_check, packets, faults, self._programs)
                self._reader = CutReader(plain(self._connect()), packets, check)
            else:
                self._reader = CutReader(self._connect(), FlvWatch())
        else:
            options = options | {"analyzeduration": LATE_ANALYSIS_US}
        container = av.open(
            _ReadOnly(self._reader),
            "r",
            format=self._format,
            options=options,
            buffer_size=READ_BYTES,
        )
        watch = self._reader.watch
        if isinstance(watch, TsWatch):
            watch.settle(frozenset(stream.id for stream in container.streams))
        else:
            watch.settle(frozenset(s.type for s in container.streams if self._wanted(s)))
        return container

    def _goes_on(self) -> bool:
        if self._reader is None or self._stopping.is_set() or not self._reader.go_on():
            return False
        self.count("decoder_reset")
        self.allow(self.limits.read_seconds + self.limits.open_seconds)
        return True

    def _wanted(self, stream: Stream) -> bool:
        if not super()._wanted(stream) or (self._pids and stream.id not in self._pids):
            return False
        watch = self._reader.watch if self._reader is not None else None
        if not self._programs or not isinstance(watch, TsWatch) or not watch.has_programs:
            return True
        return stream.id in watch.pids


class PulledInput(CutInput):
    """One attempt to read a source of a configuration, by default a transport stream."""

    def __init__(
        self,
        request: InputRequest,
        format: Format = "mpegts",
        options: Mapping[str, str] = PROBE_OPTIONS | MPEGTS_OPTIONS,
    ) -> None:
        super().__init__(
            request.stream,
            request.receiver,
            request.limits,
            format,
            dict(options),
            programs=frozenset(request.config.programs or ()),
            # Tracks of FLV have none.
            pids=frozenset(request.config.pids or ()) if format == "mpegts" else frozenset(),
        )
