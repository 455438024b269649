"""`hls://` and its relatives: playlists of segments."""

from media_api.input import InputConfig

from media_streamer.media.inputs.base import Input, InputRequest, Limits
from media_streamer.media.inputs.ffmpeg import (
    FFmpegSource,
    ffmpeg_input,
    http_options,
    with_scheme,
)

_TLS_SCHEMES = frozenset({"hlss", "hlss2", "llhlss", "cmafs"})


def create(request: InputRequest) -> Input:
    return ffmpeg_input(request, source(request.config, request.limits))


def source(config: InputConfig, limits: Limits) -> FFmpegSource:
    url = with_scheme(config.url, "https" if config.scheme in _TLS_SCHEMES else "http")
    options = http_options(config) | {
        "allowed_extensions": "ALL",  # query strings and scripts hide the extension
        "extension_picky": "0",
        "seg_max_retry": "3",
    }
    return FFmpegSource(url, "hls", options, paced=True)
