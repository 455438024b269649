"""Between our own servers: the frames of a stream as they are."""
