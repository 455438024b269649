"""Pages of large collections: what is answered is built for the page only.

A page of 100 of 10,000 streams must not build 10,000 answers. That is possible while nothing but
the configuration decides which rows are on it; filters and sorts may name statistics, and then all
rows are built.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from media_api.base import JsonObject
from media_rest.query import CollectionQuery, Order, run_query, searched_text
from media_rest.select import select_fields

ANSWERED = frozenset(
    {
        "stats", "layout", "inputs", "pushes", "named_by", "config_on_disk", "created_at",
        "updated_at", "warnings", "managed_by", "stream_count", "healthcheck_status",
    }
)  # fmt: skip
"""What an answer has that the configuration does not say, or says otherwise."""


def _is_configured(path: tuple[str, ...]) -> bool:
    return path[0] not in ANSWERED


def run_paged(
    configs: Iterable[JsonObject],
    query: CollectionQuery,
    collection: str,
    order: Order,
    build: Callable[[JsonObject], JsonObject],
    text_of: Callable[[JsonObject], str] = searched_text,
) -> JsonObject:
    """As `run_query` over `map(build, configs)`; `build` keeps what the free text searches."""
    if not all(map(_is_configured, query.paths)):
        return run_query(map(build, configs), query, collection, order, text_of)
    answer = run_query(configs, replace(query, select=None), collection, order, text_of)
    answer[collection] = [select_fields(build(item), query.select) for item in answer[collection]]
    return answer
