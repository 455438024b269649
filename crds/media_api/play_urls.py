"""Where a stream can be watched: one list of URLs, for the API, the UI and Stream.status.

The forms are those of Flussonic Media Server's public documentation of its playback URLs.
"""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote, urlsplit


@dataclass(frozen=True, slots=True)
class PlayUrl:
    """One way to watch: `protocol` is the switch in `protocols` that allows it."""

    form: str
    """Its own short name: several forms may share a protocol switch."""
    protocol: str
    title: str
    url: str


_HTTP_FORMS = (
    ("hls", "hls", "HLS", "/index.m3u8"),
    ("llhls", "cmaf", "LL-HLS", "/index.ll.m3u8"),
    ("fmp4", "cmaf", "HLS, fragmented MP4", "/index.fmp4.m3u8"),
    ("tshttp", "tshttp", "HTTP MPEG-TS", "/mpegts"),
    ("flv", "flv", "HTTP-FLV", ".flv"),
    ("player", "player", "Player page", "/embed.html"),
    ("jpeg", "jpeg", "Last picture", "/preview.jpg"),
)


def play_urls(
    name: str,
    http_url: str,
    rtmp_port: int | None = None,
    denied: Collection[str] = (),
) -> list[PlayUrl]:
    """The play URLs of stream `name` on the streamer whose public address is `http_url`.

    `http_url` is `http(s)://HOST[:PORT]` as viewers reach it, `rtmp_port` the port of the RTMP
    listener on the same host (None without one), `denied` the protocols that are switched off.
    """
    path = quote(name)
    base = http_url.rstrip("/")
    urls = [
        PlayUrl(form, protocol, title, f"{base}/{path}{suffix}")
        for form, protocol, title, suffix in _HTTP_FORMS
        if protocol not in denied
    ]
    if rtmp_port is not None and "rtmp" not in denied:
        host = urlsplit(base).hostname or ""
        host = f"[{host}]" if ":" in host else host
        port = "" if rtmp_port == 1935 else f":{rtmp_port}"
        urls.append(PlayUrl("rtmp", "rtmp", "RTMP", f"rtmp://{host}{port}/static/{path}"))
    return urls
