"""RTMP and RTMPS: play and publish. See README.md."""
