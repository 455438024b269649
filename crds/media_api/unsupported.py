"""What a configuration asks for and this server does not do: said, not passed over.

Each entry is an alert of `/config/stats`, a line in the log, a warning of `streamer --check`, of
`kubectl apply` (`media_api.admission`) and of a Stream's condition ConfigAccepted. Whoever builds
one of these features removes its entry. What would be unsafe to leave out (authorisation, DRM) is
refused where access is decided.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from media_api import protocols
from media_api.push import PushConfig
from media_api.scripts import script_path
from media_api.server import ServerConfig
from media_api.stream import StreamConfig, StreamOnPremises, TemplateConfig
from media_api.unsupported_transcoder import transcoder_in_vain

Options = StreamConfig | TemplateConfig
Path = tuple[str | int, ...]

LISTS = ("http_proxies",)
GLOBALS = (
    "aliaser", "wwwroot",
    "dynafile", "server_names",
)  # fmt: skip
STREAM_OPTIONS = (
    "epg_enabled", "hls_scte35", "mpegts_pids", "playback_headers",
    "jpeg_snapshot_sign_key", "logo", "record_input", "cmaf_enabled",
    "webrtc_abr", "srt_port_resolve",
)  # fmt: skip
"""Options that ask for something whenever they have a value that is not false."""
INPUT_OPTIONS = (
    "via", "output_audio", "output_dts_shift", "closed_captions", "languages",
    "subtitles", "skip_stalled_check",
    "linger", "version",
    "prefer_codec", "transport", "min_bitrate", "webrtc_abr", "abr_stepup", "abr_stepdown",
    "abr_correction", "abr_loss_lower", "abr_loss_upper", "abr_mode", "abr_cycles", "abr_debug",
)  # fmt: skip
"""The same of inputs; those that only one protocol has are in its row."""
ARCHIVE_SCHEMES = ("m4f", "m4s", "tshttp")
"""Of inputs that are streams of servers whose archives can be asked for."""
STORAGE_SCHEMES = ("/", "file://", "http://", "https://", "s3://", "s3s://")
"""Of storages of VOD locations that are played from."""
VOD_OPTIONS = ("read_queue", "timeout")
"""Options of locations of files that nothing reads."""
NO_EFFECT = "has no effect in this version"
SRT_BLOCKS = ("srt_play", "srt2_play", "srt_publish", "srt2_publish")
SRT_OPTIONS = ("linger", "version", "streamid")
"""Options of these blocks that nothing reads."""
DVR_OPTIONS = (
    "dvr_replicate", "replication_port", "replication_speed",
    "no_index", "locked_write", "redundancy_factor",
    "remotes",
)  # fmt: skip
"""Options of archives, of streams and of storages."""
BUCKET_SCHEMES = ("s3://", "s3s://")
COPY_WORDS = "has no effect: files are copied to buckets only (s3://KEY:SECRET@HOST/BUCKET)"
STORAGE_OPTIONS = ("index",)
"""The same of storages alone."""
MOVING = ("migrate", "rescue")
"""Modes of a disk whose data should go to others: it is read, and nothing moves."""


HARMLESS: Mapping[str, Any] = {"prepush": True, "mpegts_ac3": "keep"}
"""Options that ask for nothing with this value either, and for something with any other."""


def _asks(option: str, value: Any) -> bool:
    """Of a model's field or of its document: an object asks for something, also an empty one."""
    if option in HARMLESS and value == HARMLESS[option]:
        return False
    return bool(value) or isinstance(value, Mapping) or (option in HARMLESS and value is not None)


