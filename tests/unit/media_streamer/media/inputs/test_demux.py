"""What is said of a source's tracks that are not carried."""

from types import SimpleNamespace
from typing import Any

from media_streamer.media.inputs.demux import left_out


def stream(index: int, kind: str, codec: str) -> Any:
    context = SimpleNamespace(codec=SimpleNamespace(canonical_name=codec))
    return SimpleNamespace(index=index, type=kind, codec_context=context)


def test_subtitles_are_said_to_be_left_out_once() -> None:
    streams = [stream(0, "video", "h264"), stream(1, "audio", "aac"), stream(2, "data", "bin_data")]
    told: set[int] = set()
    assert left_out(streams, told) == []
    streams.append(stream(3, "subtitle", "mov_text"))
    assert left_out(streams, told) == [
        "track 3 (mov_text) is left out: subtitles of live sources are not carried"
    ]
    assert left_out(streams, told) == []
