"""What a stream, a template or a source asks for in vain."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from media_api import protocols
from media_api.scripts import script_path
from media_api.unsupported.addresses import addresses_in_vain
from media_api.unsupported.archives import archive_asks_in_vain
from media_api.unsupported.transcoder import transcoder_in_vain
from media_api.unsupported.words import (
    ALWAYS,
    ARCHIVE_SCHEMES,
    AUTH_SCHEMES,
    BACKUP_OPTIONS,
    DRM_OPTIONS,
    DRM_WORDS,
    INPUT_READERS,
    INPUT_SCHEMES,
    INPUT_WORDS,
    NO_EFFECT,
    PUSH_OPTIONS,
    SESSION_KEYS,
    SRT_BLOCKS,
    SRT_OPTIONS,
    STREAM_WORDS,
    InVain,
    Path,
    asks,
    get,
    is_of_ours,
    shown,
)

PUBLISHED_RATE = (
    "min_bitrate", "abr_stepup", "abr_stepdown", "abr_correction", "abr_loss_lower",
    "abr_loss_upper", "abr_mode", "abr_cycles", "abr_debug",
)  # fmt: skip
"""What a WebRTC publisher is told of its bit rate; `max_bitrate` bounds any input."""


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
        *srt_in_vain(item),
        *archive_asks_in_vain(item),
        *(InVain(*one) for one in transcoder_in_vain(item)),
        *_cache(item),
        *drm_in_vain(get(item, "drm")),
        *_protocols(item),
        *_urls(item),
        *addresses_in_vain(item),
        *_rights(item),
        *_sessions(item),
        *(files_in_vain(item, vods) if vods is not None else ()),
        *(() if geoip else countries_in_vain(item)),
        *_groups(item, geoip),
    ]


def _scheme(item: Any) -> str:
    return str(get(item, "url") or "").partition("://")[0]


def _options(item: Any) -> Iterator[InVain]:
    for name, words in STREAM_WORDS.items():
        if asks(name, get(item, name)):
            yield InVain(f"stream_{name}", (name,), f"{name} {words}")
    backup = get(item, "backup")
    for name in BACKUP_OPTIONS if backup is not None else ():
        if get(backup, name):
            path = ("backup", name)
            yield InVain(f"stream_backup_{name}", path, f"{name} of backup {NO_EFFECT}")


def srt_in_vain(item: Any) -> Iterator[InVain]:
    """Options of SRT ports, of a stream or of the server."""
    for block in SRT_BLOCKS:
        chosen = get(item, block)
        for name in SRT_OPTIONS if chosen is not None else ():
            if get(chosen, name) is not None:
                yield InVain(f"{block}_{name}", (block, name), f"{name} of {block} {NO_EFFECT}")


def drm_in_vain(drm: Any) -> Iterator[InVain]:
    """Encryption that cannot be done, of a stream or location, and what it does not read."""
    if drm is None:
        return
    vendor = get(drm, "vendor")
    if vendor != "aes128":
        yield InVain("stream_drm", ("drm",), f"drm {vendor} {DRM_WORDS}")
    elif not get(drm, "keyserver"):
        text = "drm aes128 needs keyserver=URL: it is not played at all"
        yield InVain("stream_drm", ("drm",), text)
    else:
        names = drm if isinstance(drm, Mapping) else type(drm).model_fields
        for name in names:
            value = get(drm, name)
            vain = value is False if name in ALWAYS else name not in DRM_OPTIONS and value
            if vain:
                text = f"{name} of drm has no effect with aes128"
                yield InVain(f"stream_drm_{name}", ("drm", name), text)


def _cache(item: Any) -> Iterator[InVain]:
    """One of a stream that is taken from no other server, which has nothing to keep."""
    inputs = get(item, "inputs")
    if not asks("cache", get(item, "cache")) or inputs is None:
        return  # a source has no inputs
    if not inputs or not is_of_ours(inputs[0]):
        text = "cache has no effect: the first input is no m4f://HOST/NAME of another server"
        yield InVain("stream_cache", ("cache",), text)


def _protocols(item: Any) -> Iterator[InVain]:
    """Switches that are on by name."""
    chosen = get(item, "protocols")
    for switch, reason in protocols.missing_switches().items() if chosen is not None else ():
        if get(chosen, switch) is True:
            text = f"{switch} in protocols is {reason}"
            yield InVain(f"protocol_{switch}", ("protocols", switch), text)


def _urls(item: Any) -> Iterator[InVain]:
    for index, one in enumerate(get(item, "inputs") or ()):
        scheme = _scheme(one)
        if scheme not in INPUT_SCHEMES:
            reason = protocols.why_not("pull", scheme)
            yield InVain(f"input_{scheme}", ("inputs", index), f"{scheme}:// inputs are {reason}")
            continue
        yield from _of_other_protocols(one, index, scheme)
        if get(one, "remote_dvr") not in (None, "none") and (
            index or not scheme.startswith(ARCHIVE_SCHEMES)
        ):
            text = "remote_dvr has no effect but on a first input by m4f, m4s, tshttp or hls"
            yield InVain("input_option_remote_dvr", ("inputs", index, "remote_dvr"), text)
        for name, words in INPUT_WORDS.items():
            if asks(name, get(one, name)):
                path = ("inputs", index, name)
                yield InVain(f"input_option_{name}", path, f"{name} of inputs {words}")
        if scheme == "publish" and get(one, "webrtc_abr") is False:
            for name in PUBLISHED_RATE:
                if asks(name, get(one, name)):
                    text = f"{name} has no effect: webrtc_abr false leaves the rate to publishers"
                    yield InVain(f"input_option_{name}", ("inputs", index, name), text)
    for index, one in enumerate(get(item, "pushes") or ()):
        scheme = _scheme(one)
        if reason := protocols.why_not("push", scheme):
            yield InVain(f"push_{scheme}", ("pushes", index), f"{scheme}:// pushes are {reason}")
            continue
        for name in sorted(PUSH_OPTIONS - _push_options(scheme)):
            if asks(name, get(one, name)):
                text = f"{name} of {scheme}:// pushes {NO_EFFECT}"
                yield InVain(f"push_option_{name}", ("pushes", index, name), text)
        if scheme in ("udp", "rtp") and get(one, "vb") and not get(one, "bitrate"):
            text = f"vb of {scheme}:// pushes has no effect without bitrate"
            yield InVain("push_option_vb", ("pushes", index, "vb"), text)


def _of_other_protocols(item: Any, index: int, scheme: str) -> Iterator[InVain]:
    """Options of an input that others read, and inputs by its protocol do not."""
    for option in INPUT_READERS:
        name = option.json_name
        if option.field in INPUT_WORDS or option.field == "remote_dvr" or scheme in option.schemes:
            continue  # nobody reads it, or its own words say more
        value = get(item, name if isinstance(item, Mapping) else option.field)
        if asks(option.field, value):
            path = ("inputs", index, name)
            yield InVain(f"input_option_{option.field}", path, f"{name} {option.words}")


def _push_options(scheme: str) -> frozenset[str]:
    """What pushes to this scheme read."""
    row = protocols.push_protocol(scheme)
    own = row.push.push_options if row is not None and row.push is not None else ()
    return frozenset(own)


def _rights(item: Any) -> Iterator[InVain]:
    """Rules of access that cannot be followed: everybody is refused."""
    for name in ("on_play", "on_publish"):
        spec = get(item, name)
        url = spec if isinstance(spec, str) else get(spec, "url") if spec is not None else None
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


def _sessions(item: Any) -> Iterator[InVain]:
    """Keys that viewers who send many short requests are not told apart by."""
    spec = get(item, "on_play")
    keys = get(spec, "session_keys") if spec is not None and not isinstance(spec, str) else None
    if isinstance(keys, list) and (own := [key for key in keys if key not in SESSION_KEYS]):
        text = (
            f"session_keys of on_play: {shown(own)}: viewers by HLS and DASH are told apart by"
            " address and token alone"
        )
        yield InVain("on_play_session_keys", ("on_play", "session_keys"), text)


def countries_in_vain(item: Any) -> Iterator[InVain]:
    """Limits to countries on a server without a database of them."""
    for name in ("on_play", "on_publish"):
        spec = get(item, name)
        if isinstance(spec, str) or spec is None:
            continue
        for countries in ("allowed_countries", "disallowed_countries"):
            if get(spec, countries):
                text = f"{countries} of {name} needs a database (geoip): everybody is refused"
                yield InVain(f"{name}_countries", (name, countries), text)


def _groups(item: Any, geoip: bool) -> Iterator[InVain]:
    """Of a source: what holds for its streams that are in a group."""
    groups = get(item, "group_config")
    for name, group in groups.items() if isinstance(groups, Mapping) else ():
        found = [
            *archive_asks_in_vain(group),
            *_rights(group),
            *(() if geoip else countries_in_vain(group)),
        ]
        for one in found:
            yield InVain(one.key, ("group_config", name, *one.path), one.text)


def files_in_vain(item: Any, vods: Mapping[str, Sequence[str]]) -> Iterator[InVain]:
    """Files that lie in no VOD location; no thread opens one elsewhere."""
    found: list[tuple[Path, str]] = [
        (("inputs", index, "url"), str(get(one, "url"))[len("file://") :])
        for index, one in enumerate(get(item, "inputs") or ())
        if _scheme(one) == "file"
    ]
    backup = get(item, "backup")
    if backup is not None and get(backup, "file"):
        found.append((("backup", "file"), str(get(backup, "file"))))
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
