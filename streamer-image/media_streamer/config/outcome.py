"""What becomes of a directive in this version, asked of whoever knows: `media_api.unsupported`.

Role: each option is put into a document for itself, and what `--check` would say of that document
is its outcome. So nobody keeps a second list of what is served.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from media_api import protocols
from media_api.auth import AuthSpec
from media_api.base import ApiModel
from media_api.cluster import SourceConfig
from media_api.dvr import DvrConfig, StreamDvrSpec
from media_api.input import InputConfig
from media_api.playback import DrmSpec, ThumbnailsSpec
from media_api.push import PushConfig
from media_api.server import HttpListenerConfig, ListenerConfig, Listeners, ServerConfig
from media_api.srt import SrtConfig
from media_api.stream import BackupConfig, StreamConfig, TemplateConfig
from media_api.transcoder import (
    AudioOptions,
    Burn,
    QpRange,
    TranscoderDecoder,
    TranscoderGlobal,
    TranscoderTrack,
    VideoOptions,
)
from media_api.unsupported import (
    ALWAYS,
    HARMLESS,
    InVain,
    asked_in_vain,
    locations_ask_in_vain,
    server_asks_in_vain,
)
from media_api.vod import VodConfig, VodStorage
from pydantic import ValidationError

from media_streamer.config.shapes import Shape, Unsupported
from media_streamer.config.special import AdminListener, ListenerShape

State = Literal["works", "partly", "none"]
SAMPLE = "sample"
_BESIDE = {"vb": {"bitrate": SAMPLE}}
"""Options that have their effect beside another one only."""
_DRM: Mapping[str, Any] = {"vendor": "aes128", "keyserver": "http://sample"}
_VALUES: Mapping[str, Any] = {
    "url": "http://sample",
    "root": "/sample",
    "copy": "s3://sample/bucket",
    "init_script": "/sample.lua",
    "drm": _DRM,
    **_DRM,
    **dict.fromkeys(ALWAYS, False),
}
"""Options whose value decides whether they work get one that does."""
_ITEM: Mapping[str, Any] = {
    "name": SAMPLE,
    "url": "http://sample",
    "prefix": SAMPLE,
    "hostname": SAMPLE,
    "domain": SAMPLE,
    "root": "/sample",
    "path": "/sample",
    "storages": [{"url": "/sample"}],
}
"""An object of any list of the server; models ignore what they do not know."""
_IN_STREAMS: Mapping[type[ApiModel], tuple[str, ...]] = {
    BackupConfig: ("backup",),
    ThumbnailsSpec: ("thumbnails",),
    StreamDvrSpec: ("dvr",),
    AuthSpec: ("on_play", "on_publish"),
    SrtConfig: ("srt_play", "srt2_play", "srt_publish", "srt2_publish"),
}
_IN_TRANSCODERS: Mapping[type[ApiModel], tuple[str, Mapping[str, Any]]] = {
    TranscoderGlobal: ("global", {"hw": "cpu"}),
    TranscoderDecoder: ("decoder", {}),
    AudioOptions: ("audio", {"codec": "aac"}),
    VideoOptions: ("video", {"codec": "h264"}),
    TranscoderTrack: ("tracks", {"codec": "h264", "content": "video"}),
}
"""The block of a transcoder, and values that work where the value decides."""
_ROOTS = frozenset({ServerConfig, StreamConfig, TemplateConfig, SourceConfig})
"""What is asked of them is at the top of their document."""
NOT_KNOWN_HERE = "known to Flussonic, not to this server"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`works`, `partly` or `none` (no effect), and the reason of the latter two."""

    state: State
    reason: str = ""


WORKS = Outcome("works")


@cache
def _probes(model: type[ApiModel]) -> tuple[tuple[str, Callable[[str], list[InVain]]], ...]:
    """(where, what is said of an option there) of each place that the object can stand in."""
    if model in (StreamConfig, TemplateConfig, SourceConfig):
        return (("", lambda key: asked_in_vain({key: _value(key)})),)
    if model is InputConfig:
        served = sorted(protocols.served_schemes("pull") | {protocols.ANY_PUBLISHER})
        return tuple((scheme, _in_list("inputs", scheme)) for scheme in served)
    if model is PushConfig:
        served = sorted(protocols.served_schemes("push"))
        return tuple((scheme, _in_list("pushes", scheme)) for scheme in served)
    if model is DvrConfig:
        return (("", _of_storages),)
    if model is VodConfig:
        return (("", _of_location),)
    if model is VodStorage:
        return (("", _of_files),)
    if issubclass(model, ListenerConfig):
        return (("", _of_ports),)
    if model is ServerConfig:
        return (("", _of_server),)
    if model in _IN_TRANSCODERS:
        return (("", _in_transcoder(*_IN_TRANSCODERS[model])),)
    if model is Burn:
        return (("", _of_labels),)
    if model is QpRange:
        return (("", _of_quantisers),)
    if model is DrmSpec:
        return (("", _of_drm),)
    return tuple((name, _in_object(name)) for name in _IN_STREAMS.get(model, ()))


def _value(key: str) -> Any:
    return _VALUES.get(key, SAMPLE)


