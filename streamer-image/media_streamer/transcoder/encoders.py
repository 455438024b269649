"""Names and options of FFmpeg's encoders for what a rendition asks for. Pure.

Invariant: no encoder places key frames by itself (groups of pictures without end, no detection of
scenes), for those of all renditions must stand at the same stamps; a picture that is marked as I
becomes an IDR.
"""

from media_streamer.wire.transcoding import Rendition

CPU = {
    "h264": "libx264",
    "hevc": "libx265",
    "av1": "libsvtav1",
    "mpeg2video": "mpeg2video",
}
NVENC = {"h264": "h264_nvenc", "hevc": "hevc_nvenc", "av1": "av1_nvenc"}
SOUND = {
    "aac": "aac",
    "mp3": "libmp3lame",
    "opus": "libopus",
    "mp2": "mp2",
    "ac3": "ac3",
    "eac3": "eac3",
    "pcm_alaw": "pcm_alaw",
    "pcm_mulaw": "pcm_mulaw",
}
NO_GOP = 1_000_000
"""Longer than any stream between two of our key frames; not so long that an encoder overflows."""
HEADROOM = 1.2
"""Of the highest rate against the average, without a constant rate."""
BUFFER_SECONDS = 2

_SVT_PRESETS = {"slow": "6", "medium": "7", "fast": "8", "veryfast": "9", "ultrafast": "10"}
_NVENC_PRESETS = {"slow": "p6", "medium": "p5", "fast": "p4", "veryfast": "p3", "ultrafast": "p1"}


def options_of(encoder: str, wish: Rendition, gpu: int | None = None) -> dict[str, str]:
    """Options to open it with; `gpu` for those of NVIDIA."""
    options: dict[str, str] = {}
    if wish.bit_rate:
        options["maxrate"] = str(_most_bits(wish))
        options["bufsize"] = str(wish.buffer_bits or wish.bit_rate * BUFFER_SECONDS)
    if wish.bframes is not None:
        options["bf"] = str(wish.bframes)
    if wish.refs is not None:
        options["refs"] = str(wish.refs)
    if wish.qp_range is not None:
        options["qmin"], options["qmax"] = map(str, wish.qp_range)
    return options | _OWN[encoder](wish, gpu) | wish.extra


def _most_bits(wish: Rendition) -> int:
    return wish.bit_rate if wish.cbr else int(wish.bit_rate * HEADROOM)


def _x264(wish: Rendition, gpu: int | None) -> dict[str, str]:
    parameters = ["annexb=0", "keyint=infinite", "scenecut=0"]
    parameters += ["open-gop=1"] if wish.open_gop else []
    parameters += ["nal-hrd=cbr"] if wish.cbr and wish.bit_rate else []
    return {
        "preset": wish.preset,
        "forced-idr": "0" if wish.open_gop else "1",
        "x264-params": ":".join(parameters),
        **_named(wish),
    }


def _x265(wish: Rendition, gpu: int | None) -> dict[str, str]:
    parameters = [
        "keyint=-1",
        "scenecut=0",
        f"open-gop={int(wish.open_gop)}",
        "log-level=error",
        "info=0",
    ]
    if wish.bit_rate:
        most = _most_bits(wish) // 1000
        buffer = (wish.buffer_bits or wish.bit_rate * BUFFER_SECONDS) // 1000
        parameters += [f"vbv-maxrate={most}", f"vbv-bufsize={buffer}"]
    parameters += [f"bframes={wish.bframes}"] if wish.bframes is not None else []
    parameters += [f"ref={wish.refs}"] if wish.refs is not None else []
    parameters += [f"level-idc={wish.level}"] if wish.level else []
    parameters += [f"pools={wish.threads}"] if wish.threads else []
    named = {"profile": wish.profile} if wish.profile else {}
    return {
        "preset": wish.preset,
        "forced-idr": "1",
        "x265-params": ":".join(parameters),
        **named,
    }


def _svt(wish: Rendition, gpu: int | None) -> dict[str, str]:
    # Its highest rate goes with quality only, not with an average.
    return {"preset": _SVT_PRESETS[wish.preset], "maxrate": "0", "bufsize": "0"}


def _mpeg2(wish: Rendition, gpu: int | None) -> dict[str, str]:
    named = {"profile": wish.profile, "level": wish.level}
    return {"g": "600", "sc_threshold": "1000000000"} | {k: v for k, v in named.items() if v}


def _nvenc(wish: Rendition, gpu: int | None) -> dict[str, str]:
    return {
        "preset": _NVENC_PRESETS[wish.preset],
        "tune": "hq",
        "rc": "cbr" if wish.cbr else "vbr",
        "forced-idr": "1",
        "no-scenecut": "1",
        "gpu": str(gpu if gpu is not None else -1),
        **_named(wish),
    }


def _named(wish: Rendition) -> dict[str, str]:
    named = {"profile": wish.profile, "level": wish.level}
    return {name: value for name, value in named.items() if value}


_OWN = {
    "libx264": _x264,
    "libx265": _x265,
    "libsvtav1": _svt,
    "mpeg2video": _mpeg2,
    **dict.fromkeys(NVENC.values(), _nvenc),
}
