"""Chromium as tests start it."""

import shutil

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")
"""The first one is Chromium without the frame of a browser round its pages: a third less CPU."""
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
"""Where it lies; None: it is not installed."""
ARGUMENTS = (
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
)
