"""Sources that FFmpeg opens: what it is told, and the inputs that read it.

Which URL, demuxer and options an input line means says `pull.py` of its protocol.

Invariants: a source may make FFmpeg open further addresses (HLS segments, redirects), but never a
local file: the protocol whitelist names only network protocols.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import av
from av.container import InputContainer
from av.stream import Stream
from media_api.input import InputConfig

from media_streamer.media.inputs.base import Input, InputError, InputRequest, Limits
from media_streamer.media.inputs.cut_input import CutInput
from media_streamer.media.inputs.cut_reader import READ_BYTES
from media_streamer.media.inputs.demux import MPEGTS_OPTIONS, PROBE_OPTIONS, DemuxInput

USER_AGENT = "media-streamer"
UDP_SOCKET_BYTES = 2 * 1024 * 1024
"""Receive buffer asked of the kernel: 0.8 s of 20 Mbit/s while other threads run."""
HTTP_PROTOCOLS = "http,https,httpproxy,tcp,tls,crypto"
"""What a whitelist must hold for HTTP."""
_LINE_BREAK = re.compile(r"[\r\n\0]")


@dataclass(frozen=True, slots=True)
class FFmpegSource:
    """What FFmpeg is told to open."""

    url: str
    format: Literal["mpegts", "flv", "hls", "rtsp"]
    options: dict[str, str]
    paced: bool = False
    """Delivers faster than real time (HLS: a segment at once)."""

    @property
    def all_options(self) -> dict[str, str]:
        """With those that belong to the format."""
        options = PROBE_OPTIONS | self.options
        return options | MPEGTS_OPTIONS if self.format in ("mpegts", "hls") else options


def with_scheme(url: str, scheme: str) -> str:
    return f"{scheme}://{url.partition('://')[2]}"


def microseconds(seconds: float) -> str:
    """As FFmpeg's network protocols take time-outs."""
    return str(int(seconds * 1_000_000))


def http_options(config: InputConfig) -> dict[str, str]:
    """Of every source over HTTP; raises InputError."""
    options = {
        "protocol_whitelist": HTTP_PROTOCOLS,
        "user_agent": config.user_agent or USER_AGENT,
    }
    if config.headers:
        if any(_LINE_BREAK.search(name + value) for name, value in config.headers.items()):
            raise InputError("a header of the input contains a line break")
        lines = (f"{name}: {value}\r\n" for name, value in config.headers.items())
        options["headers"] = "".join(lines)
    return options


def ffmpeg_input(request: InputRequest, source: FFmpegSource) -> Input:
    """The input that reads `source`; raises InputError for options that it cannot have."""
    if source.format in ("mpegts", "flv"):
        return _BytesInput(request, source)
    if request.config.programs:
        scheme = request.config.scheme
        raise InputError(f"programs: a {scheme}:// source has none to choose from")
    return PullInput(request, source)


class PullInput(DemuxInput):
    """A source whose protocol brings its own container: HLS, RTSP."""

    def __init__(self, request: InputRequest, source: FFmpegSource) -> None:
        super().__init__(
            request.stream, request.receiver, request.limits, self._open, paced=source.paced
        )
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
    return av.open(
        source.url,
        format=format,
        options=options,
        timeout=(limits.open_seconds, limits.read_seconds),
    )
