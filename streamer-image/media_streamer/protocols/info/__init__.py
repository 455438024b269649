"""`media_info.json`: what a stream is, without playing it."""
