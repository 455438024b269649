"""Where a directive works and does something else than in Flussonic Media Server.

Role: the notes of `streamer --check --explain` and of the page on moving. Only what somebody who
moves would be surprised by; what has no effect says `media_api.unsupported`.
"""

from collections.abc import Mapping

from media_api.base import ApiModel
from media_api.events import EventSinkConfig
from media_api.server import ServerConfig
from media_api.stream import StreamConfig, TemplateConfig

_ARCHIVE = (
    "a folder of its own: recordings of Flussonic are not read, and are neither changed nor deleted"
)
_TRANSCODER = (
    "one length of GOP holds for all tracks; without one key frames come each two seconds, or where"
    " a copied track has them; always in a process of its own"
)
DIFFERENCES: Mapping[tuple[type[ApiModel], str], str] = {
    (ServerConfig, "geoip"): (
        "`geoip builtin;` takes the countries of the registries; without the line no country is"
        " known"
    ),
    (ServerConfig, "log_requests"): (
        "the combined format of web servers with session and country behind it; STREAMER_ACCESS_LOG"
        " names another file"
    ),
    (ServerConfig, "dvrs"): _ARCHIVE,
    (StreamConfig, "dvr"): _ARCHIVE,
    (TemplateConfig, "dvr"): _ARCHIVE,
    (StreamConfig, "transcoder"): _TRANSCODER,
    (TemplateConfig, "transcoder"): _TRANSCODER,
    (EventSinkConfig, "url"): (
        "a log:// or jsonlog:// file lies below /var/log/flussonic (or STREAMER_LOG_DIR)"
    ),
}


_ONLY_OF: Mapping[tuple[type[ApiModel], str], tuple[str, ...]] = {
    (EventSinkConfig, "url"): ("log://", "jsonlog://")
}
"""Beginnings of the values that a difference is about, where it is not about all."""


def difference(model: type[ApiModel], key: str, value: str | None = None) -> str:
    """What is different about a directive that works; empty if nothing is.

    `value`: its first word; None: whatever it is.
    """
    if value is not None and not value.startswith(_ONLY_OF.get((model, key), ("",))):
        return ""
    return DIFFERENCES.get((model, key), "")