def _in_list(name: str, scheme: str) -> Callable[[str], list[InVain]]:
    def ask(key: str) -> list[InVain]:
        return asked_in_vain(
            {name: [{key: SAMPLE, "url": f"{scheme}://sample", **_BESIDE.get(key, {})}]}
        )

    return ask


def _in_object(name: str) -> Callable[[str], list[InVain]]:
    return lambda key: asked_in_vain({name: {key: _value(key)}})


def _in_transcoder(block: str, values: Mapping[str, Any]) -> Callable[[str], list[InVain]]:
    def ask(key: str) -> list[InVain]:
        options = {key: values.get(key, _value(key))}
        if block == "tracks" and key not in VideoOptions.model_fields:
            options.setdefault("content", "audio")
        spec = {block: [options] if block in ("video", "tracks") else options}
        return asked_in_vain({"transcoder": spec})

    return ask


def _of_labels(key: str) -> list[InVain]:
    return asked_in_vain({"transcoder": {"global": {"burn": {key: {}}}}})


def _of_quantisers(key: str) -> list[InVain]:
    video = {"codec": "h264", "qp_range": {key: 1}}
    return asked_in_vain({"transcoder": {"video": [video]}})


def _of_drm(key: str) -> list[InVain]:
    return asked_in_vain({"drm": {**_DRM, key: _value(key)}})


def _of_storages(key: str) -> list[InVain]:
    document: dict[str, Any] = {"dvrs": [{"root": "/sample", key: _value(key)}]}
    return server_asks_in_vain(ServerConfig.model_construct(None, **document))


def _of_location(key: str) -> list[InVain]:
    if key == "storages":
        return []  # objects, of which their URL decides
    vod: dict[str, Any] = {"prefix": SAMPLE, key: _value(key)}
    document: dict[str, Any] = {"vods": [VodConfig.model_construct(None, **vod)]}
    return list(locations_ask_in_vain(ServerConfig.model_construct(None, **document)))


def _of_files(key: str) -> list[InVain]:
    storage = VodStorage.model_construct(None, **{"url": "/sample", key: _value(key)})
    vod = VodConfig.model_construct(None, prefix=SAMPLE, storages=[storage])
    return list(locations_ask_in_vain(ServerConfig.model_construct(None, vods=[vod])))


def _of_ports(key: str) -> list[InVain]:
    """Whatever the protocol: each has the same options in vain."""
    port = HttpListenerConfig.model_construct(None, **{key: _value(key)})
    listeners = Listeners.model_construct(None, http=[port])
    return server_asks_in_vain(ServerConfig.model_construct(None, listeners=listeners))


def _of_server(key: str) -> list[InVain]:
    return server_asks_in_vain(_server_with(key))


def _server_with(key: str) -> ServerConfig:
    """A server with nothing but this."""
    for value in ([_ITEM], _ITEM, _value(key)):
        try:
            return ServerConfig.model_validate({key: value})
        except ValidationError:
            continue
    document: dict[str, Any] = {key: SAMPLE}
    return ServerConfig.model_construct(None, **document)


def outcome(model: type[ApiModel], key: str, shape: Shape) -> Outcome:
    """What becomes of the directive that sets `key` of a `model`."""
    if isinstance(shape, Unsupported):
        return Outcome("none", NOT_KNOWN_HERE)
    if isinstance(shape, ListenerShape | AdminListener):
        return _listener(shape.protocol)
    names = {info.alias or field for field, info in model.model_fields.items()}
    if key not in names or not _probes(model):
        return WORKS
    refused = dict(_refusals(model, key))
    if not refused:
        return WORKS
    text = next(iter(refused.values()))
    if key in HARMLESS or key in ALWAYS:
        usual = str(HARMLESS.get(key, True)).lower()
        return Outcome("partly", f"other values than `{usual}` have no effect")
    if len(refused) < len(_probes(model)):
        read = [where for where, _ in _probes(model) if where not in refused]
        shown = ", ".join(f"`{where}`" for where in read if not _is_variant(where, read))
        return Outcome("partly", f"read with {shown} only")
    return Outcome("partly" if " only" in text else "none", text)


def _is_variant(scheme: str, others: Iterable[str]) -> bool:
    """Whether another one stands for it: hls for hlss and hls2, rtsp for rtsp-udp."""
    return any(scheme != other and scheme.startswith(other) for other in others)


def _refusals(model: type[ApiModel], key: str) -> Iterator[tuple[str, str]]:
    for where, ask in _probes(model):
        for one in ask(key):
            # What is said of the object itself, or of another part of it, is not said of this.
            nested = len(one.path) > 1 and one.path[-1] == key
            if one.path == (key,) or (nested and model not in _ROOTS):
                yield where, _plain(one.text, key)
                break


def _listener(name: str) -> Outcome:
    if name in protocols.served_listeners():
        return WORKS
    return Outcome("none", f"{protocols.listeners()[name][0].title} is not served")


def _plain(text: str, key: str) -> str:
    """The reason without the words that the row has already, and without the sample."""
    text = text.replace(f": {SAMPLE}", "").removesuffix(" in this version")
    if re.search(r"ha(s|ve) no effect$", text):
        return "no effect"
    text = text.removeprefix(f"{key} ").removeprefix("has no effect: ")
    text = text.removeprefix(f"vod {SAMPLE}: ").removeprefix(f"{key} ")
    return text.removeprefix("has no effect: ").removeprefix("is ")
