"""Tree of directives -> `ServerConfig`, with every error at its word.

Role: reads the tree through the directive table, validates each named object for itself so that
one bad stream does not take the others along, and translates what pydantic says into problems with
positions.

Invariant: whatever the tree is, a `ServerConfig` comes out: a value that is refused is left out,
an object that does not hold without it is left out whole, and each has its problem.
"""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from media_api.auth import AuthBackendConfig
from media_api.base import ApiModel
from media_api.cache import CacheConfig
from media_api.cluster import BalancerConfig, PeerConfig, SourceConfig
from media_api.dvr import DvrConfig
from media_api.events import EventSinkConfig
from media_api.server import HttpProxyConfig, ServerConfig
from media_api.stream import StreamConfig, TemplateConfig
from media_api.vod import VodConfig
from media_rest.errors import in_words
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from media_streamer.config import directives as _table  # noqa: F401  # fills the table of sections
from media_streamer.config.grammar import Directive, Tree, Word, parse_tree
from media_streamer.config.problems import ConfigProblem, did_you_mean
from media_streamer.config.references import check_references
from media_streamer.config.scope import Path, Reading, Scope
from media_streamer.config.sections import section_of
from media_streamer.config.shapes import show

Model = TypeVar("Model", bound=ApiModel)
MAX_REPAIRS = 20  # rounds of leaving out refused values until an object is given up

NAMED_LISTS: dict[str, tuple[type[ApiModel], str]] = {
    "streams": (StreamConfig, "name"),
    "templates": (TemplateConfig, "name"),
    "sources": (SourceConfig, "url"),
    "vods": (VodConfig, "prefix"),
    "dvrs": (DvrConfig, "name"),
    "caches": (CacheConfig, "name"),
    "event_sinks": (EventSinkConfig, "name"),
    "auth_backends": (AuthBackendConfig, "name"),
    "peers": (PeerConfig, "hostname"),
    "balancers": (BalancerConfig, "name"),
    "http_proxies": (HttpProxyConfig, "prefix"),
}
"""Lists of the configuration: the model of an item, and the key that is unique in each."""

_CODES = {
    "missing": "missing_value",
    "literal_error": "bad_value",
    "enum": "bad_value",
    "string_too_long": "too_long",
    "string_too_short": "too_short",
    "too_long": "too_many",
    "too_short": "too_few",
    "string_pattern_mismatch": "bad_value",
    "extra_forbidden": "unknown_option",
}
_OUT_OF_RANGE = ("greater_than", "less_than")


@dataclass(frozen=True, slots=True)
class ParsedConfig:
    """What a text means. `errors` make it a broken configuration, `warnings` do not."""

    config: ServerConfig
    errors: list[ConfigProblem]
    warnings: list[ConfigProblem]
    reading: Reading = field(default_factory=Reading, repr=False, compare=False)

    def locate(self, path: Path) -> Word | None:
        """The word in a file that gave the value at `path`, or what is around it."""
        return self.reading.position(path)


def parse(text: str, filename: str = "") -> ParsedConfig:
    """Configuration in `text`, and every problem in it. Never raises for any text."""
    return bind([parse_tree(text, filename)])


def bind(trees: list[Tree]) -> ParsedConfig:
    """One configuration of several files, in their order."""
    reading = Reading()
    nodes = [node for tree in trees for node in tree.directives]
    values = read_values(nodes, reading)
    check_references(values, reading)
    config = _validate_all(values, reading)
    problems = [problem for tree in trees for problem in tree.problems] + reading.problems
    order = {name: index for index, name in enumerate(dict.fromkeys(p.filename for p in problems))}
    problems.sort(key=lambda problem: (order[problem.filename], problem.line, problem.col))
    return ParsedConfig(
        config,
        [problem for problem in problems if problem.severity == "error"],
        [problem for problem in problems if problem.severity == "warning"],
        reading,
    )


def read_values(nodes: list[Directive], reading: Reading) -> dict[str, Any]:
    """JSON object of the whole configuration, not validated; problems go to `reading`."""
    section = section_of(ServerConfig)
    scope = Scope(reading, (), Word("", "", 1, 1))
    while nodes:
        reading.lifted = []
        section.read_block(nodes, scope)
        nodes = reading.lifted
    if section.finish is not None:
        section.finish(scope)
    return scope.values


