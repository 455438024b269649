"""`python publish_enhanced.py URL VIDEO AUDIO`: one second of both, published by FFmpeg 8.

A process of its own, because PyAV holds the interpreter while it waits for the server. Prints the
number of video packets.
"""

import sys

import av

X265_QUIET = {"x265-params": "log-level=none"}


def publish(url: str, video: str, audio: str) -> int:
    """Returns the number of video packets."""
    packets = 0
    with av.open(url, "w", format="flv") as output:
        options = X265_QUIET if video == "libx265" else {}
        picture = output.add_stream(video, rate=25, options=options)
        picture.width, picture.height, picture.pix_fmt = 160, 96, "yuv420p"
        sound = output.add_stream(audio, rate=48000)
        codec = sound.codec_context
        position = 0
        for index in range(25):
            frame = av.VideoFrame(160, 96, "yuv420p")
            frame.pts = index
            for packet in picture.encode(frame):
                packets += 1
                output.mux(packet)
            while position < (index + 1) * 1920:
                tone = av.AudioFrame(codec.format, "stereo", codec.frame_size or 960)
                for plane in tone.planes:
                    plane.update(bytes(plane.buffer_size))
                tone.sample_rate, tone.pts = 48000, position
                position += tone.samples
                output.mux(sound.encode(tone))
        for packet in picture.encode(None):
            packets += 1
            output.mux(packet)
        output.mux(sound.encode(None))
    return packets


if __name__ == "__main__":
    print(publish(*sys.argv[1:4]))
