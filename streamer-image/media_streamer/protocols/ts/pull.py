"""`tshttp://`: MPEG-TS over HTTP. `tstcp://HOST:PORT`, with TLS `tsssl://HOST:PORT`: over a bare
connection."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from media_api.input import InputConfig
from media_rest.credentials import cluster_header

from media_streamer.media.inputs.base import Input, InputError, InputRequest, Limits
from media_streamer.media.inputs.cut_input import PulledInput
from media_streamer.media.inputs.ffmpeg import (
    FFmpegSource,
    ffmpeg_input,
    microseconds,
    with_scheme,
)
from media_streamer.media.inputs.http import http_client
from media_streamer.outgoing.target import HttpError

TCP_SCHEMES = {"tstcp": "tcp", "tsssl": "tls"}
"""And what FFmpeg calls them."""


def create(request: InputRequest) -> Input:
    if request.config.scheme in TCP_SCHEMES:
        return ffmpeg_input(request, tcp_source(request.config, request.limits))
    return TsHttpInput(request)


def tcp_source(config: InputConfig, limits: Limits) -> FFmpegSource:
    """What FFmpeg is told of a bare connection; raises InputError."""
    parts = urlsplit(config.url)
    try:
        port = parts.port
    except ValueError:
        raise InputError(f"{config.scheme}:// has a port that is no number") from None
    if not port or not parts.hostname:
        raise InputError(
            f"{config.scheme}:// lacks address or port: write {config.scheme}://HOST:PORT"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    options = {"protocol_whitelist": "tcp,tls", "timeout": microseconds(limits.read_seconds)}
    return FFmpegSource(f"{TCP_SCHEMES[config.scheme]}://{host}:{port}", "mpegts", options)


def source_url(config: InputConfig) -> str:
    return with_scheme(config.url, "https" if config.scheme == "tshttps" else "http")


class TsHttpInput(PulledInput):
    """One GET without an end."""

    def __init__(self, request: InputRequest) -> None:
        config = request.config
        super().__init__(request)
        self._url = source_url(config)
        headers = {}
        if config.cluster_key:
            # Made for each attempt: it is good for a few minutes, and for this host alone.
            headers["Authorization"] = cluster_header(config.cluster_key, time.time())
        self._client = http_client(self._url, request, self._stopping.is_set, headers)
        self._client.on_refused = self.count_status

    def _connect(self) -> Callable[[int], bytes]:
        self._connection.callback(self._client.close)
        try:
            body = self._client.get(self._url)
        except HttpError as error:
            raise InputError(str(error)) from None
        self._connection.callback(body.close)
        if body.coding != "identity":
            raise InputError("the source is packed, which was not asked for")

        def read(size: int) -> bytes:
            self.allow(self.limits.read_seconds + self.limits.open_seconds)
            try:
                return body.read(size)
            except HttpError as error:
                raise InputError(str(error)) from None

        return read
