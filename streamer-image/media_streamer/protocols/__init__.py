"""One folder a protocol: play, publish, pull, push side by side."""
