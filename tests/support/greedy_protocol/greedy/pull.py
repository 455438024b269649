"""`greedy://grow` and `greedy://hang`."""

import threading
import time

from media_streamer.media.inputs.base import Input, InputRequest
from media_streamer.protocols.fake.pull import FakeInput

PIECE_BYTES = 20 * 1024 * 1024
_held: list[bytes] = []


def create(request: InputRequest) -> Input:
    if request.config.url.endswith("hang"):
        time.sleep(3600)
    threading.Thread(target=_grow, daemon=True).start()
    return FakeInput(request.receiver, request.config)


def _grow() -> None:
    while True:
        _held.append(b"x" * PIECE_BYTES)
        time.sleep(0.05)