STREAM_WORDS = {
    **dict.fromkeys((*STREAM_OPTIONS, *HARMLESS), NO_EFFECT),
    **{
        name: f"has no effect: {reason}"
        for name, reason in protocols.unserved_fields().items()
        if name in StreamConfig.model_fields
    },
    "drm": "cannot be done by this version: the stream is not played at all",
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
_PUSH_OPTIONS = frozenset(PushConfig.model_fields) - frozenset(protocols.PUSH_OPTIONS)
"""Options of pushes that not every protocol reads."""
INPUT_SCHEMES = protocols.served_schemes("pull") | {protocols.ANY_PUBLISHER}
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


def asked_in_vain(
    item: Any, vods: Mapping[str, Sequence[str]] | None = None, geoip: bool = True
) -> list[InVain]:
    """All of a stream, template or source; `item` is a model or its document (JSON names).

    A document need not be validated: what cannot be read asks for nothing here. `vods` are the
    directories by VOD location; None: they are not known.
    `geoip`: the server has a database of countries, or is not known.
    """
    return [
        *_options(item),
        *_srt(item),
        *_archive(item),
        *(InVain(*one) for one in transcoder_in_vain(item)),
        *_cache(item),
        *_protocols(item),
        *_urls(item),
        *_rights(item),
        *(_files(item, vods) if vods is not None else ()),
        *(() if geoip else _limited(item)),
        *_groups(item, geoip),
    ]


def _get(item: Any, name: str) -> Any:
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)


def _scheme(item: Any) -> str:
    return str(_get(item, "url") or "").partition("://")[0]


def _options(item: Any) -> Iterator[InVain]:
    for name, words in STREAM_WORDS.items():
        if _asks(name, _get(item, name)):
            yield InVain(f"stream_{name}", (name,), f"{name} {words}")
    thumbnails, backup = _get(item, "thumbnails"), _get(item, "backup")
    for name in ("url", "sizes"):
        if thumbnails is not None and _get(thumbnails, name):
            path = ("thumbnails", name)
            yield InVain(f"stream_thumbnails_{name}", path, f"{name} of thumbnails {NO_EFFECT}")
    if backup is not None and _get(backup, "dvr"):
        yield InVain("stream_backup_dvr", ("backup", "dvr"), f"dvr of backup {NO_EFFECT}")


def _srt(item: Any) -> Iterator[InVain]:
    """Options of SRT ports, of a stream or of the server."""
    for block in SRT_BLOCKS:
        chosen = _get(item, block)
        for name in SRT_OPTIONS if chosen is not None else ():
            if _get(chosen, name) is not None:
                yield InVain(f"{block}_{name}", (block, name), f"{name} of {block} {NO_EFFECT}")


def _archive(item: Any) -> Iterator[InVain]:
    dvr = _get(item, "dvr")
    if dvr is None:
        return
    root = _get(dvr, "root")
    if isinstance(root, str) and root and not is_directory(root):
        scheme = root.partition("://")[0] if "://" in root else "that path"
        text = f"nothing is recorded: dvr needs an absolute path of a directory, not {scheme}"
        yield InVain("dvr_root", ("dvr", "root"), text)
    if _is_no_bucket(_option(dvr, "copy")):
        yield InVain("dvr_copy", ("dvr", "copy"), f"copy of dvr {COPY_WORDS}")
    for name in DVR_OPTIONS:
        if _asks(name, _option(dvr, name)):
            yield InVain(f"dvr_option_{name}", ("dvr", name), f"{name} of dvr {NO_EFFECT}")


def _cache(item: Any) -> Iterator[InVain]:
    """One of a stream that is taken from no other server, which has nothing to keep."""
    inputs = _get(item, "inputs")
    if not _asks("cache", _get(item, "cache")) or inputs is None:
        return  # a source has no inputs
    first = str(_get(inputs[0], "url") or "") if inputs else ""
    by_ts = first.startswith(("tshttp://", "tshttps://")) and first.endswith("/mpegts")
    if not by_ts and not first.startswith(("m4f://", "m4fs://", "m4s://", "m4ss://")):
        text = "cache has no effect: the first input is no m4f://HOST/NAME of another server"
        yield InVain("stream_cache", ("cache",), text)


