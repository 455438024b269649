"""A viewer of MPEG-TS over HTTP that looks whether anything is missing, and how long it waited."""

import asyncio
import time

import aiohttp

TS_PACKET = 188


class TsViewer:
    """Watches from when it is made until its task is cancelled, or the server ends it."""

    def __init__(self, url: str) -> None:
        self.data = b""
        self.longest_gap = 0.0
        """Seconds between two pieces."""
        self.task = asyncio.create_task(self._watch(url))

    async def _watch(self, url: str) -> None:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            before = time.monotonic()
            async for data in answer.content.iter_any():
                now = time.monotonic()
                self.longest_gap, before = max(self.longest_gap, now - before), now
                self.data += data

    @property
    def is_whole(self) -> bool:
        """No packet of a PID is missing (ISO 13818-1, 2.4.3.3)."""
        last: dict[int, int] = {}
        for at in range(0, len(self.data) // TS_PACKET * TS_PACKET, TS_PACKET):
            packet = self.data[at : at + 4]
            pid, counter = int.from_bytes(packet[1:3]) & 0x1FFF, packet[3] & 0x0F
            if packet[3] & 0x10:
                if pid in last and counter != (last[pid] + 1) & 0x0F:
                    return False
                last[pid] = counter
        return True
