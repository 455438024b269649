"""The REST API v3, the legacy API and the web UI of a streamer, on a Unix socket.

The egress workers pass requests on to it from the public ports.
"""
