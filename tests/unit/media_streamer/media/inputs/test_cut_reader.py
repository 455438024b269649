"""A source as one file after another: its end and its errors."""

import pytest
from media_streamer.media.inputs.base import InputError
from media_streamer.media.inputs.cut_reader import CutReader
from media_streamer.protocols.ts.watch import TsWatch


def test_what_the_source_raises_is_raised_once() -> None:
    """FFmpeg reads on after an error: the second one would be a traceback of PyAV in the log."""

    def read(_: int) -> bytes:
        raise InputError("stopped")

    reader = CutReader(read, TsWatch())
    with pytest.raises(InputError, match="stopped"):
        reader.read(1000)
    assert reader.read(1000) == b""
    assert not reader.go_on()
