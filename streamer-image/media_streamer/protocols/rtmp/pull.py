"""`rtmp://` and `rtmps://`: another server's stream."""

from media_api.input import InputConfig

from media_streamer.media.inputs.base import Input, InputRequest, Limits
from media_streamer.media.inputs.ffmpeg import FFmpegSource, ffmpeg_input


def create(request: InputRequest) -> Input:
    return ffmpeg_input(request, source(request.config, request.limits))


def source(config: InputConfig, limits: Limits) -> FFmpegSource:
    options = {"rtmp_live": "live", "protocol_whitelist": "rtmp,rtmps,tcp,tls"}
    named = {
        "rtmp_pageurl": config.page_url,
        "rtmp_swfurl": config.swf_url,
        "rtmp_tcurl": config.tc_url,
    }
    options |= {key: value for key, value in named.items() if value}
    return FFmpegSource(config.url, "flv", options)