def _option(archive: Any, name: str) -> Any:
    """By its JSON name, which a model cannot always have."""
    if name == "copy" and not isinstance(archive, Mapping):
        name = "copy_to"
    return _get(archive, name)


def _is_no_bucket(url: Any) -> bool:
    return isinstance(url, str) and bool(url) and not url.startswith(BUCKET_SCHEMES)


def is_directory(root: str) -> bool:
    """Whether an archive can be recorded there: in a directory of the streamer."""
    return root.removeprefix("file://").startswith("/")


def _storages(storages: Iterable[Any]) -> Iterator[InVain]:
    for index, one in enumerate(storages):
        path: Path = ("dvrs", index)
        name, root = _get(one, "name") or index, _get(one, "root")
        if isinstance(root, str) and root and not is_directory(root):
            text = f"dvr storage {name} is no directory of this server: nothing is recorded there"
            yield InVain(f"dvrs_root_{name}", (*path, "root"), text)
        if _asks("raid", _option(one, "raid")):
            text = "raid of dvr storages has no effect but 0: streams are spread over the disks"
            yield InVain("dvrs_option_raid", (*path, "raid"), text)
        for number, disk in enumerate(_get(one, "disks") or ()):
            if (mode := _get(disk, "mode")) in MOVING:
                text = f"a dvr disk in mode {mode} is read, nothing is moved off it"
                yield InVain(f"dvrs_disk_{mode}", (*path, "disks", number, "mode"), text)
        if _is_no_bucket(_option(one, "copy")):
            text = f"copy of dvr storages {COPY_WORDS}"
            yield InVain("dvrs_copy", (*path, "copy"), text)
        for option in (*DVR_OPTIONS, *STORAGE_OPTIONS):
            if _asks(option, _option(one, option)):
                text = f"{option} of dvr storages {NO_EFFECT}"
                yield InVain(f"dvrs_option_{option}", (*path, option), text)


def _protocols(item: Any) -> Iterator[InVain]:
    """Switches that are on by name."""
    chosen = _get(item, "protocols")
    for switch, reason in protocols.missing_switches().items() if chosen is not None else ():
        if _get(chosen, switch) is True:
            text = f"{switch} in protocols is {reason}"
            yield InVain(f"protocol_{switch}", ("protocols", switch), text)


def _urls(item: Any) -> Iterator[InVain]:
    for index, one in enumerate(_get(item, "inputs") or ()):
        scheme = _scheme(one)
        if scheme not in INPUT_SCHEMES:
            reason = protocols.why_not("pull", scheme)
            yield InVain(f"input_{scheme}", ("inputs", index), f"{scheme}:// inputs are {reason}")
            continue
        if _get(one, "remote_dvr") not in (None, "none") and (
            index or not scheme.startswith(ARCHIVE_SCHEMES)
        ):
            text = "remote_dvr has no effect but on a first input by m4f, m4s or tshttp"
            yield InVain("input_option_remote_dvr", ("inputs", index, "remote_dvr"), text)
        for name, words in INPUT_WORDS.items():
            if _asks(name, _get(one, name)):
                path = ("inputs", index, name)
                yield InVain(f"input_option_{name}", path, f"{name} of inputs {words}")
    for index, one in enumerate(_get(item, "pushes") or ()):
        scheme = _scheme(one)
        if reason := protocols.why_not("push", scheme):
            yield InVain(f"push_{scheme}", ("pushes", index), f"{scheme}:// pushes are {reason}")
            continue
        for name in sorted(_PUSH_OPTIONS - _push_options(scheme)):
            if _asks(name, _get(one, name)):
                text = f"{name} of {scheme}:// pushes {NO_EFFECT}"
                yield InVain(f"push_option_{name}", ("pushes", index, name), text)


def _push_options(scheme: str) -> frozenset[str]:
    """What pushes to this scheme read."""
    row = protocols.push_protocol(scheme)
    own = row.push.push_options if row is not None and row.push is not None else ()
    return frozenset(own)


