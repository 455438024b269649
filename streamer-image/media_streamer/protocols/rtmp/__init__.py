"""RTMP and RTMPS: play and publish. See README.md."""

from media_streamer.protocols.rtmp.server import RtmpSettings, serve_rtmp

__all__ = ["RtmpSettings", "serve_rtmp"]
