"""Streamer: the media server (aiohttp + PyAV)."""
