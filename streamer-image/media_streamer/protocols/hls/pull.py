"""`hls://` and its relatives: playlists of segments, demuxed by FFmpeg and fetched by us.

Where the source tells when its pictures were made (EXT-X-PROGRAM-DATE-TIME), they keep that time.
"""

import time
from functools import partial

import av
from av.container import InputContainer
from av.stream import Stream
from media_api.input import InputConfig

from media_streamer.media.inputs.base import Input, InputError, InputRequest
from media_streamer.media.inputs.cut_input import check_tables
from media_streamer.media.inputs.demux import (
    MPEGTS_OPTIONS,
    PROBE_OPTIONS,
    AnyPacket,
    DemuxInput,
    Lane,
)
from media_streamer.media.inputs.ffmpeg import with_scheme
from media_streamer.media.inputs.http import http_client
from media_streamer.media.inputs.pacer import Pacer
from media_streamer.protocols.hls.fetch import HlsFetcher
from media_streamer.protocols.hls.source_clock import SourceClock
from media_streamer.protocols.hls.tables import READ_BYTES

_TLS_SCHEMES = frozenset({"hlss", "hlss2", "llhlss", "cmafs"})
_OPTIONS = (
    PROBE_OPTIONS
    | MPEGTS_OPTIONS
    | {
        "allowed_extensions": "ALL",  # query strings and scripts hide the extension
        "extension_picky": "0",
        # Connections are ours; FFmpeg would look for its own below them.
        "http_persistent": "0",
        "http_multiple": "0",
    }
)


def create(request: InputRequest) -> Input:
    if request.config.programs:
        scheme = request.config.scheme
        raise InputError(f"programs: a {scheme}:// source has none to choose from")
    return HlsInput(request)


def source_url(config: InputConfig) -> str:
    return with_scheme(config.url, "https" if config.scheme in _TLS_SCHEMES else "http")


class HlsInput(DemuxInput):
    """FFmpeg asks for playlists and segments, `HlsFetcher` gets them."""

    def __init__(self, request: InputRequest) -> None:
        super().__init__(request.stream, request.receiver, request.limits, self._open, paced=True)
        self._url = source_url(request.config)
        self._pids = frozenset(request.config.pids or ())
        self._client = http_client(self._url, request, self._stopping.is_set)
        self._client.on_refused = self.count_status
        self._clock = SourceClock()

    def _read(self) -> None:
        try:
            super()._read()
        finally:
            self._client.close()

    def _open(self) -> InputContainer:
        limits = self.limits
        wait = partial(self._stopping.wait)
        fetcher = HlsFetcher(self._client, self._url, wait, limits.read_seconds, check=check_tables)
        self._clock = fetcher.source_clock
        return av.open(
            self._url,
            format="hls",
            options=_OPTIONS,
            timeout=(limits.open_seconds, limits.read_seconds),
            buffer_size=READ_BYTES,
            io_open=fetcher.open,
        )

    def _wanted(self, stream: Stream) -> bool:
        return super()._wanted(stream) and (not self._pids or stream.id in self._pids)

    def _pace(self, lane: Lane, packet: AnyPacket, pacer: Pacer) -> None:
        super()._pace(lane, packet, pacer)
        if self.on_age is not None and packet.dts is not None:
            begins = packet.is_keyframe and (not lane.audio or not self._has_video)
            now, tick = time.time(), lane.seconds_per_tick
            self.on_age(self._clock.age(packet.dts, tick, now, may_begin=begins))

    @property
    def _has_video(self) -> bool:
        return any(stream.type == "video" for stream in self._streams)
