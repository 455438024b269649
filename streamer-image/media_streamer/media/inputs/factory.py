"""Which input reads which URL: that of the protocol that has its scheme."""

from collections.abc import Callable
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
