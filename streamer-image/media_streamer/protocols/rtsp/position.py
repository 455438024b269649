"""Where and how fast PLAY wants it: Range, Scale and Speed (RFC 2326 3.6, 3.7, 12.29, 12.34f).

Pure. Times are Unix ms, of a file ms from its beginning.
"""

import math
import re
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from media_streamer.archive.places import MAX_MS
from media_streamer.protocols.rtsp.message import Headers
from media_streamer.protocols.rtsp.status import Refused

MAX_RATE = 16.0
"""Beyond this nobody can watch, and a disk can be read empty."""
MIN_RATE = 0.1
Unit = Literal["", "npt", "clock"]
_CLOCK = re.compile(r"(\d{8})T(\d{6})(?:\.(\d{1,9}))?Z", re.ASCII)
_SECONDS = re.compile(r"(\d{1,12})(?:\.(\d{0,9}))?", re.ASCII)
_HOURS = re.compile(r"(\d{1,9}):([0-5]?\d):([0-5]?\d)(?:\.(\d{0,9}))?", re.ASCII)


class Span(NamedTuple):
    """What a Range says; None: it leaves that open."""

    unit: Unit
    start_ms: int | None
    end_ms: int | None


class Rate(NamedTuple):
    """How fast it is shown (`scale`: its clock), and how fast it is sent (`speed`)."""

    scale: float = 1.0
    speed: float = 1.0


NOWHERE = Span("", None, None)


def asked_span(headers: Headers, base_ms: int) -> Span:
    """The Range of a request; `npt` counts from `base_ms`. Raises Refused."""
    text = headers.text("range").partition(";")[0].strip()
    if not text:
        return NOWHERE
    unit, found, rest = text.partition("=")
    if not found or unit not in ("npt", "clock"):
        raise Refused(501, "Range is given in npt or clock")
    first, dash, second = rest.strip().partition("-")
    if not dash or not (first or second):
        raise Refused(457, "A Range is FROM- or FROM-TO")
    read = _clock if unit == "clock" else _npt
    base = 0 if unit == "clock" else base_ms
    start = None if first in ("", "now") else min(base + read(first), MAX_MS)
    end = None if not second else min(base + read(second), MAX_MS)
    if start is not None and end is not None and end <= start:
        raise Refused(457, "The Range ends before it begins: nothing is played backwards")
    return Span("clock" if unit == "clock" else "npt", start, end)


def _clock(text: str) -> int:
    match = _CLOCK.fullmatch(text)
    try:
        if match is None:
            raise ValueError(text)
        moment = datetime.strptime(match[1] + match[2], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise Refused(457, "A time of clock is YYYYMMDDTHHMMSS.fractionZ") from None
    return int(moment.timestamp()) * 1000 + _fraction(match[3])


def _npt(text: str) -> int:
    if match := _SECONDS.fullmatch(text):
        return int(match[1]) * 1000 + _fraction(match[2])
    if match := _HOURS.fullmatch(text):
        seconds = (int(match[1]) * 60 + int(match[2])) * 60 + int(match[3])
        return seconds * 1000 + _fraction(match[4])
    raise Refused(457, "A time of npt is seconds, hours:minutes:seconds or now")


def _fraction(digits: str | None) -> int:
    return int((digits or "").ljust(3, "0")[:3])


def asked_rate(headers: Headers) -> Rate:
    """Scale and Speed of a request, as near as is served; without them the usual one."""
    return Rate(_factor(headers.text("scale")), _factor(headers.text("speed")))


def _factor(text: str) -> float:
    try:
        value = float(text) if text else 1.0
    except ValueError:
        return 1.0
    # Backwards is not served; the answer tells what is.
    return min(max(value, MIN_RATE), MAX_RATE) if math.isfinite(value) and value > 0 else 1.0


def written_span(span: Span, base_ms: int) -> str:
    """A Range for the answer; empty where there is nothing to say."""
    if span.start_ms is None:
        return ""
    if span.unit == "clock":
        end = _written_clock(span.end_ms) if span.end_ms is not None else ""
        return f"clock={_written_clock(span.start_ms)}-{end}"
    last = f"{(span.end_ms - base_ms) / 1000:.3f}" if span.end_ms is not None else ""
    return f"npt={(span.start_ms - base_ms) / 1000:.3f}-{last}"


def _written_clock(ms: int) -> str:
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y%m%dT%H%M%S}.{ms % 1000:03d}Z"
