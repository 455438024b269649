"""Errors of the API: one exception, one JSON shape.

The shape answers both kinds of clients: `errors[]` after JSON:API, which the OpenAPI document
promises, and the flat `error` word of the reference server's framework. Internal details and secret
values never enter it.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from media_api.base import JsonObject
from pydantic import ValidationError

from media_rest.redact import redact_text

MAX_TITLE = 400
MAX_REPORTED_ERRORS = 32  # a broken document of 100,000 streams must not become a longer answer


class ApiError(Exception):
    """An answer other than 2xx.

    `status` is the HTTP status, `code` a stable word for programs (`stream_not_found`), `title` a
    sentence for people that says the way out. `pointer` is a JSON pointer into the body (RFC 6901),
    `parameter` the name of a query parameter. `path` is the pointer as keys and indexes. `headers`
    go into the answer, such as WWW-Authenticate.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str = "",
        *,
        pointer: str | None = None,
        parameter: str | None = None,
        meta: Mapping[str, str] | None = None,
        path: Sequence[str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[JsonObject] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {title}" if title else f"{status} {code}")
        self.status = status
        self.code = code
        self.title = title
        self.pointer = pointer
        self.parameter = parameter
        self.meta = dict(meta or {})
        self.path = list(path) if path is not None else None
        self.headers = dict(headers or {})
        self._errors = [dict(item) for item in errors] if errors else None

    def body(self) -> JsonObject:
        """JSON body: `{"errors": [...], "error": code}`, with `path` where a value was refused."""
        errors = self._errors or [
            error_object(
                self.status,
                self.code,
                self.title,
                pointer=self.pointer,
                parameter=self.parameter,
                meta=self.meta,
            )
        ]
        answer: JsonObject = {"errors": errors, "error": self.code}
        if self.path is not None:
            answer["path"] = self.path
            answer["name"] = "request_body"
        return answer


def error_object(
    status: int,
    code: str,
    title: str = "",
    *,
    pointer: str | None = None,
    parameter: str | None = None,
    meta: Mapping[str, str] | None = None,
) -> JsonObject:
    """One element of `errors[]`; every value is text, absent ones are left out."""
    answer: JsonObject = {"status": str(status), "code": code}
    if title:
        answer["title"] = title
    source = {"pointer": pointer, "parameter": parameter}
    if any(source.values()):
        answer["source"] = {key: value for key, value in source.items() if value}
    if meta:
        answer["meta"] = dict(meta)
    return answer


def error_body(error: ApiError | Exception) -> JsonObject:
    """JSON body for any exception; unexpected ones tell nothing but `crashed`."""
    if isinstance(error, ApiError):
        return error.body()
    return ApiError(500, "crashed", "internal error, see the log of the server").body()


def not_found(what: str, name: str) -> ApiError:
    """404 `WHAT_not_found`, such as stream_not_found."""
    return ApiError(404, f"{what}_not_found", f"there is no {what} {name!r}")


def too_many_failures(seconds: float) -> ApiError:
    """429 for a login whose passwords were wrong too often; `seconds` to wait."""
    wait = max(1, math.ceil(seconds))
    title = f"too many wrong passwords: wait {wait} s"
    return ApiError(429, "too_many_failures", title, headers={"Retry-After": str(wait)})


def json_pointer(path: Sequence[str | int]) -> str:
    """RFC 6901 pointer of keys and indexes: ("a/b", 0) -> "/a~1b/0"."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def error_path(location: Sequence[str | int], data: Any) -> list[str | int]:
    """Keys and indexes of `data` in a pydantic location, without names of union branches."""
    path: list[str | int] = []
    node = data
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if isinstance(node, Mapping) and isinstance(part, str) and (part in node or last):
            path.append(part)
            node = node.get(part)
        elif isinstance(node, list | tuple) and isinstance(part, int) and part < len(node):
            path.append(part)
            node = node[part]
    return path


def validation_error(error: ValueError, data: Any = None, status: int = 400) -> ApiError:
    """400 for a body that the models or the merge refuse; `data` is that body.

    Each refused value is one element with its pointer; refused values themselves are not repeated,
    as they may be secrets.
    """
    if not isinstance(error, ValidationError):
        return ApiError(status, "validation_error", redact_text(str(error)), path=[])
    found: dict[str, JsonObject] = {}
    paths: list[list[str | int]] = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        path = list(item["loc"]) if data is None else error_path(item["loc"], data)
        message = in_words(item["type"], redact_text(item["msg"]))
        pointer = json_pointer(path)
        if (first := found.get(pointer)) is not None:  # another branch of one union
            if message not in first["title"]:
                first["title"] = f"{first['title']}, or: {message}"[:MAX_TITLE]
            continue
        paths.append(path)
        found[pointer] = error_object(status, item["type"], message, pointer=pointer or None)
    errors = list(found.values())[:MAX_REPORTED_ERRORS]
    title = str(errors[0].get("title", ""))
    return ApiError(status, "validation_error", title, path=paths[0], errors=errors)


_WORDS = {
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be an array",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    "string_type": "must be a text",
}
"""What pydantic says of these names Python's types, or how it reads a text."""


def in_words(kind: str, message: str) -> str:
    """What pydantic says of a value, as a predicate of its name: `must be …`."""
    plain = message.removeprefix("Value error, ")
    must = re.sub(r"^[A-Z][a-z]+ should (?=be|have|match)", "must ", plain)
    return _WORDS.get(kind) or must
