"""What a configuration asks for and this server does not do: said, not passed over.

Each entry is an alert of `/config/stats`, a line in the log, a warning of `streamer --check`, of
`kubectl apply` (`media_api.admission`) and of a Stream's condition ConfigAccepted. Whoever builds
one of these features removes its entry. What would be unsafe to leave out (authorisation, DRM) is
refused where access is decided.
"""

from media_api.unsupported.documents import input_schemes, unserved_globals, unserved_options
from media_api.unsupported.server import locations_ask_in_vain, server_asks_in_vain
from media_api.unsupported.streams import asked_in_vain
from media_api.unsupported.tally import Tally, unsupported_parts, vod_directories
from media_api.unsupported.words import (
    ALWAYS,
    BACKUP_OPTIONS,
    DRM_OPTIONS,
    DVR_OPTIONS,
    FILE_STORAGE_OPTIONS,
    GLOBALS,
    HARMLESS,
    INPUT_OPTIONS,
    INPUT_READERS,
    INPUT_SCHEMES,
    INPUT_WORDS,
    LISTENER_OPTIONS,
    LISTS,
    NO_EFFECT,
    SRT_OPTIONS,
    STREAM_CHECKS,
    STREAM_WORDS,
    VOD_OPTIONS,
    InVain,
)

__all__ = [
    "ALWAYS",
    "BACKUP_OPTIONS",
    "DRM_OPTIONS",
    "DVR_OPTIONS",
    "FILE_STORAGE_OPTIONS",
    "GLOBALS",
    "HARMLESS",
    "INPUT_OPTIONS",
    "INPUT_READERS",
    "INPUT_SCHEMES",
    "INPUT_WORDS",
    "LISTENER_OPTIONS",
    "LISTS",
    "NO_EFFECT",
    "SRT_OPTIONS",
    "STREAM_CHECKS",
    "STREAM_WORDS",
    "VOD_OPTIONS",
    "InVain",
    "Tally",
    "asked_in_vain",
    "input_schemes",
    "locations_ask_in_vain",
    "server_asks_in_vain",
    "unserved_globals",
    "unserved_options",
    "unsupported_parts",
    "vod_directories",
]
