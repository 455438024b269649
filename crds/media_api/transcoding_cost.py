"""What a transcoder will take of a machine, estimated from its configuration alone. Pure.

For placement, which has to decide before anything runs: what is measured then is `stats`. An
estimate is of the pixels a second that are decoded, scaled and encoded. CPU time of decoding and of
H.264 was measured with FFmpeg on 720p of film (a core of 2023) and differs by the content by half;
that of HEVC at veryfast and of MPEG-2 as well, other presets of HEVC and AV1 are taken from what
their encoders are known for; so is the speed of a card.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

PIXELS = 1_000_000.0
SOURCE = (1920, 1080, 25.0)
"""Taken where nothing is known of the source."""
ENCODE_CPU: Mapping[str, Mapping[str, float]] = {
    "h264": {
        "ultrafast": 0.005, "veryfast": 0.0185, "fast": 0.0385, "medium": 0.044, "slow": 0.065,
    },
    "hevc": {
        "ultrafast": 0.030, "veryfast": 0.056, "fast": 0.080, "medium": 0.110, "slow": 0.250,
    },
    "av1": {
        "ultrafast": 0.030, "veryfast": 0.040, "fast": 0.060, "medium": 0.090, "slow": 0.130,
    },
    "mp2v": dict.fromkeys(("ultrafast", "veryfast", "fast", "medium", "slow"), 0.004),
}  # fmt: skip
"""Core seconds for a million pixels, by codec and preset."""
DECODE_CPU = 0.005
SCALE_CPU = 0.001
"""The same for what is read of the source, and for what each rendition is made of."""
DEINTERLACE_CPU = 0.006
COPY_CPU = 0.001
"""Pictures on their way to a card and back."""
SOUND_CPU = 0.01
"""Cores of a track of sound."""
NVENC_PIXELS = 500.0 * PIXELS
"""A second, of one card: about 240 pictures of 1920x1080 (preset p4)."""
CARD_BYTES = 490 * 1024 * 1024
"""Memory of a card that a process takes before its first picture: the context of CUDA, which grows
with the card; this is an H100's, as large as any."""
CARD_PICTURES = 24
"""That decoder and each encoder hold on a card, at most."""
BASE_BYTES = 150 * 1024 * 1024
"""Of the process."""
PICTURES = 60
"""That an encoder holds, at most: its look-ahead and its references."""


class Cost(NamedTuple):
    """What a stream takes while it is transcoded."""

    cpu: float
    """Cores."""
    gpu: float
    """Share of the encoder of one card, 1 for all of it."""
    memory_bytes: int
    sessions: int = 0
    """Of NVENC: renditions that a card makes."""
    gpu_memory_bytes: int = 0


NOTHING = Cost(0.0, 0.0, 0)


def transcoding_cost(spec: Any, source: tuple[int, int, float] = SOURCE) -> Cost:
    """Of a `TranscoderSpec` or its document, with a source of that width, height and frame rate.

    With `hw=auto` it is that of the CPU, which does it where there is no card. What cannot be read
    costs nothing here: who validates refuses it.
    """
    videos, sounds = _tracks(spec)
    if not videos and not sounds:
        return NOTHING
    on_card = str(_get(_get(spec, "global"), "hw") or "cpu").startswith("nvenc")
    width, height, fps = source
    cpu = SOUND_CPU * sounds
    gpu, memory, card = 0.0, float(BASE_BYTES), 0.0
    if videos:
        decoded = width * height * fps / PIXELS
        cpu += decoded * (COPY_CPU if on_card else DECODE_CPU)
        cpu += decoded * DEINTERLACE_CPU if _get(_get(spec, "decoder"), "deinterlace") else 0.0
    for one in videos:
        pixels, rate = _pixels(one, width, height), _number(_get(one, "fps"), fps)
        each = pixels * rate / PIXELS
        memory += PICTURES * pixels * 1.5
        cpu += each * SCALE_CPU
        if on_card:
            card += CARD_PICTURES * pixels * 1.5
            gpu += pixels * rate / NVENC_PIXELS
            cpu += each * COPY_CPU
        else:
            speeds = ENCODE_CPU.get(str(_get(one, "codec") or "h264"), ENCODE_CPU["h264"])
            cpu += each * speeds.get(str(_get(one, "preset") or "veryfast"), speeds["veryfast"])
    sessions = len(videos) if on_card else 0
    if sessions:
        card += CARD_BYTES + CARD_PICTURES * width * height * 1.5
    return Cost(round(cpu, 4), round(gpu, 4), round(memory), sessions, round(card))


def _get(item: Any, name: str) -> Any:
    if isinstance(item, Mapping):
        return item.get(name)
    return getattr(item, "global_" if name == "global" else name, None)


def _tracks(spec: Any) -> tuple[list[Any], int]:
    """What is encoded: videos, and how many sounds."""
    flat = _get(spec, "tracks")
    listed = flat if isinstance(flat, list) else _get(spec, "video")
    listed = listed if isinstance(listed, list) else []
    made = [one for one in listed if _get(one, "bitrate") != "copy"]
    videos = [one for one in made if (_get(one, "content") or "video") == "video"]
    sounds = sum(_get(one, "content") == "audio" for one in made)
    audio = _get(spec, "audio")
    if not isinstance(flat, list) and audio is not None and _get(audio, "bitrate") != "copy":
        sounds = 1
    return videos, sounds


def _pixels(options: Any, width: int, height: int) -> float:
    """Of a picture as it is encoded."""
    size = _get(options, "size")
    wide, high = _number(_get(size, "width"), 0), _number(_get(size, "height"), 0)
    if wide > 0 and high > 0:
        return wide * high
    if wide > 0:
        return wide * wide * height / max(1, width)
    if high > 0:
        return high * high * width / max(1, height)
    return float(width * height)


def _number(value: Any, otherwise: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value > 0 else otherwise
