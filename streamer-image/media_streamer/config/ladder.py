"""The `transcoder` line: a ladder written as options whose order matters.

`transcoder hw=nvenc vb=3000k size=1280x720 preset=fast vb=700k size=-1x240 ab=128k;`: each `vb`
opens a video track, `ab` the audio. What stands before the first of them is about decoding and the
whole transcoder. What this line cannot say (burnt-in text, logos, tracks one by one) stands in a
block with the names of the API: `transcoder vb=… { global { … } video { … } track { … } }`.
"""

import re
from dataclasses import dataclass
from typing import Any

from media_api.transcoder import TranscoderSpec
from media_api.units import format_rate

from media_streamer.config.grammar import Directive, Word, quote
from media_streamer.config.problems import did_you_mean
from media_streamer.config.scope import Scope
from media_streamer.config.sections import object_line, section_of
from media_streamer.config.shapes import FALSE, TRUE, Line, Shape, scalar_text, show

_SIZE = re.compile(r"(-?\d{1,6})x(-?\d{1,6})(?::(fit|crop|scale))?(?::(#?\w+))?", re.ASCII)
_CROP = re.compile(r"(\d{1,6})[x:](\d{1,6})[x:](\d{1,6})[x:](\d{1,6})", re.ASCII)
_RATIO = re.compile(r"(\d{1,6})[:x](\d{1,6})", re.ASCII)
_SCALED_RATE = re.compile(r"\d+(\.\d+)?[kKmMgG]?", re.ASCII)

GLOBAL = {"hw": "hw", "deviceid": "deviceid", "external": "external", "target": "target"}
DECODER = {
    "deinterlace": "deinterlace",
    "deinterlace_rate": "deinterlace_rate",
    "pix_fmt": "pix_fmt",
    "crop": "crop",
    "drop_frame_interval": "drop_frame_interval",
    "no_dpb": "no_dpb",
    "streaming_frame": "streaming_frame",
}
VIDEO = {
    "vb": "bitrate",
    "size": "size",
    "preset": "preset",
    "fps": "fps",
    "gop": "gop",
    "vcodec": "codec",
    "profile": "profile",
    "level": "level",
    "sar": "sar",
    "bframes": "bframes",
    "refs": "refs",
    "open_gop": "open_gop",
    "threads": "threads",
    "interlace": "interlace",
    "rc_method": "rc_method",
    "vbv_bufsize": "vbv_bufsize",
    "temporal_tradeoff": "temporal_tradeoff",
    "resize_mode": "resize_mode",
}
AUDIO = {
    "ab": "bitrate",
    "acodec": "codec",
    "ar": "sample_rate",
    "ac": "channels",
    "avol": "avol",
    "split_channels": "split_channels",
}
ALIASES = {"codec": "vcodec", "video_codec": "vcodec", "audio_codec": "acodec", "volume": "avol"}
FLAGS = {"external", "deinterlace", "open_gop", "split_channels", "no_dpb", "streaming_frame"}
KNOWN = [*GLOBAL, *DECODER, *VIDEO, *AUDIO]


_FORMS = {
    "size": "WIDTHxHEIGHT, as 1280x720, or -1x720 to keep the proportions",
    "crop": "LEFT:TOP:WIDTH:HEIGHT",
    "sar": "X:Y, as 16:11",
}
"""How values are written that are more than one number."""


def _read_value(name: str, text: str) -> Any:
    """JSON value of one option; None if `text` is malformed."""
    if name == "size":
        match = _SIZE.fullmatch(text)
        if match is None:
            return None
        keys = ("width", "height", "strategy", "background")
        return {key: part for key, part in zip(keys, match.groups(), strict=True) if part}
    if name == "crop":
        match = _CROP.fullmatch(text)
        keys = ("left", "top", "width", "height")
        return match and dict(zip(keys, match.groups(), strict=True))
    if name == "sar":
        match = _RATIO.fullmatch(text)
        return match and {"x": match[1], "y": match[2]}
    if name in ("deinterlace", "interlace") and text.lower() in TRUE | FALSE:
        return text.lower() in TRUE
    return text


def _write_value(name: str, value: Any) -> str | None:
    """Text of one option, None if only a block can say it."""
    if name == "size":
        if "width" not in value or "height" not in value:
            return None
        parts = [f"{value['width']}x{value['height']}"]
        parts += [value[key] for key in ("strategy", "background") if key in value]
        text = ":".join(parts)
    elif name == "crop":
        text = ":".join(str(value[key]) for key in ("left", "top", "width", "height"))
    elif name == "sar":
        text = f"{value['x']}:{value['y']}" if {"x", "y"} <= value.keys() else ""
    elif name in ("vb", "ab") and isinstance(value, int):
        text = format_rate(value).replace("K", "k")
    else:
        text = scalar_text(value)
    return text if text and _says_the_same(name, text, value) else None


