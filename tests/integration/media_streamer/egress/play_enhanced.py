"""`python play_enhanced.py URL`: FFmpeg 8 plays an FLV or RTMP stream; prints codecs and packets.

A process of its own, because PyAV holds the interpreter while it waits for the server.
"""

import itertools
import sys

import av

PACKETS = 30


def play(url: str) -> tuple[str, str, int]:
    """(video codec, audio codec, video packets among the first PACKETS)."""
    options = {"analyzeduration": "400000", "rw_timeout": "10000000"}
    with av.open(url, options=options) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        packets = itertools.islice(container.demux(), PACKETS)
        count = sum(packet.stream is video and packet.size > 0 for packet in packets)
        return video.codec.canonical_name, audio.codec.canonical_name, count


if __name__ == "__main__":
    print(*play(sys.argv[1]))
