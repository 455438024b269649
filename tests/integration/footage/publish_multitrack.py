"""`python publish_multitrack.py URL`: two videos and two sounds in four codecs by enhanced RTMP v2
(multitrack), as FFmpeg 8 writes it, until it is killed.

A process of its own, because PyAV holds the interpreter while it waits for the server.
"""

import sys
import time

import av

SIZES = {"libx264": (320, 180), "libx265": (160, 96)}
RATE = 10
X264 = {"preset": "ultrafast", "tune": "zerolatency"}
X265 = {**X264, "x265-params": "log-level=none:pools=1:keyint=10:bframes=0"}


def publish(url: str) -> None:
    """Until the server ends it."""
    with av.open(url, "w", format="flv") as output:
        videos = []
        for codec, (width, height) in SIZES.items():
            options = X265 if codec == "libx265" else X264
            video = output.add_stream(codec, rate=RATE, options=options)
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
            video.codec_context.gop_size = RATE
            videos.append(video)
        sounds = [output.add_stream(codec, rate=48000) for codec in ("aac", "libopus")]
        positions = [0, 0]
        began = time.monotonic()
        index = 0
        while True:
            for video in videos:
                frame = av.VideoFrame(video.width, video.height, "yuv420p")
                frame.pts = index
                output.mux(video.encode(frame))
            index += 1
            for number, sound in enumerate(sounds):
                context = sound.codec_context
                while positions[number] < index * 48000 // RATE:
                    tone = av.AudioFrame(context.format, "stereo", context.frame_size or 960)
                    for plane in tone.planes:
                        plane.update(bytes(plane.buffer_size))
                    tone.sample_rate, tone.pts = 48000, positions[number]
                    positions[number] += tone.samples
                    output.mux(sound.encode(tone))
            time.sleep(max(0.0, began + index / RATE - time.monotonic()))


if __name__ == "__main__":
    publish(sys.argv[1])
