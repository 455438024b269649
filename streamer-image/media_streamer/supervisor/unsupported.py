"""What the configuration asks for and this server does not do: said, not passed over.

Each entry is an alert of `/config/stats`. Whoever builds one of these features removes its entry.
What would be unsafe to leave out (authorisation, DRM) is refused where access is decided.
"""

from collections.abc import Callable

from media_api.server import ServerConfig
from media_api.stream import StreamConfig

LISTENERS = ("rtsp", "rtsps", "srt", "turn", "snmp", "sip")
LISTS = ("sources", "peers", "balancers", "dvrs", "caches", "http_proxies")
STREAM_OPTIONS: dict[str, Callable[[StreamConfig], bool]] = {
    "dvr": lambda stream: stream.dvr is not None,
    "transcoder": lambda stream: stream.transcoder is not None,
    "pushes": lambda stream: bool(stream.pushes),
    "drm": lambda stream: stream.drm is not None,
    "srt": lambda stream: stream.srt is not None or stream.srt_publish is not None,
}
MAX_NAMES = 5


def unsupported_parts(config: ServerConfig) -> dict[str, str]:
    """Alerts by key; each names what has no effect."""
    alerts = {
        f"listener_{protocol}": f"{protocol} listeners are configured, but {protocol} is not served"
        for protocol in LISTENERS
        if getattr(config.listeners, protocol, None)
    }
    for key in LISTS:
        if count := len(getattr(config, key)):
            alerts[key] = f"{key}: {count} are configured and have no effect in this version"
    if scripts := [sink.name for sink in config.event_sinks if sink.url.startswith("lua://")]:
        shown = ", ".join(scripts[:MAX_NAMES]) + (", …" if len(scripts) > MAX_NAMES else "")
        alerts["event_sinks"] = f"event sinks that are scripts have no effect: {shown}"
    for option, is_set in STREAM_OPTIONS.items():
        names = [stream.name for stream in config.streams if is_set(stream)]
        if names:
            shown = ", ".join(names[:MAX_NAMES]) + (", …" if len(names) > MAX_NAMES else "")
            alerts[f"stream_{option}"] = f"{option} has no effect in this version: {shown}"
    return alerts
