"""HTTP for scripts: one request, one answer, both bounded. Redirects are answers."""

import http.client
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

SECONDS = 5.0
MAX_SECONDS = 30.0
MAX_BODY_BYTES = 1024 * 1024
MAX_HEADERS = 50


class Fetch:
    """What `http.get` and `http.post` do."""

    def ask(
        self, method: str, url: str, body: str | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """`{code, headers (lower case), body}`; options: `headers`, `timeout` in seconds.

        No answer is code 0 with `error`, so that a script may decide without its backend.
        """
        try:
            return self._ask(method, url, body, options)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return {"code": 0, "headers": {}, "body": "", "error": _words(error)}

    def _ask(
        self, method: str, url: str, body: str | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        parts = urlsplit(str(url))
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("http(s)://HOST/… is asked, nothing else")
        wanted = options.get("timeout")
        seconds = float(wanted) if isinstance(wanted, int | float) else SECONDS
        seconds = min(max(seconds, 0.1), MAX_SECONDS)
        connection = _connection(parts.scheme, parts.hostname, parts.port, seconds)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            data = body.encode() if body is not None else None
            connection.request(method, path, data, _headers(options, body))
            answer = connection.getresponse()
            text = _body(answer, time.monotonic() + seconds)
            headers = {key.lower(): value for key, value in answer.getheaders()[:MAX_HEADERS]}
            return {"code": answer.status, "headers": headers, "body": text}
        finally:
            connection.close()


def _connection(
    scheme: str, host: str, port: int | None, seconds: float
) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=seconds, context=context)
    return http.client.HTTPConnection(host, port, timeout=seconds)


def _headers(options: Mapping[str, Any], body: str | None) -> dict[str, str]:
    given = options.get("headers")
    headers = {str(k): str(v) for k, v in given.items()} if isinstance(given, Mapping) else {}
    if len(headers) > MAX_HEADERS:
        raise ValueError("too many headers")
    known = {key.lower() for key in headers}
    if "user-agent" not in known:
        headers["User-Agent"] = "media-streamer"
    if body is not None and "content-type" not in known:
        is_json = body[:1] in {"{", "["}
        headers["Content-Type"] = "application/json" if is_json else "text/plain"
    return headers


def _body(answer: http.client.HTTPResponse, until: float) -> str:
    found = b""
    while piece := answer.read1(65_536):
        found += piece
        if len(found) > MAX_BODY_BYTES:
            raise ValueError(f"the answer exceeds {MAX_BODY_BYTES >> 20} MiB")
        if time.monotonic() > until:
            raise TimeoutError("timed out")
    return found.decode("utf-8", "replace")


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error) or type(error).__name__
