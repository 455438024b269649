"""Which input reads which URL: that of the protocol that has its scheme."""

import asyncio
from collections.abc import Callable, Iterable
from typing import cast

from media_api import protocols as table
from media_api.input import InputConfig

from media_streamer import protocols
from media_streamer.media.inputs.base import (
    Input,
    InputError,
    InputRequest,
    Limits,
    Neighbours,
    Receiver,
    Stored,
)


async def load_inputs(inputs: Iterable[InputConfig]) -> None:
    """Import what reads these, in a thread: a first WebRTC source would hold the streams that run
    for as long as its packages take to load."""
    rows = dict.fromkeys(table.pull_protocol(one.scheme) for one in inputs)
    await asyncio.to_thread(lambda: [protocols.load(row, "pull") for row in rows if row])


def create_input(
    name: str,
    config: InputConfig,
    receiver: Receiver,
    limits: Limits,
    stored: Stored,
    neighbours: Neighbours | None = None,
    arrived: Callable[[], None] = lambda: None,
) -> Input:
    """The input for `config`, not started; raises InputError if there is none for its scheme.

    `name` is the stream's, for log lines. Publishers are no business of this function: they come
    with their bytes (`media_streamer.media.inputs.publish`).
    """
    row = table.pull_protocol(config.scheme)
    if row is None:
        raise InputError(f"{config.scheme}:// inputs are {table.why_not('pull', config.scheme)}")
    request = InputRequest(name, config, receiver, limits, stored, neighbours, arrived)
    return cast(Input, protocols.load(row, "pull").create(request))
