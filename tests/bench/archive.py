"""Archives: seeking in a month, the line of a year, an export and a replica of an hour, recording.

What is recorded costs beside live, and what 300 recordings cost by themselves and their disk.
"""

import asyncio
import contextlib
import math
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
from media_streamer.archive.measuring import Measured
from media_streamer.archive.places import (
    HOUR_MS,
    MAX_SPAN_MS,
    OWNER_FILE,
    file_path,
    files_between,
    index_path,
)
from media_streamer.archive.recorder import Recorder
from media_streamer.archive.writer import DiskWriter
from media_streamer.syntax.boxes import box, full_box
from media_streamer.wire.media import InitSection, SegmentReady

from tests.bench._streamer import BenchStreamer, streamer
from tests.bench.figure import Figure
from tests.support.proc import CpuMeter
from tests.support.streamer import until

DAYS = 30
YEAR_DAYS = 365
MARK_START_OFFSET = 28
"""Of the start in a mark."""
SEGMENT_SECONDS = 5
SEEKS = 1000
EXPORT_BYTES_A_SECOND = 250_000
"""2 Mb/s: an hour is 900 MB."""
PARTS = 25
"""Fragments of a segment of 5 s, as live makes them."""
STREAMS = 60
MANY = 300
MANY_SECONDS = 12
KEY = "cluster_key between-us;\n"
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
        figures = asyncio.run(_stored(root))
        figures += _many(root / "many")
        return figures + asyncio.run(_recorded(root / "recorded"))


# What is there already


