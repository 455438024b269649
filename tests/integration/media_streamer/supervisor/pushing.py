"""How the pushes of a stream are, as the API tells it; whether what came of one is whole."""

import contextlib
from typing import Any

import aiohttp

from tests.support.streamer import Streamer, until

TS_PACKET = 188


async def pushes(streamer: Streamer, name: str = "live") -> list[dict[str, Any]]:
    return [push.get("stats") or {} for push in (await streamer.stream(name)).get("pushes", ())]


async def push_is(streamer: Streamer, status: str, name: str = "live", index: int = 0) -> Any:
    async def check() -> Any:
        found: list[dict[str, Any]] = []
        with contextlib.suppress(aiohttp.ClientError):  # an egress worker ends with its requests
            found = await pushes(streamer, name)
        one = found[index] if index < len(found) else {}
        return one if one.get("status") == status else None

    return await until(check, f"push {index} of {name} is {status}")


async def grows(streamer: Streamer, name: str = "live", index: int = 0) -> None:
    """The push goes on sending."""
    before = (await pushes(streamer, name))[index]["bytes"]

    async def check() -> bool:
        return bool((await pushes(streamer, name))[index]["bytes"] > before)

    await until(check, f"push {index} of {name} sends")


def is_continuous(ts: bytes) -> bool:
    """No packet of a PID is missing (ISO 13818-1, 2.4.3.3)."""
    last: dict[int, int] = {}
    for at in range(0, len(ts), TS_PACKET):
        pid = int.from_bytes(ts[at + 1 : at + 3]) & 0x1FFF
        if pid == 0x1FFF:
            continue  # of null packets the counter says nothing (2.4.3.3)
        has_payload, counter = ts[at + 3] & 0x10, ts[at + 3] & 0x0F
        if has_payload and pid in last and counter != (last[pid] + 1) & 0x0F:
            return False
        if has_payload:
            last[pid] = counter
    return True
