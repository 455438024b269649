"""The query language of collections: filters, sort, select, free text, pages.

Role: pure functions from query parameters and a list of JSON objects to the answer
`{NAME: [...], "estimated_count", "next", "prev", "timing"}`.

Invariants:
- Values are compared after conversion by the model's type; `null`, `undefined` and an absent key
  are the same. In order: missing < number < text < other.
- Pages are cut by a cursor, a filter in base64. Without `sort` it names the place in the default
  order (`$position_gt=N`), with `sort` the keys of the row it starts behind (`$after=[...]`), with
  the place as the last key so that rows with equal keys are neither lost nor repeated.
- `estimated_count` counts what the filters leave, whatever the page.
"""

import base64
import binascii
import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, urlencode

from media_api.base import ApiModel, JsonObject
from media_api.units import FALSE_WORDS, TRUE_WORDS

from media_rest.errors import ApiError
from media_rest.paths import (
    MISSING,
    Kinds,
    Path,
    kinds_at,
    split_path,
    value_at,
)
from media_rest.select import Selection, parse_select, select_fields

DEFAULT_LIMIT = 100  # rows of a page
MAX_PARAMETERS = 1000
Params = Mapping[str, str] | Iterable[tuple[str, str]]
Operator = Literal["in", "ne", "gt", "lt", "gte", "lte", "like", "is", "is_not"]
# Longest first: x_is_not must not be read as x_is with a strange value.
_SUFFIXES: tuple[tuple[str, Operator], ...] = (
    ("_is_not", "is_not"), ("_like", "like"), ("_gte", "gte"), ("_lte", "lte"),
    ("_ne", "ne"), ("_gt", "gt"), ("_lt", "lt"), ("_is", "is"),
)  # fmt: skip
_NULL_WORDS = frozenset({"null", "undefined"})
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)  # fits in 64 bits
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
SortKey = tuple[Path, bool]  # path, descending
Rank = tuple[int, Any]
Order = str | Callable[[JsonObject], Any]


class QueryError(ApiError):
    """400: a query parameter is wrong."""

    def __init__(self, title: str, parameter: str) -> None:
        super().__init__(
            400, "bad_query", title, parameter=parameter, meta={"while": "parsing_query"}
        )


@dataclass(frozen=True)
class Filter:
    """One condition. `values` has one element except for `in` and `ne`; MISSING stands for null."""

    path: Path
    operator: Operator
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Cursor:
    """Where a page starts: behind (or, reversed, before) a place or the keys of a row."""

    position: int | None = None
    after: tuple[Rank, ...] | None = None
    reversed: bool = False


@dataclass(frozen=True)
class CollectionQuery:
    """A parsed query."""

    filters: tuple[Filter, ...] = ()
    sort: tuple[SortKey, ...] = ()
    select: Selection | None = None
    q: str = ""
    limit: int = DEFAULT_LIMIT
    cursor: Cursor | None = None

    def accepts(self, item: JsonObject) -> bool:
        """Whether an item passes the filters and the free text."""
        if not all(_matches(item, one) for one in self.filters):
            return False
        return not self.q or self.q.casefold() in searched_text(item)

    @property
    def paths(self) -> list[Path]:
        """What it looks at to choose and sort rows."""
        return [one.path for one in self.filters] + [path for path, _ in self.sort]


def parse_query(
    params: Params,
    schema: type[ApiModel],
    own_params: Collection[str] = (),
    default_limit: int = DEFAULT_LIMIT,
) -> CollectionQuery:
    """Reads query parameters (decoded pairs) of a collection of `schema` objects.

    `own_params` are the operation's other parameters, left alone here. Raises QueryError.
    """
    pairs = list(params.items() if isinstance(params, Mapping) else params)
    if len(pairs) > MAX_PARAMETERS:
        raise QueryError(f"more than {MAX_PARAMETERS} parameters", "")
    known = {"sort", "select", "limit", "cursor", "q", *own_params}
    special = {key: value for key, value in pairs if key in known}
    filters: dict[tuple[Path, Operator], Filter] = {}
    for key, value in pairs:
        if key not in known:
            _add_filter(filters, _parse_filter(key, value, schema))
    sort = _parse_sort(special.get("sort", ""), schema)
    return CollectionQuery(
        filters=tuple(filters.values()),
        sort=sort,
        select=_parse_selection(special.get("select", ""), schema),
        q=special.get("q", "").strip(),
        limit=_parse_limit(special.get("limit"), default_limit),
        cursor=_parse_cursor(special.get("cursor", ""), len(sort)),
    )


