"""The supervisor: starts and watches the workers, and decides what runs where and who may watch.

It has no FFmpeg and no public socket, so neither a bad input nor a bad request can take it down.
"""