def _rights(item: Any) -> Iterator[InVain]:
    """Rules of access that cannot be followed: everybody is refused."""
    for name in ("on_play", "on_publish"):
        spec = _get(item, name)
        url = spec if isinstance(spec, str) else _get(spec, "url") if spec is not None else None
        if (
            isinstance(url, str)
            and url
            and url.partition("://")[0] not in AUTH_SCHEMES
            and script_path(url) is None
        ):
            text = (
                f"{name} names no http(s)://, securetoken://, auth:// or /path/NAME.lua:"
                " everybody is refused"
            )
            yield InVain(f"{name}_script", (name, "url"), text)


def _limited(item: Any) -> Iterator[InVain]:
    """Limits to countries on a server without a database of them."""
    for name in ("on_play", "on_publish"):
        spec = _get(item, name)
        if isinstance(spec, str) or spec is None:
            continue
        for countries in ("allowed_countries", "disallowed_countries"):
            if _get(spec, countries):
                text = f"{countries} of {name} needs a database (geoip): everybody is refused"
                yield InVain(f"{name}_countries", (name, countries), text)


def _groups(item: Any, geoip: bool) -> Iterator[InVain]:
    """Of a source: what holds for its streams that are in a group."""
    groups = _get(item, "group_config")
    for name, group in groups.items() if isinstance(groups, Mapping) else ():
        found = [*_archive(group), *_rights(group), *(() if geoip else _limited(group))]
        for one in found:
            yield InVain(one.key, ("group_config", name, *one.path), one.text)


def _files(item: Any, vods: Mapping[str, Sequence[str]]) -> Iterator[InVain]:
    """Files that lie in no VOD location; no thread opens one elsewhere."""
    found: list[tuple[Path, str]] = [
        (("inputs", index, "url"), str(_get(one, "url"))[len("file://") :])
        for index, one in enumerate(_get(item, "inputs") or ())
        if _scheme(one) == "file"
    ]
    backup = _get(item, "backup")
    if backup is not None and _get(backup, "file"):
        found.append((("backup", "file"), str(_get(backup, "file"))))
    for path, file in found:
        if not _is_located(file, vods):
            what = "backup" if path[0] == "backup" else "input"
            text = f"{what}: no vod location has the file: write LOCATION/path and declare `vod`"
            yield InVain(f"{what}_file", path, text)


def _is_located(file: str, vods: Mapping[str, Sequence[str]]) -> bool:
    if not file.startswith("/"):
        return any(file.startswith(f"{prefix}/") for prefix in vods)
    roots = [root for directories in vods.values() for root in directories]
    return any(file.startswith(f"{root.rstrip('/')}/") for root in roots)


