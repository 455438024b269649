"""What of a transcoder is asked for and not done: the part of `unsupported` that is about it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str | int, ...]

SERVED_HARDWARE = ("cpu", "nvenc", "auto")
VIDEO_CODECS = ("h264", "hevc", "av1", "mp2v")
AUDIO_CODECS = ("aac", "mp3", "opus", "mp2a", "ac3", "eac3", "pcma", "pcmu")
THINNINGS = (0, 12, 13, 15, 23)
"""Values of `temporal_tradeoff` that have an effect."""
NO_EFFECT = "has no effect in this version"
STOPS = "cannot be done by this version: the stream does not run"

_UNUSED: Mapping[str, tuple[str, ...]] = {
    "global": ("target",),
    "decoder": ("no_dpb", "streaming_frame"),
    "audio": ("title",),
    "video": ("resize_mode", "title"),
}
"""Options that nothing reads, by block."""


def transcoder_in_vain(item: Any) -> Iterator[tuple[str, Path, str]]:
    """Key, path and words (`unsupported.InVain`) of a stream or template, a model or a document."""
    for path, text in _of_spec(_get(item, "transcoder")):
        words = [part for part in path if isinstance(part, str)]
        yield "_".join(("transcoder", *words)), ("transcoder", *path), f"transcoder: {text}"
    backup = _get(item, "backup")
    if backup is not None and _get(backup, "transcode") is False:
        text = f"transcode=false of backup {NO_EFFECT}"
        yield "stream_backup_transcode", ("backup", "transcode"), text


def _of_spec(spec: Any) -> Iterator[tuple[Path, str]]:
    if spec is None:
        return
    blocks: list[tuple[str, Path, Any]] = [
        (name, (name,), block)
        for name in ("global", "decoder", "audio")
        if (block := _get(spec, name)) is not None
    ]
    flat = _get(spec, "tracks")
    listed, key = (flat, "tracks") if flat is not None else (_get(spec, "video"), "video")
    places: Counter[str] = Counter()
    for index, one in enumerate(listed if isinstance(listed, list) else ()):
        content = _get(one, "content") or "video"
        places[content] += 1
        if (number := _get(one, "track")) not in (None, 1, places[content]):
            text = f"track={number} has no effect: tracks are numbered in their order only"
            yield (key, index, "track"), text
        if content in ("audio", "video"):
            blocks.append((content, (key, index), one))
        else:
            yield (key, index), f"tracks of content {content} are left out"
    for name, path, block in blocks:
        for option in _UNUSED[name]:
            if _get(block, option):
                yield (*path, option), f"{option} {NO_EFFECT}"
        if _get(_get(block, "burn"), "sub") is not None:
            text = "sub of burn has no effect: subtitles of inputs are not read; burn text or time"
            text += " instead, or play a film, whose subtitles viewers choose (vod, WebVTT)"
            yield (*path, "burn", "sub"), text
        yield from _refused(name, path, block)
    yield from _gops(key, listed)


def _refused(name: str, path: Path, block: Any) -> Iterator[tuple[Path, str]]:
    """Values that are not done."""
    if name == "global":
        hardware = _get(block, "hw")
        if hardware is not None and hardware not in SERVED_HARDWARE:
            yield (*path, "hw"), f"hw={hardware} {STOPS}"
        if _get(block, "external") is False:
            yield (*path, "external"), "external=false has no effect: it is a process of its own"
        return
    codec, known = _get(block, "codec"), VIDEO_CODECS if name == "video" else AUDIO_CODECS
    if codec is not None and name != "decoder" and codec not in known:
        yield (*path, "codec"), f"codec {codec} {STOPS}"
    if name == "audio" and _get(block, "split_channels") and _get(block, "bitrate") == "copy":
        text = "split_channels has no effect: sound that is copied stays as it is"
        yield (*path, "split_channels"), text
    if name != "video":
        return
    thinning = _get(block, "temporal_tradeoff")
    if isinstance(thinning, int) and thinning not in THINNINGS:
        yield (*path, "temporal_tradeoff"), f"temporal_tradeoff={thinning} {NO_EFFECT}"
    if _get(block, "rc_method") == "cbr2pass":
        yield (*path, "rc_method"), f"rc_method=cbr2pass {STOPS}"
    interlace = _get(block, "interlace")
    if interlace in ("tff_separated", "bff_separated"):
        yield (*path, "interlace"), f"interlace={interlace} {STOPS}"
    elif interlace and codec in ("hevc", "av1"):
        yield (*path, "interlace"), f"interlace with codec {codec} {STOPS}"
    if (quantisers := _get(block, "qp_range")) is not None:
        for option in ("qpmini", "qpmaxi", "qpminb", "qpmaxb"):
            if _get(quantisers, option) is not None:
                yield (*path, "qp_range", option), f"{option} {NO_EFFECT}: qpminp and qpmaxp have"


def _gops(key: str, listed: Any) -> Iterator[tuple[Path, str]]:
    """Lengths that differ: the first one holds for all, as their key frames stand together."""
    first: Any = None
    for index, one in enumerate(listed if isinstance(listed, list) else ()):
        gop = _get(one, "gop")
        if gop and first and gop != first:
            text = f"gop={gop} has no effect: key frames of all video tracks stand together"
            yield (key, index, "gop"), f"{text}, by gop={first} of the first"
        first = first or gop


def _get(item: Any, name: str) -> Any:
    if isinstance(item, Mapping):
        return item.get(name)
    return getattr(item, "global_" if name == "global" else name, None)
