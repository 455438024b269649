"""URLs of inputs and pushes that name nobody: without a host, with a port that is none.

They are accepted, as a source may be told later; nothing can come of them, which is said.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from media_api import protocols
from media_api.input import delayed_archive
from media_api.unsupported.words import InVain, get

_LOCAL = frozenset({"copy", "fake", "file", "playlist", "publish", "sdp", "timeshift"})
"""Schemes whose URL names no host."""
_PORT_NEEDED = frozenset({"udp", "udp1", "udp2", "udp3", "rtp", "spts", "srt"})
_PATH_NEEDED = {
    **dict.fromkeys(("rtmp", "rtmps"), "/APPLICATION/NAME"),
    **dict.fromkeys(("m4f", "m4fs", "m4s", "m4ss"), "/NAME"),
}
_RECEIVED = frozenset({"udp", "udp1", "udp2", "udp3", "spts"})
"""Schemes of inputs that may come to any address of this machine."""


def addresses_in_vain(item: Any) -> Iterator[InVain]:
    """Of a stream, template or source; a model or its document."""
    served = {
        "inputs": protocols.served_schemes("pull") - _LOCAL,
        "pushes": protocols.served_schemes("push"),
    }
    for key, schemes in served.items():
        for index, one in enumerate(get(item, key) or ()):
            url = str(get(one, "url") or "")
            scheme = url.partition("://")[0]
            if scheme == "timeshift" and delayed_archive(url) is None:
                text = "input: the URL names no stream and seconds: write timeshift://NAME/3600"
                yield InVain("input_address", (key, index, "url"), text)
            if scheme in schemes and (wrong := _wrong(scheme, url, key == "inputs")):
                what = "input" if key == "inputs" else "push"
                yield InVain(f"{what}_address", (key, index, "url"), f"{what}: {wrong}")


def _wrong(scheme: str, url: str, is_input: bool) -> str:
    """What is missing; empty for nothing. Shows no credentials."""
    # A stream id of SRT begins with `#`: nothing here is a fragment.
    place, _, query = url.partition("://")[2].partition("?")
    path_wanted = _PATH_NEEDED.get(scheme, "")
    form = f"write {scheme}://HOST{':PORT' if scheme in _PORT_NEEDED else ''}{path_wanted or '/…'}"
    form = form.removesuffix("/…") if scheme in _PORT_NEEDED else form
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return f"the port is no number of 1 to 65535, or the host cannot be read: {form}"
    if scheme == "srt":
        is_called = parse_qs(query).get("mode") == ["listener"]
    else:
        is_called = is_input and scheme in _RECEIVED
    if not host and not is_called:
        return f"the URL names no host: {form}"
    if port == 0 or (port is None and scheme in _PORT_NEEDED):
        return f"the URL names no port: {form}"
    if path_wanted and not parts.path.strip("/"):
        return f"the URL names no stream: {form}"
    return ""
