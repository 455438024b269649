"""The web UI in a real Chromium, before a real Central and its streamer."""