def _says_the_same(name: str, text: str, value: Any) -> bool:
    read = _read_value(name, text)
    if isinstance(value, dict):
        return isinstance(read, dict) and read == {key: str(item) for key, item in value.items()}
    return True


@dataclass(slots=True)
class Ladder(Shape):
    """The `transcoder` directive."""

    key: str = "transcoder"

    def read(self, node: Directive, scope: Scope) -> None:
        below = scope.below(self.key, None, node.name)
        if len(node.args) == 1 and node.args[0].value in FALSE:
            return
        self._read_words(node.args, below)
        if node.children is not None:
            section_of(TranscoderSpec).read_block(node.children, below)
        scope.set(self.key, below.values, node.name)

    def _read_words(self, words: list[Word], below: Scope) -> None:
        video: Scope | None = None
        audio: Scope | None = None
        for word in words:
            option = word.option()
            if option is None:
                name, at, text = word.value, word, "true" if word.value in FLAGS else None
            else:
                name, at, text = option[0].value, option[1], option[1].value
            name = ALIASES.get(name, name)
            if text is None or name not in KNOWN:
                hint = did_you_mean(name, KNOWN)
                word_shown = show(option[0].value if option else word.value)
                below.problem(word, "unknown_option", f"transcoder knows no {word_shown}", hint)
                continue
            if name == "vb":
                index = len(below.values.setdefault("video", []))
                video = below.below("video", index, word)
                video.values["track"] = index + 1
                below.append("video", video.values, word)
            elif name in AUDIO and audio is None:
                audio = below.below("audio", None, word)
                below.values["audio"] = audio.values
            target, key = self._target(name, below, video, audio)
            value = _read_value(name, text)
            if value is None:
                target.problem(
                    at, "bad_value", f"{name} cannot be {show(text)}", f"write {_FORMS[name]}"
                )
            else:
                target.set(key, value, at, name)

    def _target(
        self, name: str, below: Scope, video: Scope | None, audio: Scope | None
    ) -> tuple[Scope, str]:
        """Object and key that option `name` sets."""
        if name in AUDIO and audio is not None:
            return audio, AUDIO[name]
        if name in VIDEO and video is not None:
            return video, VIDEO[name]
        kind = "decoder" if name in DECODER else "global"
        scope = below.below(kind, None, below.at)
        scope.values = below.values.setdefault(kind, {})
        if kind == "global" and name not in GLOBAL and name != "gop":
            below.problem(below.at, "misplaced_option", f"{name} must follow a vb= option")
            scope = Scope(below.reading, scope.path, below.at)
        return scope, DECODER.get(name) or GLOBAL.get(name) or name

    def write(self, name: str, value: Any) -> list[Line]:
        words = self._write_words(value)
        if words is not None:
            return [Line([name, *words])]
        line = object_line(TranscoderSpec, name, {})
        section = section_of(TranscoderSpec)
        line.children = []
        for key, item in value.items():
            spelling, shape = section.writers[key]
            line.children.extend(shape.write(spelling, item))
        return [line]

    def _write_words(self, value: dict[str, Any]) -> list[str] | None:
        """The whole ladder as options, None if that loses something."""
        parts: list[tuple[dict[str, str], dict[str, Any]]] = [
            ({**GLOBAL, "gop": "gop"}, value.get("global") or {}),
            (DECODER, value.get("decoder") or {}),
        ]
        for index, item in enumerate(value.get("video") or ()):
            if item.get("track", 1) != index + 1 or "bitrate" not in item:
                return None
            parts.append((VIDEO, {key: val for key, val in item.items() if key != "track"}))
        if "audio" in value:
            if "bitrate" not in value["audio"]:
                return None
            parts.append((AUDIO, value["audio"]))
        if set(value) - {"global", "decoder", "video", "audio"}:
            return None
        if any(part == {} for part in value.values()) or value.get("video") == []:
            return None
        words: list[str] = []
        for names, item in parts:
            written = _write_options(names, item)
            if written is None:
                return None
            words += written
        return words


def _write_options(names: dict[str, str], item: dict[str, Any]) -> list[str] | None:
    by_key = {key: name for name, key in names.items()}
    if not by_key.keys() >= item.keys():
        return None
    # The option that opens a track (vb, ab) comes first in its table.
    ordered = [key for key in names.values() if key in item]
    words: list[str] = []
    for key in ordered:
        text = _write_value(by_key[key], item[key])
        if text is None:
            return None
        words.append(f"{by_key[key]}={quote(text, after_equals=True)}")
    return words
