"""What FFmpeg makes of what plays somewhere: every complaint, and how many packets."""

import asyncio
from collections import Counter
from pathlib import Path

from tests.support.process import end

SECONDS = 60


async def complaints(source: str | Path, *words: str) -> str:
    """What FFmpeg says when it decodes all of it; empty if it is content."""
    process = await asyncio.create_subprocess_exec(
        "ffmpeg", "-nostdin", "-v", "error", *words, "-i", str(source),
        "-map", "0", "-copyts", "-f", "null", "-",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said = await _ended(process)
    return said[1] or ("" if process.returncode == 0 else f"exit status {process.returncode}")


async def packets(source: str | Path) -> dict[str, int]:
    """How many there are of video and of sound; of several tracks all together."""
    process = await asyncio.create_subprocess_exec(
        "ffprobe", "-v", "error", "-count_packets",
        "-show_entries", "stream=codec_type,nb_read_packets", "-of", "csv=p=0", str(source),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    found: Counter[str] = Counter()
    for line in dict.fromkeys((await _ended(process))[0].split()):
        kind, _, count = line.strip(",").partition(",")
        found[kind] += int(count)
    return dict(found)


async def _ended(process: asyncio.subprocess.Process) -> tuple[str, str]:
    try:
        out, said = await asyncio.wait_for(process.communicate(), SECONDS)
    finally:
        await end(process)
    return (out or b"").decode(), (said or b"").decode()
