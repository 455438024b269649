"""`hls://` and its relatives: playlists of segments, demuxed by FFmpeg and fetched by us."""

from functools import partial

import av
from av.container import InputContainer
from av.stream import Stream
from media_api.input import InputConfig

from media_streamer.media.inputs.base import Input, InputError, InputRequest
from media_streamer.media.inputs.demux import MPEGTS_OPTIONS, PROBE_OPTIONS, DemuxInput
from media_streamer.media.inputs.ffmpeg import with_scheme
from media_streamer.media.inputs.http import http_client
from media_streamer.protocols.hls.fetch import READ_BYTES, HlsFetcher

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

    def _read(self) -> None:
        try:
            super()._read()
        finally:
            self._client.close()

    def _open(self) -> InputContainer:
        limits = self.limits
        wait = partial(self._stopping.wait)
        fetcher = HlsFetcher(self._client, self._url, wait, limits.read_seconds)
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
