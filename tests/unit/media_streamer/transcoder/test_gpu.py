"""What a real card does; skipped where there is none."""

import asyncio
import contextlib
from typing import Any

import numpy as np
import pytest
from media_streamer.supervisor.gpus import GpuMonitor
from media_streamer.supervisor.tasks import Tasks
from media_streamer.transcoder.errors import EncoderRefused
from media_streamer.transcoder.hardware import Card, cards

from tests.support.transcoding import Made, Transcode, pictures

try:
    CARDS: list[Card] = cards()
except EncoderRefused as error:
    pytest.skip(str(error), allow_module_level=True)

LADDER: dict[str, Any] = {
    "global": {"hw": "auto"},
    "video": [
        {"bitrate": 300_000, "gop": 25, "size": {"width": -1, "height": 144}},
        {"bitrate": 100_000, "size": {"width": -1, "height": 90}},
    ],
}


def test_a_card_decodes_and_scales_what_the_cpu_would_show(transcode: Transcode) -> None:
    by_card = transcode(LADDER)
    by_cpu = transcode({**LADDER, "global": {"hw": "cpu"}})
    assert by_card.device in {"cuvid:0+cpu", "nvenc:0"}
    assert by_card.engine is not None
    assert by_card.engine.decode_errors == 0
    for name in ("v1", "v2"):
        assert by_card.keys(name) == by_cpu.keys(name)
        shown, expected = (_pictures(made, name) for made in (by_card, by_cpu))
        assert shown.shape == expected.shape
        error = np.mean((shown.astype(float) - expected) ** 2)
        assert 10 * np.log10(255**2 / max(error, 1e-9)) > 30


def _pictures(made: Made, name: str) -> Any:
    track = next(one for one in made.tracks if one.name == name)
    shown = pictures(track, made.of(name))
    return np.stack([one.reformat(format="gray").to_ndarray() for one in shown])


@pytest.mark.parametrize("codec", ["hevc", "av1", "mp2v"])
def test_a_card_decodes_other_codecs(transcode: Transcode, codec: str) -> None:
    first = transcode({"video": [{"bitrate": 400_000, "codec": codec, "preset": "ultrafast"}]})
    second = transcode(LADDER, first.frames, first.tracks)
    assert second.refusal == ""
    assert len(second.of("v2")) >= 70


def test_a_card_without_an_encoder_refuses_in_words(transcode: Transcode) -> None:
    made = transcode({**LADDER, "global": {"hw": "nvenc"}})
    if made.refusal:
        assert f"GPU 0 ({CARDS[0].name}) does not encode: " in made.refusal
        assert made.refusal.endswith("; use hw=auto or hw=cpu")
    else:
        assert made.device.startswith("nvenc:")
        assert made.keys("v1") == made.keys("v2")


async def test_nvml_tells_the_figures_of_a_card() -> None:
    tasks = Tasks()
    monitor = GpuMonitor(tasks)
    monitor.watch(True)
    try:
        async with asyncio.timeout(30):
            while not monitor.devices:  # noqa: ASYNC110 - nothing tells of a reading
                await asyncio.sleep(0.01)
        first = monitor.devices[0]
        assert first["name"] == CARDS[0].name
        assert 0 < first["memUsed"] <= first["memTotal"]
        assert first["gpu_temp"] > 0
    finally:
        monitor.watch(False)
        with contextlib.suppress(asyncio.CancelledError):
            await tasks.close()
