"""The archive of streams: written by media workers, read by egress workers and the supervisor.

The files are the truth: `container` says what is in them, `places` where they lie, `writer` and
`recorder` make them, `library` reads them, `ranges` and `retention` judge what was read. Nothing
here needs FFmpeg or a running stream.
"""
