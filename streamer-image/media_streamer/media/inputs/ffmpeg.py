"""Sources that FFmpeg opens: what it is told, and the inputs that read it.

Which URL, demuxer and options an input line means says `pull.py` of its protocol.

Invariants: a source may make FFmpeg open further addresses (RTSP redirects), never a local file:
the protocol whitelist names only network protocols. Sources over HTTP are fetched by ourselves
(`http.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import av
from av.container import InputContainer
from av.stream import Stream

from media_streamer.media.inputs.base import Input, InputError, InputRequest, Limits
from media_streamer.media.inputs.cut_input import CutInput
from media_streamer.media.inputs.cut_reader import READ_BYTES
from media_streamer.media.inputs.demux import MPEGTS_OPTIONS, PROBE_OPTIONS, DemuxInput
from media_streamer.outgoing.addresses import AddressRefusedError, reach_of_process

UDP_SOCKET_BYTES = 2 * 1024 * 1024
"""Receive buffer asked of the kernel: 0.8 s of 20 Mbit/s while other threads run."""


@dataclass(frozen=True, slots=True)
class FFmpegSource:
    """What FFmpeg is told to open."""

    url: str
    format: Literal["mpegts", "flv", "rtsp"]
    options: dict[str, str]

    @property
    def all_options(self) -> dict[str, str]:
        """With those that belong to the format."""
        options = PROBE_OPTIONS | self.options
        return options | MPEGTS_OPTIONS if self.format == "mpegts" else options


def with_scheme(url: str, scheme: str) -> str:
    return f"{scheme}://{url.partition('://')[2]}"


def microseconds(seconds: float) -> str:
    """As FFmpeg's network protocols take time-outs."""
    return str(int(seconds * 1_000_000))


def ffmpeg_input(request: InputRequest, source: FFmpegSource) -> Input:
    """The input that reads `source`; raises InputError for options that it cannot have."""
    if source.format in ("mpegts", "flv"):
        return _BytesInput(request, source)
    if request.config.programs:
        scheme = request.config.scheme
        raise InputError(f"programs: a {scheme}:// source has none to choose from")
    return PullInput(request, source)


class PullInput(DemuxInput):
    """A source whose protocol brings its own container: RTSP."""

    def __init__(self, request: InputRequest, source: FFmpegSource) -> None:
        super().__init__(request.stream, request.receiver, request.limits, self._open)
        self._source = source
        self._pids = frozenset(request.config.pids or ())

    def _open(self) -> InputContainer:
        return _open(self._source, self._source.format, self._source.all_options, self.limits)

    def _wanted(self, stream: Stream) -> bool:
        return super()._wanted(stream) and (not self._pids or stream.id in self._pids)


class _BytesInput(CutInput):
    """A source of a transport stream or of FLV: FFmpeg's protocol here, its demuxer behind it."""

    def __init__(self, request: InputRequest, source: FFmpegSource) -> None:
        super().__init__(
            request.stream,
            request.receiver,
            request.limits,
            "flv" if source.format == "flv" else "mpegts",
            source.all_options,
            programs=frozenset(request.config.programs or ()),
            pids=frozenset(request.config.pids or ()),
        )
        self._source = source

    def _connect(self) -> Callable[[int], bytes]:
        options = self._source.all_options | {"raw_packet_size": str(READ_BYTES)}
        raw = self._connection.enter_context(_open(self._source, "data", options, self.limits))
        packets = raw.demux()

        def read(size: int) -> bytes:
            for packet in packets:
                if packet.size:
                    self.allow(self.limits.read_seconds + self.limits.open_seconds)
                    return bytes(packet)
            return b""

        return read


def _open(
    source: FFmpegSource, format: str, options: dict[str, str], limits: Limits
) -> InputContainer:
    parts = urlsplit(source.url)
    try:
        reach_of_process().check_host(parts.hostname or "", parts.port or 0)
    except AddressRefusedError as error:
        raise InputError(str(error)) from None
    return av.open(
        source.url,
        format=format,
        options=options,
        timeout=(limits.open_seconds, limits.read_seconds),
    )
