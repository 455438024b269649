"""AV1 in RTP by the FFmpeg of PyAV (8.1): `publish URL` until its input ends, or
`play URL TRANSPORT COUNT`, which prints decoder, size and number of the pictures decoded."""

import sys
import threading
import time
from fractions import Fraction

import av
import numpy as np

WIDTH, HEIGHT, RATE = 320, 180, 25


def publish(url: str) -> None:
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    options = {"rtsp_transport": "tcp", "strict": "experimental"}
    with av.open(url, "w", format="rtsp", options=options) as output:
        coder = {"preset": "12", "svtav1-params": "pred-struct=1:keyint=25"}
        stream = output.add_stream("libsvtav1", rate=RATE, options=coder)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, RATE)
        began = time.monotonic()
        number = 0
        while not ended.wait(max(0.0, began + number / RATE - time.monotonic())):
            grey = np.full((HEIGHT, WIDTH, 3), number % 200, np.uint8)
            picture = av.VideoFrame.from_ndarray(grey, format="rgb24")
            picture.pts = number
            output.mux(stream.encode(picture))
            number += 1


def play(url: str, transport: str, count: int) -> None:
    with av.open(url, options={"rtsp_transport": transport}, timeout=20) as source:
        video = source.streams.video[0]
        for found, picture in enumerate(source.decode(video), 1):
            if found == count:
                size = f"{picture.width}x{picture.height}"
                print(video.codec_context.codec.name, size, found)
                return


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        publish(sys.argv[2])
    else:
        play(sys.argv[2], sys.argv[3], int(sys.argv[4]))
