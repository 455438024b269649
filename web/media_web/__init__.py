"""The web UI (static ES modules), served by the streamer and by Central."""