def _add_filter(filters: dict[tuple[Path, Operator], Filter], new: Filter) -> None:
    key = (new.path, new.operator)
    old = filters.get(key)
    if old is not None and new.operator == "in":  # name=a&name=b is name=a,b
        new = Filter(new.path, "in", old.values + new.values)
    filters[key] = new


def _parse_filter(parameter: str, text: str, schema: type[ApiModel]) -> Filter:
    name, operator = parameter, "in"
    if _kinds_or_none(schema, parameter) is None:
        for suffix, candidate in _SUFFIXES:
            if parameter.endswith(suffix) and len(parameter) > len(suffix):
                name, operator = parameter.removesuffix(suffix), candidate
                break
    kinds = _kinds_or_none(schema, name)
    if kinds is None:
        raise QueryError(f"there is no field {name!r} to filter by", parameter)
    return _make_filter(split_path(name), operator, text, kinds, parameter)  # type: ignore[arg-type]


def _kinds_or_none(schema: type[ApiModel], name: str) -> Kinds | None:
    try:
        return kinds_at(schema, split_path(name))
    except ValueError:
        return None


def _make_filter(path: Path, operator: Operator, text: str, kinds: Kinds, parameter: str) -> Filter:
    if operator in {"is", "is_not"}:
        if text not in _NULL_WORDS:
            raise QueryError(f"{parameter} can only be null", parameter)
        return Filter(path, operator, (MISSING,))
    if operator == "like":
        return Filter(path, operator, (text,))
    words = text.split(",") if operator in {"in", "ne"} else [text]
    return Filter(path, operator, tuple(_convert(word, kinds, parameter) for word in words))


def _convert(text: str, kinds: Kinds, parameter: str) -> Any:
    if text in _NULL_WORDS:
        return MISSING
    if kinds & {int, float} and _INTEGER.fullmatch(text):
        return int(text)
    if float in kinds and _NUMBER.fullmatch(text):
        return float(text)
    if bool in kinds and text.lower() in TRUE_WORDS | FALSE_WORDS:
        return text.lower() in TRUE_WORDS
    if str in kinds:
        return text
    wanted = " or ".join(sorted(_KIND_WORDS[kind] for kind in kinds))
    raise QueryError(f"{parameter} must be {wanted}", parameter)


_KIND_WORDS = {int: "an integer", float: "a number", bool: "true or false", str: "text"}


def _parse_sort(text: str, schema: type[ApiModel]) -> tuple[SortKey, ...]:
    keys: list[SortKey] = []
    for word in filter(None, text.split(",")):
        name = word.removeprefix("-")
        if _kinds_or_none(schema, name) is None:
            raise QueryError(f"there is no field {name!r} to sort by", "sort")
        keys.append((split_path(name), word.startswith("-")))
    return tuple(keys)


def selected(item: JsonObject, text: str, schema: type[ApiModel]) -> JsonObject:
    """One object, cut to `text`, the `select` of its request; empty: all. Raises QueryError."""
    return select_fields(item, _parse_selection(text, schema))


def _parse_selection(text: str, schema: type[ApiModel]) -> Selection | None:
    try:
        return parse_select(text, schema)
    except ValueError as error:
        raise QueryError(str(error), "select") from None


