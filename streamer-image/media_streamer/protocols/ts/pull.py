"""`tshttp://`: MPEG-TS over HTTP."""

import time

from media_api.input import InputConfig
from media_rest.credentials import cluster_header

from media_streamer.media.inputs.base import Input, InputRequest, Limits
from media_streamer.media.inputs.ffmpeg import (
    FFmpegSource,
    ffmpeg_input,
    http_options,
    with_scheme,
)


def create(request: InputRequest) -> Input:
    return ffmpeg_input(request, source(request.config, request.limits))


def source(config: InputConfig, limits: Limits) -> FFmpegSource:
    url = with_scheme(config.url, "https" if config.scheme == "tshttps" else "http")
    options = {**http_options(config), "seekable": "0"}
    if config.cluster_key:
        # Made for each attempt: it is good for a few minutes.
        line = f"Authorization: {cluster_header(config.cluster_key, time.time())}\r\n"
        options["headers"] = options.get("headers", "") + line
    return FFmpegSource(url, "mpegts", options)
