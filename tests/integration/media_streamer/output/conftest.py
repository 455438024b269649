"""Real footage as canonical frames, and a collector of everything that an output delivers."""

import io
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import pytest
from media_streamer.media.frame import TIME_BASE, Frame
from media_streamer.media.output import StreamOutput
from media_streamer.media.settings import OutputSettings

from tests.support.clips import footage

FLUSH_TICKS = TIME_BASE * 40 // 1000


@dataclass
class Collector:
    """An output and what its sinks got, by format."""

    output: StreamOutput
    messages: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    payloads: dict[str, list[bytes]] = field(default_factory=dict)

    def subscribe(self, *formats: str) -> None:
        for name in formats:
            messages = self.messages.setdefault(name, [])
            payloads = self.payloads.setdefault(name, [])

            def sink(
                message: dict[str, Any],
                payload: bytes,
                messages: list[dict[str, Any]] = messages,
                payloads: list[bytes] = payloads,
            ) -> None:
                messages.append(message)
                payloads.append(payload)

            self.output.subscribe(name, sink)

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
        return b"".join(self.payloads[name])

    def of(self, name: str, op: str, track: str | None = None) -> list[dict[str, Any]]:
        return [
            message
            for message in self.messages[name]
            if message["op"] == op and track in (None, message.get("track"))
        ]

    def segments(self, name: str, track: str) -> list[bytes]:
        return [Path(m["path"]).read_bytes() for m in self.of(name, "segment", track)]


@pytest.fixture(scope="session")
def encode(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The footage encoded another way by ffmpeg, kept for the session."""
    directory = tmp_path_factory.mktemp("clips")

    def run(suffix: str, *options: str, seconds: float = 3) -> Path:
        name = "".join(c if c.isalnum() else "-" for c in " ".join(options))
        target = directory / f"{name}-{seconds}.{suffix}"
        if not target.exists():
            command = ["ffmpeg", "-v", "error", "-y", "-i", str(footage()), "-t", str(seconds)]
            subprocess.run([*command, *options, str(target)], check=True, timeout=50)
        return target

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
