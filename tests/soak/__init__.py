"""Whether a streamer stays as it is while streams, publishers and viewers come and go."""
