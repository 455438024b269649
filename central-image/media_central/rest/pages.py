"""Pages of large collections: what is answered is built for the page only.

A page of 100 of 10,000 streams must not build 10,000 answers. That is possible while nothing but
the configuration decides which rows are on it; filters and sorts may name statistics, and then all
rows are built.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from media_api.base import JsonObject
from media_rest.query import CollectionQuery, Order, run_query
from media_rest.select import select_fields


def run_paged(
    configs: Iterable[JsonObject],
    query: CollectionQuery,
    collection: str,
    order: Order,
    build: Callable[[JsonObject], JsonObject],
) -> JsonObject:
    """As `run_query` over `map(build, configs)`; `build` keeps what the free text searches."""
    if query.filters or query.sort:
        return run_query(map(build, configs), query, collection, order)
    answer = run_query(configs, replace(query, select=None), collection, order)
    answer[collection] = [select_fields(build(item), query.select) for item in answer[collection]]
    return answer
