"""A source that harms its media worker: see sitecustomize.py."""
