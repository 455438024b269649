"""`GET /NAME/embed.html`: a page with nothing but the player, made to be put into a frame.

The page is the same for every stream and viewer: what to play follows from its own address. So it
has no inline script or style, and a policy that allows none. The player is that of the web UI,
whose files every egress worker serves.
"""

from aiohttp import web
from media_web import assets

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
PAGE = f"""<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Player</title>
    <link rel="icon" href="{assets.address("favicon.svg")}" type="image/svg+xml">
    <link rel="stylesheet" href="{assets.address("player/player.css")}">
    <link rel="stylesheet" href="{assets.address("player/embed.css")}">
    <script type="module" src="{assets.address("player/embed.js")}"></script>
  </head>
  <body>
    <video id="video" controls playsinline></video>
    <noscript>This page needs JavaScript.</noscript>
  </body>
</html>
""".encode()


def routes(egress: Egress) -> list[Route]:
    async def page(request: MediaRequest) -> web.StreamResponse:
        return await player_page(egress.hub, request)

    return [Route("/embed.html", page)]


async def player_page(hub: Hub, request: MediaRequest) -> web.StreamResponse:
    """The page, if the viewer may have it; raises AccessDenied."""
    access = await hub.access(request.access_request(PROTO))
    request.note(access)
    # The page itself is no viewing: its session ends here, the playlists open their own.
    hub.give_up(access, "page sent")
    response = answer(PAGE, "text/html; charset=utf-8", cache="no-cache")
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    return response