def _parse_limit(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not _INTEGER.fullmatch(text) or int(text) < 1:
        raise QueryError("limit must be an integer above 0", "limit")
    return int(text)


def _parse_cursor(text: str, sort_keys: int) -> Cursor | None:
    if not text:  # clients send an empty one for the first page
        return None
    try:
        padded = text.strip().replace("-", "+").replace("_", "/").replace(" ", "+")
        decoded = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True).decode()
        pairs = dict(parse_qsl(decoded, strict_parsing=True))
        return _cursor_of(pairs, sort_keys)
    except (binascii.Error, KeyError, ValueError, TypeError, RecursionError):
        raise QueryError(
            "the cursor is broken or belongs to another sort: start again without it", "cursor"
        ) from None


def _cursor_of(pairs: dict[str, str], sort_keys: int) -> Cursor:
    backwards = pairs.get("$reversed") == "true"
    if "$after" in pairs:
        ranks = [(rank, value) for rank, value in json.loads(pairs["$after"])]
        if len(ranks) != sort_keys + 1 or not all(map(_is_rank, ranks)):
            raise ValueError("keys of another sort")
        return Cursor(after=tuple(ranks), reversed=backwards)
    position = pairs["$position_lt" if backwards else "$position_gt"]
    return Cursor(position=int(position), reversed=backwards)


def _is_rank(rank: Rank) -> bool:
    kind, value = rank
    if kind == 1:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return kind in {0, 2, 3} and isinstance(value, str)


def _rank(value: Any) -> Rank:
    """Key that orders values of any type: missing < number < text < other."""
    if isinstance(value, str):
        return (2, value)
    if value is MISSING:
        return (0, "")
    if isinstance(value, bool):
        return (3, str(value).lower())
    if isinstance(value, int | float):
        return (1, value)
    return (3, json.dumps(value, sort_keys=True, default=str))


def _matches(item: JsonObject, condition: Filter) -> bool:
    value = value_at(item, condition.path)
    match condition.operator:
        case "in":
            return _is_one_of(value, condition.values)
        case "ne":
            return not _is_one_of(value, condition.values)
        case "is":
            return value is MISSING
        case "is_not":
            return value is not MISSING
        case "like":
            return isinstance(value, str) and condition.values[0] in value
    bound = condition.values[0]
    if value is MISSING or bound is MISSING:
        return False
    left, right = _rank(value), _rank(bound)
    if left[0] != right[0]:
        return False
    return {
        "gt": left > right, "lt": left < right, "gte": left >= right, "lte": left <= right,
    }[condition.operator]  # fmt: skip


def _is_one_of(value: Any, wanted: tuple[Any, ...]) -> bool:
    if isinstance(value, list | tuple):  # groups=a: the list contains it
        return any(_is_one_of(element, wanted) for element in value)
    return any(value is one or (value == one and type(value) is not bool) for one in wanted)


def searched_text(item: JsonObject) -> str:
    """What free text is looked for in: name, title, URLs, casefolded."""
    words = [item.get(key) for key in ("name", "title", "hostname", "prefix", "url", "id")]
    for key in ("inputs", "pushes"):
        words += [one.get("url") for one in item.get(key) or () if isinstance(one, Mapping)]
    return "\0".join(word for word in words if isinstance(word, str)).casefold()


_Row = tuple[int, JsonObject]
"""Its place in the default order, and the item. No type of its own: lists have 10,000 of them."""


def _sort_rows(rows: list[_Row], sort: Sequence[SortKey]) -> list[_Row]:
    # Stable sorts from the last key to the first; rows come in the default order.
    for path, descending in reversed(sort):
        rows.sort(key=lambda row: _rank(value_at(row[1], path)), reverse=descending)
    return rows


def _in_default_order(ordered: list[JsonObject], order: Order | None) -> list[_Row]:
    """Sorts the list itself."""
    if callable(order):
        ordered.sort(key=order)
    elif order:
        sort = [(split_path(word.removeprefix("-")), word[0] == "-") for word in order.split(",")]
        ordered = [item for _, item in _sort_rows([(0, item) for item in ordered], sort)]
    return list(enumerate(ordered))


