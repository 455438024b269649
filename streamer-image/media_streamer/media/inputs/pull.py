"""Inputs that connect to a source: HTTP MPEG-TS, HLS, RTMP, RTSP, UDP.

Role: the translation of an input line into FFmpeg's URL, demuxer and options (pure), and the input
that opens it.

Invariants: a source may make FFmpeg open further addresses (HLS segments, redirects), but never a
local file: the protocol whitelist names only network protocols.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import av
from av.container import InputContainer
from av.stream import Stream
from media_api.input import InputConfig
from media_rest.credentials import cluster_header

from media_streamer.media.inputs.base import Input, InputError, Limits, Receiver
from media_streamer.media.inputs.cut_input import CutInput
from media_streamer.media.inputs.cut_reader import READ_BYTES
from media_streamer.media.inputs.demux import MPEGTS_OPTIONS, PROBE_OPTIONS, DemuxInput

USER_AGENT = "media-streamer"

UDP_SOCKET_BYTES = 2 * 1024 * 1024
"""Receive buffer asked of the kernel: 0.8 s of 20 Mbit/s while other threads run."""

UDP_FIFO_PACKETS = 50_000
"""FFmpeg's own buffer between socket and demuxer, in TS packets of 188 bytes: 9.4 MB."""

_LINE_BREAK = re.compile(r"[\r\n\0]")
_TLS_SCHEMES = frozenset({"tshttps", "hlss", "llhlss", "cmafs"})
_HTTP_PROTOCOLS = "http,https,httpproxy,tcp,tls,crypto"


@dataclass(frozen=True, slots=True)
class Source:
    """What FFmpeg is told to open."""

    url: str
    format: Literal["mpegts", "flv", "hls", "rtsp"]
    options: dict[str, str]
    paced: bool = False
    """Delivers faster than real time (HLS: a segment at once)."""


def translate(config: InputConfig, limits: Limits) -> Source:
    """FFmpeg's view of an input line; raises InputError for a scheme that is no pull source."""
    builder = _BUILDERS.get(config.scheme)
    if builder is None:
        raise InputError(f"{config.scheme}:// sources are not supported yet")
    source = builder(config, limits)
    options = PROBE_OPTIONS | source.options
    if source.format in ("mpegts", "hls"):
        options |= MPEGTS_OPTIONS
    return Source(source.url, source.format, options, source.paced)


def _with_scheme(url: str, scheme: str) -> str:
    return f"{scheme}://{url.partition('://')[2]}"


def _http_options(config: InputConfig) -> dict[str, str]:
    options = {
        "protocol_whitelist": _HTTP_PROTOCOLS,
        "user_agent": config.user_agent or USER_AGENT,
    }
    if config.headers:
        if any(_LINE_BREAK.search(name + value) for name, value in config.headers.items()):
            raise InputError("a header of the input contains a line break")
        lines = (f"{name}: {value}\r\n" for name, value in config.headers.items())
        options["headers"] = "".join(lines)
    return options


def _http_scheme(config: InputConfig) -> str:
    return "https" if config.scheme.rstrip("2") in _TLS_SCHEMES else "http"


def _tshttp(config: InputConfig, limits: Limits) -> Source:
    url = _with_scheme(config.url, _http_scheme(config))
    options = {**_http_options(config), "seekable": "0"}
    if config.cluster_key:
        # Made for each attempt: it is good for a few minutes.
        line = f"Authorization: {cluster_header(config.cluster_key, time.time())}\r\n"
        options["headers"] = options.get("headers", "") + line
    return Source(url, "mpegts", options)


def _hls(config: InputConfig, limits: Limits) -> Source:
    url = _with_scheme(config.url, _http_scheme(config))
    options = _http_options(config) | {
        "allowed_extensions": "ALL",  # query strings and scripts hide the extension
        "extension_picky": "0",
        "seg_max_retry": "3",
    }
    return Source(url, "hls", options, paced=True)


def _rtmp(config: InputConfig, limits: Limits) -> Source:
    options = {"rtmp_live": "live", "protocol_whitelist": f"rtmp,rtmps,{_HTTP_PROTOCOLS}"}
    named = {
        "rtmp_pageurl": config.page_url,
        "rtmp_swfurl": config.swf_url,
        "rtmp_tcurl": config.tc_url,
    }
    options |= {key: value for key, value in named.items() if value}
    return Source(config.url, "flv", options)


