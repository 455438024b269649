"""Which card decodes and encodes: what a configuration asks for against what is there.

`nvenc` without a driver, or on a card without an encoder, is refused in words; `auto` takes what
there is: a card's encoder, else the CPU's with a card's decoder, else the CPU for both. The card
with the least to do is taken where none is named. NVML answers (nvidia-ml-py); its calls may wait
for the driver, so they belong into a thread.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import ModuleType
from typing import Any

import av
import pynvml

from media_streamer.transcoder.encoders import NVENC
from media_streamer.transcoder.errors import EncoderRefused, muted, words_of
from media_streamer.wire.transcoding import Work

CUVID = {
    "h264": "h264_cuvid", "hevc": "hevc_cuvid", "av1": "av1_cuvid", "mpeg2video": "mpeg2_cuvid",
}  # fmt: skip

TRIAL_SIZE = (640, 360)
"""Of an encoder that is opened to see whether it can be; some have a least size."""


@dataclass(frozen=True, slots=True)
class Card:
    """An NVIDIA GPU and what it does now, in percent."""

    index: int
    name: str
    encoder_load: int = 0
    decoder_load: int = 0
    free_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Device:
    """Where the work is done."""

    encoder: int | None = None
    """Number of the card; None: the CPU."""
    decoder: int | None = None

    @property
    def name(self) -> str:
        """As `stats.transcoder.device` shows it."""
        if self.encoder is not None:
            return f"nvenc:{self.encoder}"
        return "cpu" if self.decoder is None else f"cuvid:{self.decoder}+cpu"


def cards(nvml: ModuleType | Any = pynvml) -> list[Card]:
    """All that the driver knows; raises EncoderRefused with the reason if there is none."""
    try:
        nvml.nvmlInit()
        found = [_card(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
    except (nvml.NVMLError, OSError) as error:
        raise EncoderRefused(f"there is no NVIDIA driver here ({error})") from error
    if not found:
        raise EncoderRefused("there is no NVIDIA GPU here")
    return found


def _card(nvml: Any, index: int) -> Card:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)

    def ask(question: Any) -> int:
        try:
            return int(question())
        except nvml.NVMLError:
            return 0

    return Card(
        index,
        str(nvml.nvmlDeviceGetName(handle)),
        ask(lambda: nvml.nvmlDeviceGetEncoderUtilization(handle)[0]),
        ask(lambda: nvml.nvmlDeviceGetDecoderUtilization(handle)[0]),
        ask(lambda: nvml.nvmlDeviceGetMemoryInfo(handle).free),
    )


def choose(work: Work, found: Sequence[Card], refusal: Callable[[int, str], str]) -> Device:
    """Where to do it, by the cards that there are; raises EncoderRefused.

    `refusal` says why a card does not encode a codec; empty if it does.
    """
    codecs = {one.codec for one in work.renditions}
    if work.device is not None:
        named = [card for card in found if card.index == work.device]
        if not named:
            raise EncoderRefused(f"there is no GPU {work.device}: {len(found)} are here")
        found = named
    reasons: list[str] = []
    if codecs <= NVENC.keys():
        by_load = sorted(found, key=lambda one: (one.encoder_load, -one.free_bytes, one.index))
        for card in by_load:
            said = next((text for codec in codecs if (text := refusal(card.index, codec))), "")
            if not said:
                return Device(encoder=card.index, decoder=card.index)
            reasons.append(f"GPU {card.index} ({card.name}) does not encode: {said}")
    elif work.hardware == "nvenc":
        raise EncoderRefused("hw=nvenc encodes h264, hevc and av1 only")
    if work.hardware == "nvenc":
        raise EncoderRefused(f"{'; '.join(reasons)}; use hw=auto or hw=cpu")
    best = min(found, key=lambda card: (card.decoder_load, -card.free_bytes, card.index))
    return Device(decoder=best.index)


def refusal_of_card(index: int, codec: str) -> str:
    """Why a card does not encode a codec, by FFmpeg; empty if it does.

    It has to be tried: NVML tells a capacity of encoders for cards that have none.
    """
    try:
        with muted():
            context: Any = av.CodecContext.create(NVENC[codec], "w")
            context.width, context.height = TRIAL_SIZE
            context.pix_fmt = "yuv420p"
            context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
            context.options = {"gpu": str(index)}
            context.open()
    except (av.FFmpegError, ValueError) as error:
        return words_of(error)
    return ""


def find_device(
    work: Work,
    nvml: ModuleType | Any = pynvml,
    refusal: Callable[[int, str], str] = refusal_of_card,
) -> Device:
    """Where to do it, here. Blocks. Raises EncoderRefused."""
    if work.hardware == "cpu" or not work.renditions:
        return Device()
    try:
        return choose(work, cards(nvml), refusal)
    except EncoderRefused as error:
        if work.hardware == "auto":
            return Device()
        raise EncoderRefused(f"hw={work.hardware}: {error}") from error
