"""Media worker: inputs, timeline, muxers and segments of the streams it owns (PyAV)."""
