"""Archives: seeking in a virtual month, an export of an hour, what recording costs beside live."""

import asyncio
import contextlib
import os
import random
import shutil
import statistics
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from media_streamer.archive.container import (
    MICROSECONDS,
    ArchivedTrack,
    Piece,
    make_head,
    make_mark,
)
from media_streamer.archive.places import HOUR_MS, OWNER_FILE, file_path, index_path
from media_streamer.syntax.boxes import box, full_box

from tests.bench._streamer import BenchStreamer, streamer
from tests.bench.figure import Figure
from tests.support.proc import CpuMeter
from tests.support.streamer import until

DAYS = 30
SEGMENT_SECONDS = 5
SEEKS = 1000
EXPORT_BYTES_A_SECOND = 250_000
"""2 Mb/s: an hour is 900 MB."""
PARTS = 25
"""Fragments of a segment of 5 s, as live makes them."""
STREAMS = 60
WINDOW_SECONDS = 20.0
SETTLE_SECONDS = 8.0
TRACKS = (
    ArchivedTrack("v1", "video", "avc1.42c01e", 90_000, width=640, height=360),
    ArchivedTrack("a1", "audio", "mp4a.40.2", 48_000, channels=2),
)


def run() -> list[Figure]:
    """Latencies over HTTP in ms; MB/s; CPU of all processes."""
    with tempfile.TemporaryDirectory(prefix="bench-archive-") as directory:
        root = Path(directory)
        return asyncio.run(_stored(root)) + asyncio.run(_recorded(root / "recorded"))


# What is there already


