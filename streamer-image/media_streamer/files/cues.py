"""Subtitles as cues: read from SubRip and WebVTT files and from samples of MP4, written as WebVTT.

Pure. What strangers wrote never becomes anything but text of a cue: markup that is not known is
left out, and lengths have bounds (WebVTT: W3C Candidate Recommendation, 2019; tx3g: 3GPP TS 26.245;
WebVTT in MP4: ISO/IEC 14496-30).
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from media_streamer.syntax.boxes import boxes

MAX_CUES = 20_000
MAX_CUE_CHARACTERS = 2000
MAX_SECONDS = 1_000_000
_STAMP = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"\s*{_STAMP}[ \t]*-->[ \t]*{_STAMP}([^\n]{{0,200}})")
_SETTING = re.compile(r"(?:vertical|line|position|size|align):[A-Za-z0-9.,%-]{1,20}")
_PLAIN_TAG = re.compile(r"&lt;(/?[biu])&gt;", re.IGNORECASE)
_OTHER_TAG = re.compile(
    r"&lt;/?(?:font|span|c|v|lang)\b[^&\n]{0,200}&gt;|\{\\[^}\n]{0,100}\}", re.I
)
_ENTITY = re.compile(r"&amp;(amp|lt|gt|nbsp|lrm|rlm);")


class Cue(NamedTuple):
    """A text and when it is shown, in seconds of the film."""

    begin: float
    end: float
    text: str
    """As WebVTT has it: escaped, without empty lines."""
    settings: str = ""


def decoded(data: bytes) -> str:
    """A file of subtitles as text, whatever it was written with."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def read_cues(text: str) -> list[Cue]:
    """The cues of a SubRip or WebVTT file by their begin, the first `MAX_CUES`.

    What is no cue is passed over.
    """
    found: list[Cue] = []
    lines = iter(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    for line in lines:
        timing = _TIMING.match(line) if "-->" in line else None
        if timing is None:
            continue
        shown = []
        for part in lines:
            if not part.strip():
                break
            shown.append(part[:MAX_CUE_CHARACTERS])
        begin, end = _seconds(timing.groups()[:4]), _seconds(timing.groups()[4:8])
        settings = " ".join(_SETTING.findall(timing[9] or ""))
        words = marked_up("\n".join(shown)[:MAX_CUE_CHARACTERS])
        if words and begin < end <= MAX_SECONDS:
            found.append(Cue(begin, end, words, settings))
        if len(found) >= MAX_CUES:
            break
    return sorted(found)


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000


def marked_up(text: str) -> str:
    """Text with bold, italic and underline as WebVTT; all else that looks like markup is text, or
    left out where it is known."""
    escaped = _OTHER_TAG.sub("", _ENTITY.sub(r"&\1;", plain(text)))
    return _without_gaps(_PLAIN_TAG.sub(lambda tag: f"<{tag[1].lower()}>", escaped))


def plain(text: str) -> str:
    """Text as WebVTT has it; nothing in it is markup."""
    shown = "".join(c for c in text if c >= " " or c in "\n\t")
    return _without_gaps(shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def _without_gaps(text: str) -> str:
    """An empty line would end the cue."""
    return "\n".join(line.strip() for line in text.split("\n") if line.strip())


def text_of_sample(data: bytes, form: bytes) -> str:
    """What a sample of an MP4 shows, `form` as in its sample entry; empty: nothing."""
    if form == b"wvtt":
        return _of_boxes(data)
    size = int.from_bytes(data[:2], "big")
    body = data[2 : 2 + min(size, 4 * MAX_CUE_CHARACTERS)]
    return plain(decoded(body)[:MAX_CUE_CHARACTERS])


def _of_boxes(data: bytes) -> str:
    found = []
    try:
        for kind, begin, end in boxes(data):
            if kind == b"vttc":
                found += [
                    data[first:last].decode("utf-8", "replace")[:MAX_CUE_CHARACTERS]
                    for name, first, last in boxes(data, begin, end)
                    if name == b"payl"
                ]
    except ValueError:
        return ""
    return marked_up("\n".join(found))


def webvtt(cues: Iterable[Cue], zero: float = 0.0) -> str:
    """A WebVTT file. `zero`: what time stamps of the media say at the begin of the film, in seconds
    (RFC 8216, 3.5)."""
    lines = ["WEBVTT", f"X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{round(zero * 90_000)}", ""]
    for cue in cues:
        timing = f"{_stamp(cue.begin)} --> {_stamp(cue.end)} {cue.settings}".rstrip()
        lines += [timing, cue.text, ""]
    return "\n".join(lines)


def _stamp(seconds: float) -> str:
    total, ms = divmod(max(0, round(seconds * 1000)), 1000)
    return f"{total // 3600:02}:{total // 60 % 60:02}:{total % 60:02}.{ms:03}"
