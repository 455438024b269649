"""The web UI: static ES modules, served alike by the streamer and by Central.

There is no build step. Which parts a server shows is said by its `ui_settings`; `assets` is what
is sent.
"""

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # Play URLs and previews live on the streamers, which are other origins than Central.
        "connect-src 'self' http: https: ws: wss:",
        "img-src 'self' http: https: data: blob:",
        # hls.js hands media over as blob URLs and transmuxes in a worker made from a blob.
        "media-src 'self' http: https: blob:",
        "worker-src 'self' blob:",
        "frame-ancestors 'self'",
        "base-uri 'none'",
        "form-action 'self'",
    )
)
