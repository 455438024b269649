"""Which input reads which URL."""

from media_api.input import InputConfig

from media_streamer.media.inputs.base import Input, InputError, Limits, Receiver
from media_streamer.media.inputs.pull import SCHEMES, create_pull
from media_streamer.protocols.fake.pull import FakeInput
from media_streamer.protocols.file.pull import FileInput, Vods


def create_input(
    name: str, config: InputConfig, receiver: Receiver, limits: Limits, vods: Vods
) -> Input:
    """The input for `config`, not started; raises InputError if there is none for its scheme.

    `name` is the stream's, for log lines. Publishers are no business of this function: they come
    with their bytes (`media_streamer.media.inputs.publish`).
    """
    if config.scheme == "fake":
        return FakeInput(receiver, config)
    if config.scheme == "file":
        if config.programs:
            raise InputError("programs: choosing them of a file is not supported by this server")
        return FileInput(name, receiver, limits, config.url, vods)
    if config.scheme in SCHEMES:
        return create_pull(name, receiver, limits, config)
    raise InputError(f"{config.scheme}:// inputs are not supported by this server")
