"""What an operation of an API is: one row of a table, from which everything else is made.

Routing, the rights that are asked for, openapi.json and the tests read the table; an operation that
is not in it does not exist. Nothing here knows an HTTP library: a handler is any coroutine function
of one request.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from media_api.base import ApiModel

Handler = Callable[[Any], Awaitable[Any]]
Method = Literal["GET", "PUT", "POST", "DELETE"]
Need = Literal["open", "view", "edit", "admin", "backend"]
"""Who may call: anybody; readers; writers; administrators; a server for itself (and writers)."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `path` is below the base; `{name}` takes slashes, raw and encoded.

    `need` is the right asked for, by default that of the method. `request` and `response` are the
    models of the bodies, for openapi.json.
    """

    method: Method
    path: str
    handler: Handler
    summary: str
    need: Need | None = None
    request: type[ApiModel] | None = None
    response: type[ApiModel] | None = None
    collection: str = ""
    """Name of the array in the answer, for a list of `response`."""
    batch: bool = False
    """The body is an array of `request`."""
    query: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Query parameters beside those of collections: name and what it means."""
    operation: str = ""
    """operationId; made from the handler and the path where it is left out."""
    redirect: int = 0
    """Status of the answer where it sends the caller elsewhere."""
    hidden: bool = False
    """Not in openapi.json: a path that is known and not served."""

    @property
    def right(self) -> Need:
        return self.need or ("view" if self.method == "GET" else "edit")

    @property
    def operation_id(self) -> str:
        made = self.handler.__name__ + "_" + self.path.strip("/").replace("/", "_")
        return self.operation or made
