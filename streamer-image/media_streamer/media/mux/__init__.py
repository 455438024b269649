"""Container writers: canonical frames to MPEG-TS packets, FLV tags and fragmented MP4.

They are pure functions of the frames and keep no media. They are written here and not taken from
FFmpeg because bytes must come out at once, frame by frame and without an interleaving queue, and
because an output must not be able to crash a worker.
"""
