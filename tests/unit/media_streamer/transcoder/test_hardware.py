"""Which card does the work; the library is a stand-in, as no test machine needs to have a GPU."""

from typing import Any

import pytest
from media_streamer.transcoder.errors import EncoderRefused
from media_streamer.transcoder.hardware import (
    Card,
    Device,
    cards,
    choose,
    find_device,
    refusal_of_card,
)
from media_streamer.wire.transcoding import Decoding, Hardware, Rendition, SizeWish, Work

H100 = Card(0, "NVIDIA H100")
BUSY = Card(1, "NVIDIA L4", encoder_load=80)
IDLE = Card(2, "NVIDIA L4", encoder_load=10)
ALL = [H100, BUSY, IDLE]


def refusal(index: int, codec: str) -> str:
    """The H100 has no encoder, and no card encodes AV1."""
    return "unsupported device" if index == 0 or codec == "av1" else ""


def _work(hardware: Hardware, device: int | None = None, codec: Any = "h264") -> Work:
    rendition = Rendition(0, "v1", codec, 1000, "fast", size=SizeWish(-1, 360))
    return Work(hardware, device, Decoding(0), [rendition])


def test_the_card_with_the_least_to_do_encodes() -> None:
    for hardware in ("nvenc", "auto"):
        device = choose(_work(hardware), ALL, refusal)
        assert device == Device(encoder=2, decoder=2)
        assert device.name == "nvenc:2"


def test_a_card_that_is_named_is_taken() -> None:
    assert choose(_work("nvenc", 1), ALL, refusal) == Device(1, 1)
    with pytest.raises(EncoderRefused, match="there is no GPU 7: 3 are here"):
        choose(_work("nvenc", 7), ALL, refusal)


def test_a_card_without_an_encoder_is_refused_or_decodes() -> None:
    said = r"GPU 0 \(NVIDIA H100\) does not encode: unsupported device; use hw=auto or hw=cpu"
    with pytest.raises(EncoderRefused, match=said):
        choose(_work("nvenc"), [H100], refusal)
    device = choose(_work("auto"), [H100], refusal)
    assert device == Device(decoder=0)
    assert device.name == "cuvid:0+cpu"
    with pytest.raises(EncoderRefused, match="h264, hevc and av1 only"):
        choose(_work("nvenc", codec="mpeg2video"), [IDLE], refusal)
    assert choose(_work("auto", codec="av1"), [IDLE], refusal) == Device(decoder=2)


class NvmlError(Exception):
    pass


class Nvml:
    """Of a machine without a driver, or with one card that tells nothing but its name."""

    NVMLError = NvmlError

    def __init__(self, count: int | None) -> None:
        self.count = count

    def __getattr__(self, name: str) -> Any:
        if name == "nvmlInit":
            return self._init
        if name in {"nvmlDeviceGetCount", "nvmlDeviceGetName", "nvmlDeviceGetHandleByIndex"}:
            return lambda *_: self.count if name == "nvmlDeviceGetCount" else "H"
        return self._not_supported

    def _init(self) -> None:
        if self.count is None:
            raise NvmlError("Driver Not Loaded")

    def _not_supported(self, *_: object) -> None:
        raise NvmlError("Not Supported")


def test_a_machine_without_a_driver() -> None:
    assert find_device(_work("auto"), Nvml(None)) == Device()
    assert find_device(_work("cpu"), Nvml(None)) == Device()
    with pytest.raises(EncoderRefused, match=r"hw=nvenc: .*no NVIDIA driver here .*Not Loaded"):
        find_device(_work("nvenc"), Nvml(None))
    with pytest.raises(EncoderRefused, match="no NVIDIA GPU"):
        cards(Nvml(0))


def test_a_card_that_tells_little_is_tried() -> None:
    assert find_device(_work("auto"), Nvml(1), lambda *_: "no") == Device(decoder=0)
    assert find_device(_work("nvenc"), Nvml(1), lambda *_: "") == Device(0, 0)
    with pytest.raises(EncoderRefused, match=r"hw=nvenc: GPU 0 \(H\) does not encode: no"):
        find_device(_work("nvenc"), Nvml(1), lambda *_: "no")


def test_a_trial_says_in_words_what_is_wrong() -> None:
    assert refusal_of_card(77, "h264") != ""
