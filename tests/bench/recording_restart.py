"""What is recorded goes on after a crash: media workers, or all of a streamer, end by SIGKILL.

Many streams record meanwhile. What had been acknowledged (a segment whose mark is in the index) is
read from the disk right before and afterwards: none may be lost, none may differ.
"""

import asyncio
import contextlib
import hashlib
import os
import signal
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from media_streamer.archive.library import Library
from media_streamer.archive.places import MAX_MS, Place, stream_folder
from media_streamer.supervisor.quarantine import OPENING_SECONDS

from tests.bench import _footage
from tests.bench._streamer import BenchStreamer
from tests.bench.figure import Figure
from tests.support.streamer import until

STREAMS = 20
ROUNDS = 2
"""The third crash of a worker within five minutes makes suspects of all its streams."""
SEGMENT_MS = 1000
"""The source has key frames more often, so that a segment can begin each second."""
LIMIT_SECONDS = 60.0
Segments = Mapping[tuple[str, int], bytes]
"""Digest of each by stream and start in Unix ms."""


def run() -> list[Figure]:
    """Seconds from SIGKILL until what is recorded begins again, and until that is on the disk."""
    return asyncio.run(_measure())


async def _measure() -> list[Figure]:
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="bench-restart-") as directory:
        for title, kind in (("media workers", "media"), ("the whole streamer", "")):
            home = Path(directory, kind or "all")
            one = await asyncio.to_thread(_made, home)
            try:
                figures += await _crashes(one, home / "archive", title, kind)
            finally:
                await one.close()
                await one.session.close()
    return figures


def _made(home: Path) -> BenchStreamer:
    (home / "archive").mkdir(parents=True)
    return BenchStreamer(home)


async def _crashes(one: BenchStreamer, root: Path, title: str, kind: str) -> list[Figure]:
    film = await asyncio.to_thread(_footage.quick)
    source = f"input file://clips/{film.name}; segment_duration {SEGMENT_MS / 1000:g};"
    names = [f"s{number}" for number in range(STREAMS)]
    one.write("".join(f"stream {name} {{ {source} dvr {root} 1d; }}\n" for name in names))
    await one.serve()
    await one.all_running(STREAMS, LIMIT_SECONDS)
    begun: list[float] = []
    stored: list[float] = []
    lost = acknowledged = 0
    for _ in range(ROUNDS):
        await _all_recorded(root, names, int(time.time() * 1000))
        # What dies while inputs open has suspects, which are tried apart from the rest.
        await asyncio.sleep(OPENING_SECONDS)
        before = await asyncio.to_thread(recorded, root, names)
        killed_ms = time.time() * 1000
        for pid in one.pids(kind):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not kind:
            assert one.process is not None
            await one.process.wait()
            await one.start()
        found = await _all_recorded(root, names, int(killed_ms))
        begun += [(start_ms - killed_ms) / 1000 for start_ms, _ in found.values()]
        stored += [at - killed_ms / 1000 for _, at in found.values()]
        after = await asyncio.to_thread(recorded, root, names)
        acknowledged += len(before)
        lost += sum(after.get(key) != digest for key, digest in before.items())
    begun.sort()
    stored.sort()
    note = f"median {begun[len(begun) // 2]:.2f} of {len(begun)} recordings"
    return [
        Figure(f"{title} killed: until recording begins again", begun[-1], "s", "< 2 s", note),
        Figure(
            f"{title} killed: until a segment of {SEGMENT_MS / 1000:g} s is on the disk",
            stored[-1], "s", "", f"median {stored[len(stored) // 2]:.2f}",
        ),
        Figure(
            f"{title} killed: acknowledged segments lost", lost, "", "0", f"of {acknowledged}",
        ),
    ]  # fmt: skip


async def _all_recorded(
    root: Path, names: list[str], after_ms: int
) -> dict[str, tuple[int, float]]:
    """Of each stream the first segment that begins after that moment: its start in Unix ms, and
    the Unix time at which it was seen on the disk."""
    library, found = Library(), dict[str, tuple[int, float]]()

    def look() -> bool:
        for name in names:
            if name in found:
                continue
            entries = library.entries([Place(root, stream_folder(root, name))], after_ms, MAX_MS)
            if entries:
                found[name] = entries[0].group.start_ms, time.time()
        return len(found) == len(names)

    async def check() -> bool:
        return await asyncio.to_thread(look)

    await until(check, "all streams record", LIMIT_SECONDS)
    return found


def recorded(root: Path, names: list[str]) -> Segments:
    """All that is on the disk."""
    library, found = Library(), dict[tuple[str, int], bytes]()
    for name in names:
        for group, content, _ in library.entries(
            [Place(root, stream_folder(root, name))], 0, MAX_MS
        ):
            with content.file.path.open("rb") as file:
                file.seek(group.offset)
                found[name, group.start_ms] = hashlib.sha256(file.read(group.size)).digest()
    return found
