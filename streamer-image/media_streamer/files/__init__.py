"""Files on demand: which file a name means, what is in it, and segments made out of it as they are
asked for.

Nothing here knows FFmpeg, HTTP or an event loop: what reads disks blocks and is called in threads
(`egress.films`).
"""
