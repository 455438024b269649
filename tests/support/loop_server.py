"""`python -m tests.support.loop_server FILE.ts`: plays a transport stream to any number of viewers.

Prints its port. Any path is the file, from a place that differs from viewer to viewer, at its own
pace, again and again: as many live HTTP-TS sources as wanted. Ends with its standard input.
"""

import asyncio
import bisect
import itertools
import sys
import time
from pathlib import Path

import av

TICK_SECONDS = 0.04
APART_SECONDS = 0.37
"""Between the places of successive viewers, so that their key frames do not come together."""
MAX_BEHIND_BYTES = 8 << 20
"""A viewer that is further behind is cut off."""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n"


class Loop:
    """A file and where in it each picture begins."""

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()
        with av.open(str(path)) as container:
            video = container.streams.video[0]
            packets = [p for p in container.demux(video) if p.dts is not None]
            begin = packets[0].dts
            assert begin is not None
            assert video.time_base is not None
            clock = float(video.time_base)
            self._times = [((p.dts or 0) - begin) * clock for p in packets]
            self._places = [p.pos or 0 for p in packets]
            self.keys = [t for p, t in zip(packets, self._times, strict=True) if p.is_keyframe]
        self.seconds = self._times[-1] + self._times[1]

    def place(self, seconds: float) -> int:
        """Byte that is due `seconds` after the beginning of the file."""
        return self._places[bisect.bisect_right(self._times, seconds) - 1]

    def between(self, begin: float, end: float) -> bytes:
        """What is due in that time, counted over all rounds; less than one round."""
        first, last = begin % self.seconds, end % self.seconds
        if last < first:
            return self.data[self.place(first) :] + self.data[: self.place(last)]
        return self.data[self.place(first) : self.place(last)]


async def serve(loop: Loop) -> None:
    numbers = itertools.count()

    async def viewer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        writer.write(ANSWER)
        wanted = next(numbers) * APART_SECONDS % loop.seconds
        sent = loop.keys[bisect.bisect_right(loop.keys, wanted) - 1]
        offset = sent - time.monotonic()
        try:
            while not writer.is_closing() and _behind(writer) < MAX_BEHIND_BYTES:
                due = time.monotonic() + offset
                writer.write(loop.between(sent, due))
                sent = due
                await asyncio.sleep(TICK_SECONDS)
        finally:
            writer.close()

    server = await asyncio.start_server(viewer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


def _behind(writer: asyncio.StreamWriter) -> int:
    return writer.transport.get_write_buffer_size()


if __name__ == "__main__":
    asyncio.run(serve(Loop(Path(sys.argv[1]))))
