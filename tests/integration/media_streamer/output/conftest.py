"""Real footage as canonical frames, and a collector of everything that an output delivers."""

import io
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import av
import pytest
from media_streamer.media.frame import TIME_BASE, Frame
from media_streamer.media.output import StreamOutput
from media_streamer.media.settings import OutputSettings
from media_streamer.wire.media import Chunk, Event, Header, SegmentReady

from tests.support.clips import footage
from tests.support.once import once

Kind = TypeVar("Kind", bound=Event)
FLUSH_TICKS = TIME_BASE * 40 // 1000


@dataclass
class Collector:
    """An output and what its sinks got, by format."""

    output: StreamOutput
    messages: dict[str, list[Event]] = field(default_factory=dict)

    def subscribe(self, *formats: str) -> None:
        for name in formats:
            self.output.subscribe(name, self.messages.setdefault(name, []).extend)

    def push(self, frames: list[Frame]) -> None:
        """Push with a flush every 40 ms of media, as the worker does."""
        due = frames[0].dts + FLUSH_TICKS
        for frame in frames:
            if frame.dts >= due:
                self.output.flush()
                due = frame.dts + FLUSH_TICKS
            self.output.push([frame])
        self.output.flush()

    def bytes(self, name: str) -> bytes:
        """Headers and chunks of an endless format."""
        return b"".join(map(bytes_of, self.messages[name]))

    def of(self, name: str, kind: type[Kind], track: str | None = None) -> list[Kind]:
        return [
            message
            for message in self.messages[name]
            if isinstance(message, kind) and track in (None, getattr(message, "track", None))
        ]

    def segments(self, name: str, track: str) -> list[bytes]:
        return [Path(m.path).read_bytes() for m in self.of(name, SegmentReady, track)]


def bytes_of(message: Event) -> bytes:
    """What a viewer is sent for it."""
    if isinstance(message, Chunk):
        return b"".join(message.packets)
    return message.data if isinstance(message, Header) else b""


@pytest.fixture(scope="session")
def encode(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The footage encoded another way by ffmpeg, kept for the session."""

    def run(suffix: str, *options: str, seconds: float = 3) -> Path:
        name = "".join(c if c.isalnum() else "-" for c in " ".join(options))
        command = ["ffmpeg", "-v", "error", "-y", "-i", str(footage()), "-t", str(seconds)]

        def made(path: Path) -> None:
            subprocess.run([*command, *options, str(path)], check=True, timeout=50)

        return once(tmp_path_factory, f"{name}-{seconds}.{suffix}", made)

    return run


@pytest.fixture
def collect(tmp_path: Path) -> Iterator[Callable[..., Collector]]:
    """Make outputs that are closed at the end of the test."""
    made: list[StreamOutput] = []

    def make(**settings: Any) -> Collector:
        values = {"segment_duration_ms": 1000, "segment_count": 50, **settings}
        output = StreamOutput(OutputSettings("live/test", tmp_path / "segments", **values))
        made.append(output)
        return Collector(output)

    yield make
    for output in made:
        output.close()


@pytest.fixture
def decode_errors(tmp_path: Path) -> Callable[[bytes, str], str]:
    """Error lines of ffmpeg that decodes everything in some bytes."""

    def run(data: bytes, suffix: str) -> str:
        path = tmp_path / f"decode.{suffix}"
        path.write_bytes(data)
        command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "null", "-"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
        return done.stderr

    return run


@pytest.fixture(scope="session")
def decode() -> Callable[[bytes, str], dict[str, int]]:
    """Packets by kind of stream in some bytes, all decoded by FFmpeg's newest release in PyAV."""

    def run(data: bytes, format: str) -> dict[str, int]:
        counts: dict[str, int] = {}
        with av.open(io.BytesIO(data), format=format) as container:
            for packet in container.demux():
                if packet.size:
                    kind = packet.stream.type
                    counts[kind] = counts.get(kind, 0) + 1
                    packet.decode()
        return counts

    return run
