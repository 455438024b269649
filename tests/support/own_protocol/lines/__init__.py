"""A protocol of the tests: MPEG-TS behind a line with the name of the stream."""
