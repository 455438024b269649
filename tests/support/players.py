"""Real players as judges: what FFmpeg says of an address that it plays for some seconds."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

START_SECONDS = 25.0
"""How long a player may need for its first frame."""


@dataclass
class Played:
    """What came out of a player."""

    errors: str
    dts: dict[str, list[float]] = field(default_factory=dict)
    """Decoding times of the packets in seconds, by kind of track (`video`, `audio`)."""

    @property
    def frame_rate(self) -> float:
        """Pictures a second of media time."""
        times = self.dts["video"]
        return (len(times) - 1) / (times[-1] - times[0])

    def backward_steps(self) -> list[str]:
        """Where decoding times do not grow."""
        return [
            f"{kind}: {before:.3f} then {after:.3f}"
            for kind, times in self.dts.items()
            for before, after in pairwise(times)
            if after <= before
        ]


async def run(*command: str, seconds: float, user: str | None = None) -> tuple[int, str, str]:
    """Exit status, standard output and standard error; the program is killed after `seconds`."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        user=user,
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
        raise AssertionError(
            f"{command[0]} did not end in {seconds} s: {err.decode(errors='replace')[-3000:]}"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")


async def play(url: str, seconds: float, *options: str) -> Played:
    """Decode `seconds` of media at `url` with FFmpeg and note the time of each packet.

    `errors` has everything that FFmpeg complains of; `options` stand before the address.
    """
    limit = ("-t", str(seconds))
    status, out, err = await run(
        "ffmpeg", "-nostdin", "-v", "error", *options, "-i", url,
        *limit, "-f", "null", "-",
        *limit, "-map", "0:v?", "-map", "0:a?", "-c", "copy", "-f", "framecrc", "pipe:1",
        seconds=START_SECONDS + 3 * seconds,
    )  # fmt: skip
    return Played(err if status == 0 else f"exit status {status}: {err}", _times(out))


def _times(framecrc: str) -> dict[str, list[float]]:
    """Decoding times out of FFmpeg's `framecrc` format, by kind of track."""
    kinds = dict(re.findall(r"^#media_type (\d+): (\w+)$", framecrc, re.MULTILINE))
    bases = {
        number: int(above) / int(below)
        for number, above, below in re.findall(r"^#tb (\d+): (\d+)/(\d+)$", framecrc, re.MULTILINE)
    }
    times: dict[str, list[float]] = {}
    for number, dts in re.findall(r"^(\d+), *(-?\d+),", framecrc, re.MULTILINE):
        times.setdefault(kinds[number], []).append(int(dts) * bases[number])
    return times


def complaints(played: Played, frame_rate: float, kinds: Sequence[str]) -> list[str]:
    """What a viewer would mind, in words; an empty list if all is well."""
    found = [played.errors] if played.errors else []
    if set(kinds) != set(played.dts):
        return [*found, f"tracks {sorted(played.dts)} instead of {sorted(kinds)}"]
    if "video" in kinds and abs(played.frame_rate - frame_rate) > frame_rate * 0.02:
        found.append(f"{played.frame_rate:.2f} pictures a second instead of {frame_rate}")
    return found + played.backward_steps()