def _validate_all(values: dict[str, Any], reading: Reading) -> ServerConfig:
    whole = dict(values)
    for key in NAMED_LISTS:
        if key in whole:
            whole[key] = _validate_named(key, whole[key], reading)
    config = _validate(ServerConfig, whole, (), reading)
    return config if config is not None else ServerConfig()


def _validate_named(key: str, items: list[dict[str, Any]], reading: Reading) -> list[ApiModel]:
    """The objects of one list that hold, each name once."""
    model, unique = NAMED_LISTS[key]
    kept: list[ApiModel] = []
    first_line: dict[str, Word | None] = {}
    for index, item in enumerate(items):
        path = (key, index)
        name = item.get(unique)
        if name is not None and name in first_line:
            word = reading.position((*path, unique))
            detail = f"{section_of(ServerConfig).writers[key][0]} {show(str(name))} already exists"
            if first := first_line[name]:
                place = f"{first.file}:{first.line}" if first.file else f"line {first.line}"
                detail += f", declared at {place}"
            _problem(reading, word, path, "duplicate_name", detail)
            continue
        valid = _validate(model, item, path, reading)
        if valid is not None:
            kept.append(valid)
            first_line[str(name)] = reading.position((*path, unique))
    return kept


def _validate(
    model: type[Model], values: dict[str, Any], path: Path, reading: Reading
) -> Model | None:
    """`values` as a model without what it refuses; None if nothing is left that holds."""
    told: set[Path] = set()
    for _ in range(MAX_REPAIRS):
        try:
            return model.model_validate(values)
        except ValidationError as error:
            refused = set()
            for item in error.errors(include_url=False, include_context=True):
                at = _existing_path(values, item["loc"])
                if at in refused and item["type"] != "missing":
                    continue  # the other members of a union say the same
                refused.add(at)
                # What was left out for one reason must not be told again as missing.
                if not any(at == old[: len(at)] for old in told):
                    _tell(item, at, path, reading)
            told |= refused
            if () in refused:
                return None
            for at in sorted(refused, key=lambda part: [str(p).zfill(9) for p in part])[::-1]:
                _leave_out(values, at)
    return None


def _existing_path(values: Any, loc: tuple[int | str, ...]) -> Path:
    """`loc` without the tags that pydantic puts in for members of unions."""
    path: list[int | str] = []
    for part in loc:
        if isinstance(values, dict):
            if part not in values:
                continue
            values = values[part]
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            continue
        path.append(part)
    return tuple(path)


def _leave_out(values: Any, path: Path) -> None:
    for part in path[:-1]:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return
    last = path[-1]
    if isinstance(values, dict):
        values.pop(last, None)
    elif isinstance(values, list) and isinstance(last, int) and last < len(values):
        del values[last]


def _tell(error: ErrorDetails, at: Path, base: Path, reading: Reading) -> None:
    """Record one error of pydantic."""
    kind = error["type"]
    full = (*base, *at)
    missing = kind == "missing"
    if missing:
        full = (*full, str(error["loc"][-1]))
    key = next((part for part in reversed(full) if isinstance(part, str)), "")
    detail = in_words(kind, error["msg"])
    expected = error.get("ctx", {}).get("expected")
    hint = ""
    if kind == "value_error":
        code = _code_of_value_error(key)
    elif kind.startswith(_OUT_OF_RANGE):
        code, detail = "out_of_range", f"{key} {detail}"
        if key == "segment_duration":
            hint = "milliseconds; a file has seconds"
    else:
        code = _CODES.get(kind, "wrong_type")
        detail = f"{key} {detail}" if not missing else f"{key} is missing"
    if key in ("name", "prefix", "prefixes") and not missing:
        code = "bad_name"
    if expected and isinstance(error["input"], str):
        hint = did_you_mean(error["input"], [word.strip(" '") for word in expected.split(",")])
    _problem(reading, reading.position(full), full, code, detail, hint)


def _code_of_value_error(key: str) -> str:
    if key in ("url", "config_external", "aliaser"):
        return "bad_url"
    return "bad_value" if key in _OF_VALUES else "wrong_type"


_OF_VALUES = frozenset(
    {"api_allowed_from", "api_allowed_origins", "auto_token", "trusted_proxies", "webrtc_addresses"}
)


def _problem(
    reading: Reading, word: Word | None, path: Path, code: str, detail: str, hint: str = ""
) -> None:
    reading.problem(word or Word("", "", 0, 0), path, code, detail, hint)
