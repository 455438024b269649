"""`udp://ADDRESS:PORT`: MPEG-TS from one sender or from a multicast group.

`udp://SOURCE@GROUP:PORT` takes what this one address sends to the group (RFC 4607).
"""

from ipaddress import ip_address
from urllib.parse import urlsplit, urlunsplit

from media_api.input import InputConfig

from media_streamer.media.inputs.base import Input, InputError, InputRequest, Limits
from media_streamer.media.inputs.ffmpeg import (
    UDP_SOCKET_BYTES,
    FFmpegSource,
    ffmpeg_input,
    microseconds,
)

FIFO_PACKETS = 50_000
"""FFmpeg's own buffer between socket and demuxer, in TS packets of 188 bytes: 9.4 MB."""


def create(request: InputRequest) -> Input:
    return ffmpeg_input(request, source(request.config, request.limits))


def source(config: InputConfig, limits: Limits) -> FFmpegSource:
    """What FFmpeg is told; raises InputError."""
    parts = urlsplit(config.url)
    try:
        port = parts.port
    except ValueError as error:
        raise InputError("udp:// has a port that is no number") from error
    if not port:
        raise InputError("udp:// lacks a port: write udp://ADDRESS:PORT")
    # `udp://GROUP:PORT/LOCAL` names the address of the interface that receives the group.
    local = config.bind_ip or parts.path.strip("/")
    host = parts.hostname or ""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    options = {
        "protocol_whitelist": "udp,rtp",
        "buffer_size": str(UDP_SOCKET_BYTES),
        "fifo_size": str(FIFO_PACKETS),
        "overrun_nonfatal": "1",
        "timeout": microseconds(limits.read_seconds),
    }
    if local:
        options["localaddr"] = local
    if parts.username:
        options["sources"] = _source_address(parts.username)
    # A group is shared with other receivers on this machine; a unicast port has one receiver, and a
    # second one must fail instead of stealing packets.
    first = host.partition(".")[0]
    group = host.lower().startswith("ff") or (first.isdigit() and 224 <= int(first) <= 239)
    options["reuse"] = "1" if group else "0"
    return FFmpegSource(urlunsplit(("udp", address, "", "", "")), "mpegts", options)


def _source_address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise InputError(
            "udp://SOURCE@GROUP:PORT: the source of a group is an address, such as 10.0.0.5"
        ) from None
