"""Random configurations made from the vocabulary's own types.

A model is drawn field by field; what the model then refuses (a range, a URL) is left out, so the
strategy needs no knowledge of the fields and covers those that are added later.
"""

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from media_api.base import ApiModel
from media_api.server import ServerConfig
from media_api.transcoder import TranscoderSpec
from pydantic import ValidationError

URLS = st.sampled_from(
    ["rtsp://u:p@h:554/x?a=b&c=d", "udp://239.0.0.1:5000", "rtmp://h/app/%s", "srt://h:1#!::r=a"]
)
TEXTS = st.one_of(
    st.sampled_from(["", "a b", 'say "x"', "it's", "a=b", "#1", "{", "};", "\\n", "x\ny", "true"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}(/[a-z0-9]{1,3})?", fullmatch=True)
NUMBERS = st.one_of(st.integers(0, 30), st.integers(100, 8000), st.integers(0, 2**40))
# What a path or a word in the file cannot tell from something else is not drawn there.
BY_NAME = {
    "name": NAMES,
    "prefix": NAMES,
    "hostname": NAMES,
    "template": NAMES,
    "reference": NAMES,
    "domain": NAMES,
    "port": st.integers(1, 65535),
    "address": st.sampled_from(["10.0.0.1", "::1", "localhost"]),
    "prefixes": st.lists(NAMES | st.just(""), max_size=3),
    "url": URLS,
    "root": st.sampled_from(["/storage", "s3://k:s@h/b", "7d", "@x"]),
    "path": st.sampled_from(["/cache dir", "/var/www", "2d", "x;y"]),
    "sar": st.just({"x": 16, "y": 11}),
    "passphrase": st.just("0123456789 ;"),
}


def _value(annotation: Any, depth: int) -> st.SearchStrategy[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _value(get_args(annotation)[0], depth)
    if origin in (Union, types.UnionType):
        members = [arg for arg in get_args(annotation) if arg is not type(None)]
        return st.one_of([_value(member, depth) for member in members])
    if origin is Literal:
        return st.sampled_from(get_args(annotation))
    if origin is list:
        size = 3 if depth else 4
        return st.lists(_value(get_args(annotation)[0], depth + 1), min_size=1, max_size=size)
    if origin is dict:
        return st.dictionaries(
            TEXTS.filter(bool), _value(get_args(annotation)[1], depth + 1), min_size=1, max_size=3
        )
    if isinstance(annotation, type) and issubclass(annotation, ApiModel):
        return models(annotation, depth + 1)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        bool: st.booleans(),
        int: NUMBERS,
        float: st.floats(0, 10, allow_nan=False),
    }
    return simple.get(annotation, TEXTS)


@st.composite
def models(draw: st.DrawFn, model: type[ApiModel], depth: int = 0) -> dict[str, Any]:
    """JSON object that `model` accepts as far as this knows."""
    fields = {info.alias or name: info for name, info in model.model_fields.items()}
    if model is TranscoderSpec:
        fields.pop("tracks")  # its `codec` redefines a field; covered by an example
    required = [key for key, info in fields.items() if info.is_required()]
    count = draw(st.integers(0, 5 if depth < 2 else 2))
    chosen = draw(st.lists(st.sampled_from(sorted(fields)), max_size=count, unique=True))
    values = {}
    for key in dict.fromkeys([*required, *chosen]):
        strategy = BY_NAME[key] if key in BY_NAME else _value(fields[key].annotation, depth)
        values[key] = draw(strategy)
    return values


def _repair(values: dict[str, Any]) -> ServerConfig | None:
    """The configuration without what is refused."""
    for _ in range(30):
        try:
            return ServerConfig.model_validate(values)
        except ValidationError as error:
            for item in error.errors():
                if not _remove(values, item["loc"]):
                    return None
    return None


def _remove(values: Any, loc: tuple[int | str, ...]) -> bool:
    parents: list[tuple[Any, int | str]] = []
    for part in loc:
        if (isinstance(values, dict) and part in values) or (
            isinstance(values, list) and isinstance(part, int) and part < len(values)
        ):
            parents.append((values, part))
            values = values[part]
    if not parents:
        return False
    holder, key = parents[-1]
    del holder[key]
    return True


def _identity(item: dict[str, Any]) -> object:
    keys = ("name", "prefix", "hostname", "url")
    return next((item[key] for key in keys if item.get(key)), item)


@st.composite
def configs(draw: st.DrawFn) -> ServerConfig:
    """A valid configuration with distinct names."""
    values = draw(models(ServerConfig))
    for key in ("streams", "templates"):
        if draw(st.booleans()):
            info = ServerConfig.model_fields[key]
            values[key] = draw(_value(info.annotation, 0))
    for key, items in values.items():
        if isinstance(items, list) and items and isinstance(items[0], dict):
            unique = {str(_identity(item)): item for item in items}
            values[key] = list(unique.values())
    return _repair(values) or ServerConfig()
