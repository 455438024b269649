"""Output side of a media worker with real media and real readers."""
