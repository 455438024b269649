"""What is not done, by name and in words; an option that is built is taken out of its list here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from media_api import protocols
from media_api.input import InputConfig
from media_api.push import PushConfig
from media_api.stream import StreamConfig

Path = tuple[str | int, ...]

LISTS = ("http_proxies",)
GLOBALS = (
    "aliaser", "wwwroot",
    "dynafile", "server_names",
)  # fmt: skip
STREAM_OPTIONS = (
    "epg_enabled", "hls_scte35", "mpegts_pids",
    "jpeg_snapshot_sign_key", "logo", "record_input", "cmaf_enabled",
    "srt_port_resolve",
)  # fmt: skip
"""Options that ask for something whenever they have a value that is not false."""
INPUT_OPTIONS = (
    "via", "output_audio", "output_dts_shift", "closed_captions", "languages",
    "subtitles", "skip_stalled_check",
)  # fmt: skip
"""The same of inputs; those that only one protocol has are in its row."""
PLAYLIST_SCHEMES = ("hls", "hlss", "hls2", "hlss2", "llhls", "llhlss", "cmaf", "cmafs")
ARCHIVE_SCHEMES = ("m4f", "m4s", "tshttp", *PLAYLIST_SCHEMES)
"""Of inputs that are streams of servers whose archives can be asked for."""
STORAGE_SCHEMES = ("/", "file://", "http://", "https://", "s3://", "s3s://")
"""Of storages of VOD locations that are played from."""
VOD_OPTIONS = ("read_queue", "timeout")
"""Options of locations of files that nothing reads."""
FILE_STORAGE_OPTIONS = ("extra",)
"""The same of their storages."""
LISTENER_OPTIONS = ("read_timeout", "write_timeout")
"""Options of ports that nothing reads: each protocol has time-outs of its own."""
BACKUP_OPTIONS = ("audio_timeout", "video_timeout", "dvr")
"""The same of the backup, which is shown when there are no frames at all."""
NO_EFFECT = "has no effect in this version"
SRT_BLOCKS = ("srt_play", "srt2_play", "srt_publish", "srt2_publish")
SRT_OPTIONS = ("streamid",)
"""Options of these blocks that nothing reads."""
DVR_OPTIONS = (
    "no_index", "locked_write", "redundancy_factor", "remotes",
)  # fmt: skip
"""Options of archives, of streams and of storages."""
BUCKET_SCHEMES = ("s3://", "s3s://")
COPY_WORDS = "has no effect: files are copied to buckets only (s3://KEY:SECRET@HOST/BUCKET)"
STORAGE_OPTIONS = ("index",)
"""The same of storages alone."""
MOVING = ("migrate", "rescue")
"""Modes of a disk whose data should go to others: it is read, and nothing moves."""


DRM_OPTIONS = ("vendor", "keyserver", "user_keyserver", "resource_id", "expires")
"""What `drm aes128` reads."""
DRM_WORDS = "cannot be done by this version: it is not played at all"
HARMLESS: Mapping[str, Any] = {"mpegts_ac3": "keep"}
"""Options that ask for nothing with this value either, and for something with any other."""
ALWAYS = ("keep_locks", "transcode", "external", "hls_ext_x_key_iv")
"""Switches that ask for what is always done: false has no effect."""
STREAM_WORDS = {
    **dict.fromkeys((*STREAM_OPTIONS, *HARMLESS), NO_EFFECT),
    **{
        name: f"has no effect: {reason}"
        for name, reason in protocols.unserved_fields().items()
        if name in StreamConfig.model_fields
    },
}
"""What becomes of an option that is not done, in words."""
STREAM_CHECKS = frozenset(STREAM_WORDS)
"""Options of a stream that are not done."""
INPUT_WORDS = {
    **dict.fromkeys(INPUT_OPTIONS, NO_EFFECT),
    **{
        name: f"has no effect: {reason}"
        for name, reason in protocols.unserved_input_options().items()
    },
}
"""The same of inputs."""


@dataclass(frozen=True, slots=True)
class Readers:
    """Who reads an option of inputs that not every protocol reads."""

    field: str
    json_name: str
    schemes: frozenset[str]

    @property
    def words(self) -> str:
        """What follows the option's name where the input is by another protocol."""
        # The first scheme of a protocol stands for its others (rtsps, rtsp2).
        plain = [
            role.schemes[0] if role.schemes else protocols.ANY_PUBLISHER
            for kind in ("publish", "pull")
            for _, role in protocols.roles(kind)
            if role.served and self.field in role.input_options
        ]
        names = ", ".join(f"{scheme}://" for scheme in dict.fromkeys(plain))
        return f"of inputs has no effect but with {names}"


INPUT_READERS = tuple(
    Readers(name, InputConfig.model_fields[name].alias or name, frozenset(schemes))
    for name, schemes in protocols.input_option_schemes().items()
)
PUSH_OPTIONS = frozenset(PushConfig.model_fields) - frozenset(protocols.PUSH_OPTIONS)
"""Options of pushes that not every protocol reads."""
INPUT_SCHEMES = protocols.served_schemes("pull") | {protocols.ANY_PUBLISHER}
SESSION_KEYS = frozenset({"ip", "name", "proto", "token"})
"""What tells sessions apart wherever they are counted."""
AUTH_SCHEMES = frozenset({"http", "https", "securetoken", "auth"})
MAX_NAMES = 5


@dataclass(frozen=True, slots=True)
class InVain:
    """Something that a stream or template asks for and does not get."""

    key: str
    """What it is, the same for all streams that ask for it."""
    path: Path
    """Where, in JSON names: ("inputs", 0, "via")."""
    text: str

    @property
    def dotted(self) -> str:
        """The path as people write it: `inputs[0].via`."""
        first, *rest = self.path
        return str(first) + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in rest)


def asks(option: str, value: Any) -> bool:
    """Of a model's field or of its document: an object asks for something, also an empty one."""
    if option in HARMLESS and value == HARMLESS[option]:
        return False
    return bool(value) or isinstance(value, Mapping) or (option in HARMLESS and value is not None)


def is_of_ours(item: Any) -> bool:
    """Whether an input is a stream of one of our servers, whose archive can be asked for.

    Others send playlists, too: one is of ours if the input says so (`remote_dvr`).
    """
    url = str(get(item, "url") or "")
    by_ts = url.startswith(("tshttp://", "tshttps://")) and url.endswith("/mpegts")
    by_frames = url.startswith(("m4f://", "m4fs://", "m4s://", "m4ss://"))
    said = get(item, "remote_dvr") in ("chain", "nochain")
    return by_ts or by_frames or (said and is_playlist(item))


def is_playlist(item: Any) -> bool:
    """Whether an input is a playlist of HLS, as that of one of our servers may be."""
    scheme, _, path = str(get(item, "url") or "").partition("://")
    return scheme in PLAYLIST_SCHEMES and path.partition("?")[0].endswith(".m3u8")


def get(item: Any, name: str) -> Any:
    """A field of a model, or of its document by its JSON name; None if there is none."""
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)


def shown(names: list[str]) -> str:
    """Some names, not all of very many."""
    return ", ".join(names[:MAX_NAMES]) + (", …" if len(names) > MAX_NAMES else "")
