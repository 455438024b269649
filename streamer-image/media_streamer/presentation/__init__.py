"""What can be presented of a stream: tracks, segments and parts, and waiting for them.

One model of segments, whether they are the live window, an archive or a file; playlists and
manifests are rendered from it by the protocols, which do not know where segments come from.
Nothing here knows a protocol, and nothing needs FFmpeg.
"""