class Tally:
    """Which streams ask for what is not done, kept while they come and go.

    The alerts of a thousand streams cost as much as there are alerts, and streams with files.
    """

    def __init__(self) -> None:
        self._keys: dict[str, tuple[str, ...]] = {}
        self._texts: dict[str, str] = {}
        self._names: dict[str, dict[str, None]] = {}
        self._by_server: dict[str, StreamConfig] = {}
        """Streams that get what they ask for on some servers: with files, limited to countries."""

    def put(self, stream: StreamConfig) -> None:
        """This is the stream of its name from now on."""
        self.drop(stream.name)
        found = {one.key: one.text for one in asked_in_vain(stream)}
        if found:
            self._keys[stream.name] = tuple(found)
        for key, text in found.items():
            self._texts[key] = text
            self._names.setdefault(key, {})[stream.name] = None
        files = any(one.scheme == "file" for one in stream.inputs) or stream.backup is not None
        if files or any(_limited(stream)):
            self._by_server[stream.name] = stream

    def drop(self, name: str) -> None:
        """There is no stream of that name any more."""
        for key in self._keys.pop(name, ()):
            self._names[key].pop(name)
        self._by_server.pop(name, None)

    def alerts(self, config: ServerConfig) -> dict[str, str]:
        """Alerts by key; each names what has no effect. `config` without its streams."""
        vods, geoip = vod_directories(config), bool(config.geoip)
        names: dict[str, tuple[str, list[str]]] = {}
        for name, item in (
            *((template.name, template) for template in config.templates),
            *((source.url, source) for source in config.sources),
        ):
            for key, text in {
                one.key: one.text for one in asked_in_vain(item, vods, geoip)
            }.items():
                names.setdefault(key, (text, []))[1].append(name)
        for key, streams in self._names.items():
            few = list(islice(streams, MAX_NAMES + 1))
            if few:
                names.setdefault(key, (self._texts[key], []))[1].extend(few)
        for name, stream in self._by_server.items():
            found_here = [*_files(stream, vods), *(() if geoip else _limited(stream))]
            for key, text in {one.key: one.text for one in found_here}.items():
                names.setdefault(key, (text, []))[1].append(name)
        found = server_asks_in_vain(config)
        alerts = {one.key: one.text for one in found}
        return alerts | {key: f"{text}: {_shown(found)}" for key, (text, found) in names.items()}


def unsupported_parts(
    config: ServerConfig, streams: Iterable[StreamConfig] | None = None
) -> dict[str, str]:
    """Alerts by key; each names what has no effect.

    `streams` are those that run, if they are not only the ones of `config`.
    """
    tally = Tally()
    for stream in config.streams if streams is None else streams:
        tally.put(stream)
    return tally.alerts(config)


def vod_directories(config: ServerConfig) -> dict[str, list[str]]:
    """Local directories by VOD location; remote storages are no directories."""
    return {
        vod.prefix: [
            storage.url.removeprefix("file://")
            for storage in vod.storages
            if storage.url.startswith(("/", "file://"))
        ]
        for vod in config.vods
        if not vod.disabled
    }


def server_asks_in_vain(config: ServerConfig) -> list[InVain]:
    """All of the server itself."""
    return [
        *_listeners(config),
        *_srt(config),
        *_storages(config.dvrs),
        *_globals(config),
        *_unused_caches(config),
        *_named(config),
    ]


def _listeners(config: ServerConfig) -> Iterator[InVain]:
    served = protocols.served_listeners()
    for name in protocols.listeners():
        if name not in served and config.listeners is not None and config.listeners.of(name):
            text = f"{name} listeners are configured, but {name} is not served"
            yield InVain(f"listener_{name}", ("listeners", name, 0), text)


def _globals(config: ServerConfig) -> Iterator[InVain]:
    for key in LISTS:
        if count := len(getattr(config, key)):
            text = f"{key}: {count} are configured and have no effect in this version"
            yield InVain(key, (key,), text)
    for key in GLOBALS:
        if getattr(config, key):
            yield InVain(key, (key,), f"{key} {NO_EFFECT}")
    for key, reason in protocols.unserved_fields().items():
        if getattr(config, key, None):
            yield InVain(key, (key,), f"{key} has no effect: {reason}")


def _unused_caches(config: ServerConfig) -> Iterator[InVain]:
    """Global caches that nothing refers to."""
    users: list[StreamOnPremises] = [*config.streams, *config.templates, *config.sources]
    used = {one.cache.reference for one in users if one.cache is not None}
    kept = [cache for vod in config.vods for cache in (vod.cache, vod.segment_cache)]
    used.update(cache.reference for cache in kept if cache is not None)
    used.update(
        group.cache.reference
        for source in config.sources
        for group in (source.group_config or {}).values()
        if group.cache is not None
    )
    if unused := [cache.name for cache in config.caches if cache.name not in used]:
        text = (
            f"caches are used only by sources, streams and files that name them: {_shown(unused)}"
        )
        yield InVain("caches", ("caches",), text)


