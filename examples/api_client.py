#!/usr/bin/env python3
"""Makes a stream by the API, waits until it plays, and prints where.

api_client.py SERVER LOGIN:PASSWORD NAME INPUT [SECONDS]

SERVER is a streamer or Central: both have the same API. Exit status 1 if it does not play in time;
then it says what the server says of the source.
"""

import base64
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

PAUSE = 0.5
SECONDS = 30.0


class Api:
    def __init__(self, server: str, login: str) -> None:
        self._base = f"{server.rstrip('/')}/streamer/api/v3"
        self._login = base64.b64encode(login.encode()).decode()

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of the answer. Raises SystemExit with the server's words."""
        request = urllib.request.Request(
            self._base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Basic {self._login}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            sys.exit(f"{method} {path}: {error.code} {error.read().decode()}")


def main(server: str, login: str, name: str, source: str, seconds: float = SECONDS) -> int:
    api = Api(server, login)
    path = f"/streams/{urllib.parse.quote(name, safe='')}"
    api("PUT", path, {"inputs": [{"url": source}]})
    deadline = time.monotonic() + seconds
    while True:
        stats = api("GET", path).get("stats") or {}
        if stats.get("alive"):
            for one in stats.get("play_urls") or []:
                print(f"{one['title']}: {one['url']}")
            return 0
        if time.monotonic() > deadline:
            print(stats.get("source_error") or "no frames yet", file=sys.stderr)
            return 1
        time.sleep(PAUSE)


if __name__ == "__main__":
    if len(sys.argv) not in (5, 6):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:5], *map(float, sys.argv[5:])))