def _row_keys(row: _Row, sort: Sequence[SortKey]) -> tuple[Rank, ...]:
    position, item = row
    return (*(_rank(value_at(item, path)) for path, _ in sort), (1, position))


def _is_behind(keys: tuple[Rank, ...], mark: tuple[Rank, ...], sort: Sequence[SortKey]) -> int:
    """1 if a row with `keys` comes after `mark`, -1 if before, 0 if it is the same row."""
    directions = (*(descending for _, descending in sort), False)
    for left, right, descending in zip(keys, mark, directions, strict=True):
        if left != right:
            return -1 if (left < right) != descending else 1
    return 0


def _page(rows: list[_Row], query: CollectionQuery) -> tuple[int, int]:
    """Indexes [start, end) of the page in the sorted, filtered rows."""
    cursor = query.cursor
    if cursor is None:
        return 0, min(query.limit, len(rows))
    if cursor.after is not None:
        mark = cursor.after
        sides = [_is_behind(_row_keys(row, query.sort), mark, query.sort) for row in rows]
    else:
        place = cursor.position or 0
        sides = [(position > place) - (position < place) for position, _ in rows]
    if cursor.reversed:
        end = sum(side < 0 for side in sides)
        return max(0, end - query.limit), end
    start = sum(side <= 0 for side in sides)
    return start, min(start + query.limit, len(rows))


def _encode_cursor(row: _Row, sort: Sequence[SortKey], backwards: bool) -> str:
    if sort:
        keys = json.dumps(_row_keys(row, sort), separators=(",", ":"))
        pairs = [("$after", keys)]
    else:
        pairs = [("$position_lt" if backwards else "$position_gt", str(row[0]))]
    if backwards:
        pairs.append(("$reversed", "true"))
    return base64.b64encode(urlencode(pairs, quote_via=quote).encode()).decode()


def run_query(
    items: Iterable[JsonObject],
    query: CollectionQuery,
    collection_name: str,
    default_sort: Order | None = "name",
    text_of: Callable[[JsonObject], str] = searched_text,
) -> JsonObject:
    """The answer to `query` over `items`, which are not changed.

    `default_sort` is a sort expression or a key function; it gives the order without `sort` and the
    order of rows with equal keys. `text_of` an item is its `searched_text`, for who keeps it.
    `timing` is milliseconds by step.
    """
    clock = [time.perf_counter()]
    chosen = list(items)
    clock.append(time.perf_counter())
    if query.filters:
        chosen = [item for item in chosen if all(_matches(item, one) for one in query.filters)]
    if query.q:
        needle = query.q.casefold()
        chosen = [item for item in chosen if needle in text_of(item)]
    clock.append(time.perf_counter())
    rows = _sort_rows(_in_default_order(chosen, default_sort), query.sort)
    clock.append(time.perf_counter())
    start, end = _page(rows, query)
    page = rows[start:end]
    clock.append(time.perf_counter())
    found = [select_fields(item, query.select) for _, item in page]
    clock.append(time.perf_counter())
    steps = zip(("load", "filter", "sort", "limit", "select"), clock, clock[1:], strict=False)
    more = bool(page) and end < len(rows)
    before = bool(page) and start > 0
    return {
        collection_name: found,
        "estimated_count": len(rows),
        "next": _encode_cursor(page[-1], query.sort, backwards=False) if more else None,
        "prev": _encode_cursor(page[0], query.sort, backwards=True) if before else None,
        "timing": {step: round((after - begin) * 1000, 3) for step, begin, after in steps},
    }


_NAMED_BY_ORDER = {"config": 0, "user": 1, "remote": 2, "external": 3}


def stream_order(item: JsonObject) -> tuple[Any, ...]:
    """Default order of streams on a streamer: named_by (config, user, remote), position, name."""
    named_by = _NAMED_BY_ORDER.get(str(item.get("named_by")), -1)
    return (named_by, _rank(value_at(item, ("position",))), str(item.get("name", "")))
