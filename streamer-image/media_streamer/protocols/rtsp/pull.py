"""`rtsp://` and its relatives: cameras."""

from media_api.input import InputConfig

from media_streamer.media.inputs.base import Input, InputRequest, Limits
from media_streamer.media.inputs.ffmpeg import (
    UDP_SOCKET_BYTES,
    FFmpegSource,
    ffmpeg_input,
    microseconds,
    with_scheme,
)
from media_streamer.media.inputs.http import USER_AGENT


def create(request: InputRequest) -> Input:
    return ffmpeg_input(request, source(request.config, request.limits))


def source(config: InputConfig, limits: Limits) -> FFmpegSource:
    udp = config.rtp == "udp" or config.scheme == "rtsp-udp"
    options = {
        "rtsp_transport": "udp" if udp else "tcp",
        "user_agent": config.user_agent or USER_AGENT,
        "timeout": microseconds(limits.read_seconds),
        "protocol_whitelist": "rtsp,rtsps,rtp,srtp,udp,tcp,tls,crypto",
    }
    if udp:
        options["buffer_size"] = str(UDP_SOCKET_BYTES)
    scheme = "rtsps" if config.scheme == "rtsps" else "rtsp"
    return FFmpegSource(with_scheme(config.url, scheme), "rtsp", options)