async def _stored(root: Path) -> list[Figure]:
    (root / OWNER_FILE).touch()
    now_ms = int(time.time() * 1000)
    begin_ms = now_ms - now_ms % HOUR_MS - DAYS * 24 * HOUR_MS
    for hour in range(DAYS * 24):
        _write_hour(root / "month", begin_ms + hour * HOUR_MS, b"")
    payload = os.urandom(EXPORT_BYTES_A_SECOND * SEGMENT_SECONDS // PARTS)
    _write_hour(root / "hour", begin_ms, payload)
    offline = f"dvr {root} dvr_offline; disabled;"
    async with streamer(f"stream month {{ {offline} }}\nstream hour {{ {offline} }}\n") as one:
        seeks = await _seeks(one, begin_ms)
        return [*seeks, *await _export(one, root, begin_ms // 1000)]


def _write_hour(folder: Path, start_ms: int, payload: bytes) -> None:
    """A file of an hour; without a payload its segments are as small as can be."""
    path = file_path(folder, start_ms)
    path.parent.mkdir(parents=True)
    head = make_head([_init(track) for track in TRACKS], TRACKS)
    count = PARTS if payload else 1
    with path.open("wb") as media, index_path(path).open("wb") as index:
        media.write(head)
        index.write(head)
        for number in range(3600 // SEGMENT_SECONDS):
            begin_ms = start_ms + number * SEGMENT_SECONDS * 1000
            parts = [
                b"".join(
                    _fragments(begin_ms, track, payload if track.kind == "video" else b"", count)
                )
                for track in TRACKS
            ]
            duration = SEGMENT_SECONDS * MICROSECONDS
            pieces = [
                Piece(len(part), begin_ms * track.timescale // 1000, duration)
                for part, track in zip(parts, TRACKS, strict=True)
            ]
            mark = make_mark(begin_ms, duration, False, pieces)
            index.write(mark)
            media.writelines((mark, *parts))


def _init(track: ArchivedTrack) -> bytes:
    handler = b"vide" if track.kind == "video" else b"soun"
    media = box(
        b"mdia",
        full_box(b"mdhd", 0, 0, struct.pack(">IIIII", 0, 0, track.timescale, 0, 0)),
        full_box(b"hdlr", 0, 0, bytes(4), handler, bytes(12)),
    )
    header = full_box(b"tkhd", 0, 3, struct.pack(">IIII", 0, 0, 1, 0), bytes(64))
    return box(b"ftyp", b"iso5", bytes(4)) + box(
        b"moov",
        full_box(b"mvhd", 0, 0, bytes(92), struct.pack(">I", 2)),
        box(b"trak", header, media),
        box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">IIIII", 1, 1, 0, 0, 0))),
    )


def _fragments(begin_ms: int, track: ArchivedTrack, payload: bytes, count: int) -> Iterator[bytes]:
    for part in range(count):
        at = (begin_ms + part * SEGMENT_SECONDS * 1000 // count) * track.timescale // 1000
        yield box(
            b"moof",
            full_box(b"mfhd", 0, 0, struct.pack(">I", part)),
            box(
                b"traf",
                full_box(b"tfhd", 0, 0x020000, struct.pack(">I", 1)),
                full_box(b"tfdt", 1, 0, struct.pack(">Q", at)),
            ),
        )
        yield box(b"mdat", payload)


async def _seeks(one: BenchStreamer, begin_ms: int) -> list[Figure]:
    """A list of a minute somewhere in the month, and the first segment in it: what a player does
    that jumps there, until its first byte."""
    lists, segments = [], []
    chosen = random.Random(1)
    for _ in range(SEEKS):
        start = begin_ms // 1000 + chosen.randrange(DAYS * 86_400 - 120)
        took, text = await _first_byte(
            one, f"{one.base}/month/tracks-v1/archive-{start}-60.fmp4.m3u8"
        )
        lists.append(took)
        uri = next(line for line in text.splitlines() if line.endswith(".m4s"))
        took, _ = await _first_byte(one, f"{one.base}/month/tracks-v1/{uri}")
        segments.append(took)
    both = [a + b for a, b in zip(lists, segments, strict=True)]
    return [
        Figure(f"seek in {DAYS} days, list and segment, p99", _percentile(both), "ms", "< 100 ms"),
        Figure("the same, median", statistics.median(both), "ms"),
        Figure("list of a minute, p99", _percentile(lists), "ms"),
        Figure("segment, p99", _percentile(segments), "ms"),
    ]


async def _first_byte(one: BenchStreamer, url: str) -> tuple[float, str]:
    began = time.perf_counter()
    async with one.session.get(url) as answer:
        if answer.status != 200:
            raise RuntimeError(f"{url}: {answer.status}")
        first = await answer.content.readany()
        took = (time.perf_counter() - began) * 1000
        return took, (first + await answer.read()).decode(errors="replace")


def _percentile(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


async def _export(one: BenchStreamer, root: Path, start: int) -> list[Figure]:
    status, job = await one.api("POST", f"/streams/hour/dvr/export?from={start}&duration=3600")
    if status != 200:
        raise RuntimeError(f"no export: {job}")

    async def ended() -> dict[str, object] | None:
        _, told = await one.api("GET", f"/dvr_export_jobs/{job['name']}")
        return told if told["status"] in {"done", "failed"} else None

    told = await until(ended, "the export", 300)
    if told["status"] != "done":
        raise RuntimeError(f"no export: {told}")
    seconds = (told["finished_at"] - told["started_at"]) / 1000
    disk = _disk_speed(root, told["size"])
    rate = told["size"] / seconds / 1e6
    return [Figure("export of an hour of 2 Mb/s to the disk", rate, "MB/s", ">= 200 or the disk",
                   f"the disk takes {disk:.0f} MB/s with fsync")]  # fmt: skip


def _disk_speed(root: Path, size: int) -> float:
    """MB/s of writing so much in pieces of 1 MiB, until the disk has it."""
    piece = os.urandom(1 << 20)
    began = time.perf_counter()
    with (root / "speed").open("wb", buffering=0) as file:
        for _ in range(size >> 20):
            file.write(piece)
        os.fsync(file.fileno())
    took = time.perf_counter() - began
    (root / "speed").unlink()
    return size / took / 1e6


# What recording costs


async def _recorded(root: Path) -> list[Figure]:
    """The same streams with their segments made anyway, not recorded and recorded."""
    names = [f"s{number}" for number in range(STREAMS)]

    def config(dvr: str) -> str:
        known = f"stream known {{ dvr {root} 1d; disabled; }}\n"  # so that no worker is renewed
        source = "input file://clips/clip.mp4; segment_duration 2;"
        return known + "".join(f"stream {name} {{ {source} {dvr} }}\n" for name in names)

    async with streamer(config("")) as one:
        await one.all_running(STREAMS, 120)
        bare = await _cost(one, names)
        memory = sum(one.memory_mib().values())
        one.write(config(f"dvr {root} 1d;"))
        await one.reload()
        await asyncio.sleep(SETTLE_SECONDS)
        recorded = await _cost(one, names)
        more = (sum(one.memory_mib().values()) - memory) / STREAMS
        dropped, written = await _written(one)
    shutil.rmtree(root, ignore_errors=True)
    return [
        Figure("recording, CPU a stream, of a core", (recorded - bare) / STREAMS, "%", "<= 0.15 %",
               f"{STREAMS} streams of 2 Mb/s: {bare:.1f} % without, {recorded:.1f} % with"),
        Figure("recording, memory a stream", more, "MiB", "<= 1 MiB"),
        Figure("segments that were dropped", dropped, "", "0", f"of {written}"),
    ]  # fmt: skip


async def _cost(one: BenchStreamer, names: list[str]) -> float:
    """CPU of all processes in % of a core, while fragmented MP4 is made of each stream."""
    for name in names:
        with contextlib.suppress(Exception):
            async with one.session.get(f"{one.base}/{name}/index.fmp4.m3u8") as answer:
                await answer.read()
    await asyncio.sleep(SETTLE_SECONDS)
    meter = CpuMeter(one.pids())
    await asyncio.sleep(WINDOW_SECONDS)
    return meter.percent()


async def _written(one: BenchStreamer) -> tuple[int, int]:
    _, answer = await one.api("GET", "/streams?limit=1000&select=stats.dvr_write")
    figures = [item.get("stats", {}).get("dvr_write", {}) for item in answer["streams"]]
    dropped = sum(one.get("dropped_segments", 0) for one in figures)
    return dropped, dropped + sum(one.get("segments", 0) for one in figures)
