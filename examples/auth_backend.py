#!/usr/bin/env python3
"""Who may watch: a backend that a streamer asks by `on_play http://HOST:PORT/may;`.

auth_backend.py PORT TOKEN=USER…

The streamer asks with `name`, `ip`, `proto`, `token`, `session_id` and more in the query. 200 lets
in, 403 refuses. Headers of the answer: X-AuthDuration (seconds until it asks again), X-UserId,
X-Max-Sessions (of that user at a time).
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

SECONDS = 180
SESSIONS = 2


def serve(port: int, users: dict[str, str]) -> ThreadingHTTPServer:
    """A server that knows these tokens; `serve_forever` runs it."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
            user = users.get(query.get("token", ""))
            self.send_response(403 if user is None else 200)
            if user is not None:
                self.send_header("X-AuthDuration", str(SECONDS))
                self.send_header("X-UserId", user)
                self.send_header("X-Max-Sessions", str(SESSIONS))
            self.send_header("Content-Length", "0")
            self.end_headers()

    return ThreadingHTTPServer(("127.0.0.1", port), Answer)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    known = dict(argument.split("=", 1) for argument in sys.argv[2:])
    with serve(int(sys.argv[1]), known) as server:
        server.serve_forever()
