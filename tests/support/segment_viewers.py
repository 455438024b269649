"""`python -m tests.support.segment_viewers BASE SECONDS NAME …`: an HLS viewer of each stream.

Each asks for the next segment of the video by a blocking playlist request, so that it learns of it
when it is there and not at its next look, and fetches it. Prints one line of JSON: `{"segments":
[[gap in s, duration in s], …], "failed": requests without a good answer, "bytes": …}`; a gap lies
between two successive segments of a stream. Runs in a process of its own.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field

import aiohttp

from tests.support import hls_rules

REQUEST_SECONDS = 30.0


@dataclass
class Seen:
    segments: list[tuple[float, float]] = field(default_factory=list)
    failed: int = 0
    bytes: int = 0


class Viewer:
    """Of the video of one stream."""

    def __init__(self, http: aiohttp.ClientSession, base: str, name: str, seen: Seen) -> None:
        self._http = http
        self._seen = seen
        self._folder = f"{base}/{name}/tracks-v1"

    async def watch(self, until: float) -> None:
        """Watch until the monotonic time `until`."""
        query, before = "", 0.0
        while time.monotonic() < until:
            text = await self._get(f"{self._folder}/index.ll.m3u8{query}")
            if not text:
                query, before = "", 0.0
                await asyncio.sleep(0.2)
                continue
            now = time.monotonic()
            playlist = hls_rules.parse(text.decode())
            newest = playlist.segments[-1] if playlist.segments else None
            if newest:
                if before:
                    self._seen.segments.append((now - before, newest.duration))
                before = now if query else 0.0  # the first was there already
                segment = await self._get(f"{self._folder}/{newest.uri}")
                self._seen.bytes += len(segment)
            query = f"?_HLS_msn={playlist.next_msn}"

    async def _get(self, url: str) -> bytes:
        try:
            async with self._http.get(url) as answer:
                body = await answer.read()
                if answer.status == 200:
                    return body
                reason = f"{answer.status} {body[:200].decode(errors='replace')}"
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = repr(error)
        print(f"{time.strftime('%X')} {url}: {reason.strip()}", file=sys.stderr)
        self._seen.failed += 1
        return b""


async def main(base: str, seconds: float, names: list[str]) -> None:
    seen = Seen()
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
        viewers = [Viewer(http, base, name, seen) for name in names]
        until = time.monotonic() + seconds
        await asyncio.gather(*(viewer.watch(until) for viewer in viewers))
    print(json.dumps({"segments": seen.segments, "failed": seen.failed, "bytes": seen.bytes}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))