def _rtsp(config: InputConfig, limits: Limits) -> Source:
    udp = config.rtp == "udp" or config.scheme == "rtsp-udp"
    options = {
        "rtsp_transport": "udp" if udp else "tcp",
        "user_agent": config.user_agent or USER_AGENT,
        "timeout": str(int(limits.read_seconds * 1_000_000)),  # us
        "protocol_whitelist": "rtsp,rtsps,rtp,srtp,udp,tcp,tls,crypto",
    }
    if udp:
        options["buffer_size"] = str(UDP_SOCKET_BYTES)
    scheme = "rtsps" if config.scheme == "rtsps" else "rtsp"
    return Source(_with_scheme(config.url, scheme), "rtsp", options)


def _udp(config: InputConfig, limits: Limits) -> Source:
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
        "fifo_size": str(UDP_FIFO_PACKETS),
        "overrun_nonfatal": "1",
        "timeout": str(int(limits.read_seconds * 1_000_000)),  # us
    }
    if local:
        options["localaddr"] = local
    # A group is shared with other receivers on this machine; a unicast port has one receiver, and a
    # second one must fail instead of stealing packets.
    first = host.partition(".")[0]
    group = host.lower().startswith("ff") or (first.isdigit() and 224 <= int(first) <= 239)
    options["reuse"] = "1" if group else "0"
    return Source(urlunsplit(("udp", address, "", "", "")), "mpegts", options)


_BUILDERS: dict[str, Callable[[InputConfig, Limits], Source]] = {
    **dict.fromkeys(("tshttp", "tshttps"), _tshttp),
    **dict.fromkeys(("hls", "hlss", "hls2", "hlss2", "llhls", "llhlss", "cmaf", "cmafs"), _hls),
    **dict.fromkeys(("rtmp", "rtmps"), _rtmp),
    **dict.fromkeys(("rtsp", "rtsps", "rtsp2", "rtsp-udp"), _rtsp),
    **dict.fromkeys(("udp", "udp1", "udp2", "udp3", "spts"), _udp),
}

SCHEMES = frozenset(_BUILDERS)


def create_pull(name: str, receiver: Receiver, limits: Limits, config: InputConfig) -> Input:
    """The input for a source that is connected to; raises InputError."""
    source = translate(config, limits)
    if source.format in ("mpegts", "flv"):
        return _BytesInput(name, receiver, limits, source, config)
    if config.programs:
        raise InputError(f"programs: a {config.scheme}:// source has none to choose from")
    return PullInput(name, receiver, limits, source, frozenset(config.pids or ()))


class PullInput(DemuxInput):
    """A source whose protocol brings its own container: HLS, RTSP."""

    def __init__(
        self, name: str, receiver: Receiver, limits: Limits, source: Source, pids: frozenset[int]
    ) -> None:
        super().__init__(name, receiver, limits, self._open, paced=source.paced)
        self._source = source
        self._pids = pids

    def _open(self) -> InputContainer:
        return _open(self._source, self._source.format, self._source.options, self.limits)

    def _wanted(self, stream: Stream) -> bool:
        return super()._wanted(stream) and (not self._pids or stream.id in self._pids)


class _BytesInput(CutInput):
    """A source of a transport stream or of FLV: FFmpeg's protocol here, its demuxer behind it."""

    def __init__(
        self, name: str, receiver: Receiver, limits: Limits, source: Source, config: InputConfig
    ) -> None:
        super().__init__(
            name,
            receiver,
            limits,
            "flv" if source.format == "flv" else "mpegts",
            source.options,
            programs=frozenset(config.programs or ()),
            pids=frozenset(config.pids or ()),
        )
        self._source = source

    def _connect(self) -> Callable[[int], bytes]:
        options = self._source.options | {"raw_packet_size": str(READ_BYTES)}
        raw = self._connection.enter_context(_open(self._source, "data", options, self.limits))
        packets = raw.demux()

        def read(size: int) -> bytes:
            for packet in packets:
                if packet.size:
                    self.allow(self.limits.read_seconds + self.limits.open_seconds)
                    return bytes(packet)
            return b""

        return read


def _open(source: Source, format: str, options: dict[str, str], limits: Limits) -> InputContainer:
    return av.open(
        source.url,
        format=format,
        options=options,
        timeout=(limits.open_seconds, limits.read_seconds),
    )
