"""`python -m tests.support.rtmp_publishers PORT CLIP NAME…`: many publishers in one process.

CLIP is an FLV file; each publisher sends it over and over to `static/NAME`, each message in a write
of its own at its time, as encoders do. Once all are published it prints `ready`; with the end of
its input it prints one line of JSON: `{"messages": …, "bytes": …, "seconds": …, "late": seconds}`,
the figures since `ready`; `late` is the longest delay of its own, which spoils the measurement.
"""

import heapq
import json
import select
import sys
import time
from pathlib import Path

from media_streamer.protocols.rtmp.chunks import write_message

from tests.support import rtmp_request
from tests.support.flv_tags import Tag, read_tags

HOST = "127.0.0.1"
CHUNK_BYTES = 60_000
"""What FFmpeg announces and uses."""
_SCRIPT = 18
_CHUNK_STREAMS = {8: 4, 9: 6, _SCRIPT: 5}


class Publisher:
    """One connection and where it is in the clip."""

    def __init__(self, port: int, name: str, tags: list[Tag]) -> None:
        self.sock = rtmp_request.publish(HOST, port, "static", name, CHUNK_BYTES)
        self._tags = tags
        frames = [tag for tag in tags if tag[1]]
        self._length = max(tag[1] for tag in frames) + 20
        self._position = 0
        self._loop = 0

    @property
    def due(self) -> float:
        """Seconds of the clip's clock."""
        return (self._tags[self._position][1] + self._loop * self._length) / 1000

    def send(self) -> int:
        """The next message; its bytes."""
        kind, stamp, body = self._tags[self._position]
        message = write_message(
            kind,
            body,
            timestamp=stamp + self._loop * self._length,
            stream=rtmp_request.FIRST_MEDIA_STREAM,
            chunk_stream=_CHUNK_STREAMS[kind],
            chunk_bytes=CHUNK_BYTES,
        )
        self.sock.sendall(message)
        self._position += 1
        while self._position == len(self._tags) or (self._loop and self._is_header()):
            if self._position == len(self._tags):
                self._position, self._loop = 0, self._loop + 1
            else:
                self._position += 1
        return len(message)

    def _is_header(self) -> bool:
        kind, _, body = self._tags[self._position]
        return kind == _SCRIPT or body[1] == 0


def main() -> int:
    port, clip, names = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    tags = read_tags(clip.read_bytes())
    publishers = [Publisher(port, name, tags) for name in names]
    began = time.monotonic()
    # Spread over the time between two frames, as publishers that know nothing of each other are.
    starts = [began + 0.04 * number / len(publishers) for number in range(len(publishers))]
    queue = [(starts[i], i) for i in range(len(publishers))]
    heapq.heapify(queue)
    poll = select.poll()
    poll.register(sys.stdin.fileno(), select.POLLIN | select.POLLHUP)
    print("ready", flush=True)
    messages = sent = 0
    late = 0.0
    while True:
        at, number = queue[0]
        now = time.monotonic()
        if at > now:
            if poll.poll(1000 * (at - now)):
                break
            continue
        late = max(late, now - at)
        publisher = publishers[number]
        sent += publisher.send()
        messages += 1
        heapq.heapreplace(queue, (starts[number] + publisher.due, number))
    result = {
        "messages": messages,
        "bytes": sent,
        "seconds": time.monotonic() - began,
        "late": late,
    }
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
