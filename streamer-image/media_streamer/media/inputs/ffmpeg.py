"""Sources whose bytes FFmpeg fetches (RTMP, UDP): what it is told, and the input that reads it.

Which URL, demuxer and options an input line means says `pull.py` of its protocol.

Invariants: a source can make FFmpeg open no local file: the protocol whitelist names only network
protocols. Sources over HTTP and RTSP are read by ourselves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import av
from av.container import InputContainer

from media_streamer.media.inputs.base import Input, InputError, InputRequest, Limits
from media_streamer.media.inputs.cut_input import PulledInput
from media_streamer.media.inputs.cut_reader import READ_BYTES
from media_streamer.media.inputs.demux import MPEGTS_OPTIONS, PROBE_OPTIONS
from media_streamer.outgoing.addresses import AddressRefusedError, reach_of_process

UDP_SOCKET_BYTES = 2 * 1024 * 1024
"""Receive buffer asked of the kernel: 0.8 s of 20 Mbit/s while other threads run."""


@dataclass(frozen=True, slots=True)
class FFmpegSource:
    """What FFmpeg is told to open."""

    url: str
    format: Literal["mpegts", "flv"]
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
    """The input that reads `source`."""
    return _BytesInput(request, source)


class _BytesInput(PulledInput):
    """A source of a transport stream or of FLV: FFmpeg's protocol here, its demuxer behind it."""

    def __init__(self, request: InputRequest, source: FFmpegSource) -> None:
        super().__init__(request, source.format, source.all_options)
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
