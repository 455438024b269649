"""`lines://`: the test picture."""

from media_streamer.media.inputs.base import Input, InputRequest
from media_streamer.protocols.fake.pull import FakeInput


def create(request: InputRequest) -> Input:
    return FakeInput(request.receiver, request.config)
