"""What archives and their storages ask for in vain."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from media_api.unsupported.words import (
    BUCKET_SCHEMES,
    COPY_WORDS,
    DVR_OPTIONS,
    MOVING,
    NO_EFFECT,
    STORAGE_OPTIONS,
    InVain,
    Path,
    asks,
    get,
    is_of_ours,
    is_playlist,
)

LOCKS = "has no effect but true: locked ranges are always kept"


def archive_asks_in_vain(item: Any) -> Iterator[InVain]:
    """`dvr` of a stream, template, source or group."""
    dvr = get(item, "dvr")
    if dvr is None:
        return
    root = get(dvr, "root")
    if isinstance(root, str) and root and not is_directory(root):
        scheme = root.partition("://")[0] if "://" in root else "that path"
        text = f"nothing is recorded: dvr needs an absolute path of a directory, not {scheme}"
        yield InVain("dvr_root", ("dvr", "root"), text)
    if _is_no_bucket(_option(dvr, "copy")):
        yield InVain("dvr_copy", ("dvr", "copy"), f"copy of dvr {COPY_WORDS}")
    for name in DVR_OPTIONS:
        if asks(name, _option(dvr, name)):
            yield InVain(f"dvr_option_{name}", ("dvr", name), f"{name} of dvr {NO_EFFECT}")
    if _option(dvr, "keep_locks") is False:
        yield InVain("dvr_option_keep_locks", ("dvr", "keep_locks"), f"keep_locks of dvr {LOCKS}")
    inputs = get(item, "inputs")  # a source has none
    if (
        get(dvr, "dvr_replicate")
        and inputs is not None
        and not any(is_of_ours(one) or is_playlist(one) for one in inputs)
    ):
        origins = "m4f://HOST/NAME or hls://HOST/NAME/index.m3u8 of another server"
        text = f"dvr_replicate of dvr has no effect: no input is {origins}"
        yield InVain("dvr_option_dvr_replicate", ("dvr", "dvr_replicate"), text)


def _option(archive: Any, name: str) -> Any:
    """By its JSON name, which a model cannot always have."""
    if name == "copy" and not isinstance(archive, Mapping):
        name = "copy_to"
    return get(archive, name)


def _is_no_bucket(url: Any) -> bool:
    return isinstance(url, str) and bool(url) and not url.startswith(BUCKET_SCHEMES)


def is_directory(root: str) -> bool:
    """Whether an archive can be recorded there: in a directory of the streamer."""
    return root.removeprefix("file://").startswith("/")


def storages_ask_in_vain(storages: Iterable[Any]) -> Iterator[InVain]:
    """`dvr` of the server."""
    for index, one in enumerate(storages):
        path: Path = ("dvrs", index)
        name, root = get(one, "name") or index, get(one, "root")
        if isinstance(root, str) and root and not is_directory(root):
            text = f"dvr storage {name} is no directory of this server: nothing is recorded there"
            yield InVain(f"dvrs_root_{name}", (*path, "root"), text)
        if asks("raid", _option(one, "raid")):
            text = "raid of dvr storages has no effect but 0: streams are spread over the disks"
            yield InVain("dvrs_option_raid", (*path, "raid"), text)
        for number, disk in enumerate(get(one, "disks") or ()):
            if (mode := get(disk, "mode")) in MOVING:
                text = f"a dvr disk in mode {mode} is read, nothing is moved off it"
                yield InVain(f"dvrs_disk_{mode}", (*path, "disks", number, "mode"), text)
        if _is_no_bucket(_option(one, "copy")):
            text = f"copy of dvr storages {COPY_WORDS}"
            yield InVain("dvrs_copy", (*path, "copy"), text)
        for option in (*DVR_OPTIONS, *STORAGE_OPTIONS):
            if asks(option, _option(one, option)):
                text = f"{option} of dvr storages {NO_EFFECT}"
                yield InVain(f"dvrs_option_{option}", (*path, option), text)
        if _option(one, "keep_locks") is False:
            text = f"keep_locks of dvr storages {LOCKS}"
            yield InVain("dvrs_option_keep_locks", (*path, "keep_locks"), text)
