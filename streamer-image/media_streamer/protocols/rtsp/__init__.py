"""RTSP 1.0 (RFC 2326) with what RFC 7826 made clearer: play, publish, pull, push."""