def _named(config: ServerConfig) -> Iterator[InVain]:
    scripts = [sink for sink in config.event_sinks if sink.url.startswith("lua://")]
    if odd := [sink.name for sink in scripts if script_path(sink.url) is None]:
        text = f"event sinks have no effect, a script is /path/NAME.lua: {_shown(odd)}"
        yield InVain("event_sinks", ("event_sinks",), text)
    if config.init_script and script_path(config.init_script) is None:
        text = "init_script has no effect, a script is /path/NAME.lua"
        yield InVain("init_script", ("init_script",), text)
    backends = config.auth_backends
    limited = [one.name for one in backends if one.allow_countries or one.deny_countries]
    if (rules := limited) and not config.geoip:
        text = "auth_backend rules on countries decide nothing without a database (geoip)"
        yield InVain("auth_backends", ("auth_backends",), f"{text}: {_shown(rules)}")
    yield from locations_ask_in_vain(config)


def unserved_options(document: Mapping[str, Any]) -> list[str]:
    """Paths within a stream's or template's document (JSON names) that have no effect."""
    return [one.dotted for one in asked_in_vain(document)]


def unserved_globals(document: Mapping[str, Any]) -> list[str]:
    """The same of a document of global directives, such as a Streamer's `config`."""
    listeners = document.get("listeners") or {}
    ports = protocols.listeners().keys() - protocols.served_listeners().keys()
    return [
        *(key for key in (*LISTS, *GLOBALS) if document.get(key)),
        *(f"listeners.{name}" for name in sorted(ports) if listeners.get(name)),
        *(one.dotted for one in _storages(_listed(document.get("dvrs")))),
        *(
            f"templates[{template.get('name') or index}].{path}"
            for index, template in enumerate(document.get("templates") or [])
            for path in unserved_options(template)
        ),
        *(
            f"sources[{source.get('url') or index}].{path}"
            for index, source in enumerate(document.get("sources") or [])
            for path in unserved_options(source)
        ),
    ]


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def input_schemes(document: Mapping[str, Any]) -> list[str]:
    """The scheme of each input of a stream's or template's document."""
    inputs = document.get("inputs") or []
    return [str(item.get("url") or "").partition("://")[0] for item in inputs]


def locations_ask_in_vain(config: ServerConfig) -> Iterator[InVain]:
    """All of the locations of files."""
    for index, vod in enumerate(config.vods):
        for place, storage in enumerate(vod.storages):
            if not storage.url.startswith(STORAGE_SCHEMES):
                scheme = storage.url.partition("://")[0]
                text = f"vod {vod.prefix}: storages by {scheme} are not served"
                yield InVain("vod_storages", ("vods", index, "storages", place), text)
            elif vod.auto_mbr and not storage.url.startswith(("/", "file://")):
                text = f"vod {vod.prefix}: auto_mbr finds files in directories only"
                yield InVain("vod_auto_mbr", ("vods", index, "storages", place), text)
        if vod.drm is not None:
            text = f"vod {vod.prefix}: drm {STREAM_WORDS['drm'].replace('stream is', 'files are')}"
            yield InVain("vod_drm", ("vods", index, "drm"), text)
        for key in ("url", "sizes"):
            if vod.thumbnails is not None and _get(vod.thumbnails, key):
                path = ("vods", index, "thumbnails", key)
                text = f"vod {vod.prefix}: {key} of thumbnails {NO_EFFECT}"
                yield InVain(f"vod_thumbnails_{key}", path, text)
        for key in VOD_OPTIONS:
            if _asks(key, getattr(vod, key)):
                yield InVain(
                    f"vod_{key}", ("vods", index, key), f"vod {vod.prefix}: {key} {NO_EFFECT}"
                )


def _shown(names: list[str]) -> str:
    return ", ".join(names[:MAX_NAMES]) + (", …" if len(names) > MAX_NAMES else "")