def write_played_hour(root: Path, name: str, start_ms: int) -> None:
    """An hour of a stream of 2 Mb/s."""
    (root / OWNER_FILE).touch()
    payload = os.urandom(EXPORT_BYTES_A_SECOND * SEGMENT_SECONDS // PARTS)
    _write_hour(root / name, start_ms, payload)


async def _stored(root: Path) -> list[Figure]:
    (root / OWNER_FILE).touch()
    now_ms = int(time.time() * 1000)
    begin_ms = now_ms - now_ms % HOUR_MS - DAYS * 24 * HOUR_MS
    for hour in range(DAYS * 24):
        _write_hour(root / "month", begin_ms + hour * HOUR_MS, b"")
    write_played_hour(root, "hour", begin_ms)
    for name in ("year", "old"):
        _write_year(root / name, begin_ms - YEAR_DAYS * 24 * HOUR_MS)
    _put_down(root / "year")
    offline = f"dvr {root} dvr_offline; disabled;"
    names = ("month", "hour", "year", "old")
    config = KEY + "".join(f"stream {name} {{ {offline} }}\n" for name in names)
    async with streamer(config) as one:
        figures = await _seeks(one, begin_ms)
        figures += await _line(one)
        figures += await _export(one, root, begin_ms // 1000)
        return figures + await _filled(one, root / "filled")


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


def _write_year(folder: Path, start_ms: int) -> None:
    """An hour again and again: its media are holes."""
    _write_hour(folder, start_ms, b"")
    first = file_path(folder, start_ms)
    index, size = bytearray(index_path(first).read_bytes()), first.stat().st_size
    step = len(make_mark(0, 0, False, [Piece(0, 0, 0)] * len(TRACKS)))
    head = len(index) - step * (3600 // SEGMENT_SECONDS)
    for begin_ms in range(start_ms + HOUR_MS, start_ms + YEAR_DAYS * 24 * HOUR_MS, HOUR_MS):
        for number, at in enumerate(range(head, len(index), step)):
            moment_ms = begin_ms + number * SEGMENT_SECONDS * 1000
            struct.pack_into(">Q", index, at + MARK_START_OFFSET, moment_ms)
        path = file_path(folder, begin_ms)
        path.parent.mkdir(parents=True)
        with path.open("wb") as media:
            media.truncate(size)
        index_path(path).write_bytes(index)


def _put_down(folder: Path) -> None:
    """When there is something, as is done hour by hour while it is recorded."""
    files = {one.start_ms: one.path for one in files_between(folder)}
    for path in files.values():
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - HOUR_MS // 1000))
    Measured().look(dict.fromkeys(files, 1), files.__getitem__, math.inf)


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


async def _line(one: BenchStreamer) -> list[Figure]:
    """What the line of time of the UI asks for each 10 s: of a month and of an old year all indexes
    are read the first time."""
    took = {}
    for name, count in (("month", 6), ("year", 6), ("old", 2)):
        found = []
        for _ in range(count):
            began = time.perf_counter()
            status = 503  # what takes longer than 20 s is asked for again
            while status == 503:
                status, answer = await one.api("GET", f"/streams/{name}/dvr/ranges?limit=10000")
            found.append((time.perf_counter() - began) * 1000)
            if status != 200 or len(answer["ranges"]) != 1:
                raise RuntimeError(f"no ranges of {name}: {status} {answer}")
        took[name] = found
    month, year, old = took["month"], took["year"], took["old"]
    return [
        Figure("line of time of a month", statistics.median(month[1:]), "ms", "",
               f"{month[0]:.0f} ms the first time"),
        Figure("line of time of a year", statistics.median(year[1:]), "ms"),
        Figure("the same, after a start", year[0], "ms", "< 1000 ms",
               f"{old[0]:.0f} ms if nothing is put down of its months"),
    ]  # fmt: skip


async def _filled(origin: BenchStreamer, root: Path) -> list[Figure]:
    """The hour of the export, as a server has it that was down for so long."""
    pulled = f"input m4f://127.0.0.1:{origin.http_port}/hour cluster_key=between-us;"
    config = f"{KEY}stream near {{ {pulled} dvr {root} replicate; }}\n"
    async with streamer(config, hostname="host2") as edge:

        async def is_filled() -> dict[str, float] | None:
            stats = (await edge.stream("near")).get("stats", {}).get("dvr_replicate", {})
            return stats if stats.get("filled_seconds", 0) >= 3500 else None

        async def has_begun() -> bool:
            stats = (await edge.stream("near")).get("stats", {}).get("dvr_replicate", {})
            return bool(stats.get("missing_seconds"))

        await until(has_begun, "that something is missing", 60)
        meters = [CpuMeter(one.pids()) for one in (edge, origin)]
        began = time.monotonic()
        told = await until(is_filled, "the hour", 200)
        took = time.monotonic() - began
        used = [meter.percent() * took / 100 for meter in meters]
        size = told["filled_bytes"] / 1e6
    return [
        Figure("an hour of 2 Mb/s filled from another server", size / took, "MB/s", "<= 25",
               f"{took:.0f} s; CPU {used[0]:.1f} s here, {used[1]:.1f} s there"),
    ]  # fmt: skip


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


def _many(root: Path) -> list[Figure]:
    """The recorders of many streams in one process and their disk, without what makes segments."""
    root.mkdir()
    (root / OWNER_FILE).touch()
    writer, syncs, fdatasync = DiskWriter(root), 0, os.fdatasync

    def counted(descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        fdatasync(descriptor)

    os.fdatasync = counted
    recorders = [Recorder(f"s{n}", MAX_SPAN_MS, [writer], lambda *_: None) for n in range(MANY)]
    waiting, gap = 0, SEGMENT_SECONDS / MANY
    try:
        with tempfile.TemporaryDirectory(prefix="bench-live-", dir="/dev/shm") as live:
            events = _Live(Path(live))
            for recorder in recorders:
                recorder.take(events.inits())
            began, cpu, out = time.monotonic(), time.process_time(), _written_bytes()
            count = MANY * MANY_SECONDS // SEGMENT_SECONDS
            for number in range(count):
                msn, stream = divmod(number, MANY)
                time.sleep(max(0.0, began + number * gap - time.monotonic()))
                recorders[stream].take(events.segment(stream, msn))
                waiting = max(waiting, writer.waiting_bytes)
            took = time.monotonic() - began
            for recorder in recorders:
                recorder.close()
            writer.close()
            cpu, out = time.process_time() - cpu, _written_bytes() - out
    finally:
        os.fdatasync = fdatasync
        shutil.rmtree(root, ignore_errors=True)
    dropped = sum(one.stats()["dvr_write"]["dropped_segments"] for one in recorders)
    words = (
        f"{count / took:.0f} segments, {syncs / took:.0f} fdatasync, {out / took / 1e6:.0f} MB a s"
    )
    return [
        Figure(f"{MANY} recordings of 2 Mb/s, CPU of each, of a core", 100 * cpu / took / MANY, "%",
               "<= 0.15 %", words),
        Figure("most that waited for the disk", waiting / 1e6, "MB", "", f"{dropped} dropped"),
    ]  # fmt: skip


class _Live:
    """Segments as live has them: files in memory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        payload = os.urandom(EXPORT_BYTES_A_SECOND * SEGMENT_SECONDS // PARTS)
        for track in TRACKS:
            data = payload if track.kind == "video" else b"x" * 800
            (directory / track.name).write_bytes(b"".join(_fragments(0, track, data, PARTS)))
            (directory / f"{track.name}.mp4").write_bytes(_init(track))

    def inits(self) -> list[InitSection]:
        return [
            InitSection(
                track=one.name, number=0, kind=one.kind,
                path=str(self._directory / f"{one.name}.mp4"), codecs=one.codecs,
                width=0, height=0, fps=0.0, bandwidth=0, channels=0,
                sample_rate=0, language="", group="", rank=0, timescale=one.timescale, former=[],
            )
            for one in TRACKS
        ]  # fmt: skip

    def segment(self, stream: int, msn: int) -> list[SegmentReady]:
        found = []
        for one in TRACKS:
            path = self._directory / f"{stream}-{msn}-{one.name}"
            path.hardlink_to(self._directory / one.name)
            found.append(SegmentReady(
                track=one.name, msn=msn, path=str(path), init=0, start_utc_ms=0,
                time=msn * SEGMENT_SECONDS * one.timescale, duration=float(SEGMENT_SECONDS),
                size=path.stat().st_size, discontinuity=False, discontinuities=0,
                period_utc_ms=1_700_000_000_000, period_time=0, bandwidth=0,
            ))  # fmt: skip
        return found


def _written_bytes() -> int:
    """That this process has given to disks."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


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
