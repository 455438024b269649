"""`GET /NAME/embed.html`: a page with nothing but the player, made to be put into a frame.

The page is the same for every stream and viewer: what to play follows from its own address. So it
has no inline script or style, and a policy that allows none. The player is that of the web UI,
whose files every egress worker serves.
"""

from html import escape

from aiohttp import web
from media_web import assets

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.request import MediaRequest, answer
from media_streamer.egress.http.routes import Route
from media_streamer.egress.hub import Hub

PROTO = "player"
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # Segments may come from another host (url_prefix).
        "connect-src 'self' http: https: ws: wss:",
        "img-src 'self'",
        # hls.js hands media over as blob URLs and transmuxes in a worker made from a blob.
        "media-src 'self' http: https: blob:",
        "worker-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        # No frame-ancestors: to be embedded anywhere is the purpose of the page.
    )
)
HEAD = f"""<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Player</title>
    <link rel="icon" href="{assets.address("favicon.svg")}" type="image/svg+xml">
    <link rel="stylesheet" href="{assets.address("player/player.css")}">
    <link rel="stylesheet" href="{assets.address("player/embed.css")}">
"""
PAGE = f"""{HEAD}    <script type="module" src="{assets.address("player/embed.js")}"></script>
  </head>
  <body>
    <video id="video" controls playsinline></video>
    <noscript>This page needs JavaScript.</noscript>
  </body>
</html>
""".encode()
SCRIPT = f'<script type="module" src="{assets.address("player/refused.js")}"></script>'
"""Puts the words into the reader's language: catalogues are the UI's, and read by browsers only."""
AGAIN_SECONDS = 30
"""After which a page looks whether its stream has come meanwhile: a frame stays open for days."""
WORDS = {403: "Access to this stream is denied.", 404: "There is no such stream."}


def routes(egress: Egress) -> list[Route]:
    async def page(request: MediaRequest) -> web.StreamResponse:
        return await player_page(egress.hub, request)

    return [Route("/embed.html", page)]


async def player_page(hub: Hub, request: MediaRequest) -> web.StreamResponse:
    """The page, or to a browser that may not have it one that says why; raises AccessDenied."""
    try:
        access = await hub.access(request.access_request(PROTO))
    except AccessDenied as denied:
        if denied.location or "text/html" not in request.http.headers.get("Accept", ""):
            raise
        return _page(refusal(denied), denied)
    request.note(access)
    # The page itself is no viewing: its session ends here, the playlists open their own.
    hub.give_up(access, "page sent")
    return _page(PAGE)


def refusal(denied: AccessDenied) -> bytes:
    """A page of the player's looks, for the frame that it stands in."""
    words = f"<span data-words>{escape(WORDS.get(denied.status, denied.title))}</span>"
    why = f"<small data-words>{escape(denied.title)}</small>" if denied.status == 403 else ""
    again = "" if denied.status == 403 else f'<meta http-equiv="refresh" content="{AGAIN_SECONDS}">'
    note = f'<p class="player-note player-blank" role="status">{words}{why}</p>'
    body = f"<body><main>{note}</main></body>"
    return f"{HEAD}    {SCRIPT}{again}\n  </head>\n  {body}\n</html>\n".encode()


def _page(body: bytes, denied: AccessDenied | None = None) -> web.StreamResponse:
    cache, status = ("no-store", denied.status) if denied else ("no-cache", 200)
    response = answer(body, "text/html; charset=utf-8", cache=cache, status=status)
    if denied:
        response.headers["X-Error"] = denied.code
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    return response
