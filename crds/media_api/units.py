"""Durations, sizes, rates, booleans and names: text to numbers and back.

Invariants: inside the programs a duration is an int of seconds or milliseconds (the type says
which), a size an int of bytes, a rate an int of bit/s. Size suffixes are powers of 1024 and rate
suffixes powers of 1000, as in the configuration file. Formatting is exact: parse(format(x)) == x.
"""

import re
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

SECONDS_PER_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400}
BYTES_PER_UNIT = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
BITS_PER_SECOND_PER_UNIT = {"K": 10**3, "M": 10**6, "G": 10**9}

MAX_SECONDS = 100 * 366 * 86400  # a century: longer than any archive, and it fits in 53 bits
MAX_MILLISECONDS = MAX_SECONDS * 1000
MAX_BYTES = 2**53 - 1  # the largest integer that JSON readers keep exact (RFC 8259 section 6)
MAX_BIT_RATE = 10**12  # 1 Tbit/s: above any network interface
MAX_STREAM_NAME = 255  # bytes: the longest name a file system keeps in one directory entry

TRUE_WORDS = frozenset({"true", "yes", "on", "1"})
FALSE_WORDS = frozenset({"false", "no", "off", "0"})

_DURATION = re.compile(r"(?:\d+[smhd])+|\d+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+)([smhd])", re.ASCII)
_MILLISECONDS = re.compile(r"(\d+)(ms)?", re.ASCII)
_SCALED = re.compile(r"(\d+(?:\.\d+)?)([A-Za-z]?)", re.ASCII)
_STREAM_NAME = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*", re.ASCII)
STREAM_NAME_PATTERN = r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$"


def parse_duration(text: str) -> int:
    """Seconds from `90`, `48h`, `7d` or `1h30m`. Raises ValueError."""
    word = text.strip()
    if not _DURATION.fullmatch(word):
        raise ValueError(f"{text!r} is not a duration: write seconds or a number with s, m, h or d")
    if word.isdigit():
        return int(word)
    return sum(int(n) * SECONDS_PER_UNIT[unit] for n, unit in _DURATION_PART.findall(word))


def format_duration(seconds: int) -> str:
    """Shortest exact text with one unit: 604800 -> `7d`, 90 -> `90`."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % SECONDS_PER_UNIT[unit] == 0:
            return f"{seconds // SECONDS_PER_UNIT[unit]}{unit}"
    return str(seconds)


def parse_milliseconds(text: str) -> int:
    """Milliseconds from a bare number (ms), `200ms`, or a duration with a unit (`5s`)."""
    word = text.strip()
    if match := _MILLISECONDS.fullmatch(word):
        return int(match[1])
    return parse_duration(word) * 1000


def _parse_scaled(text: str, factors: dict[str, int], what: str) -> int:
    match = _SCALED.fullmatch(text.strip())
    factor = 1 if match is None or not match[2] else factors.get(match[2].upper(), 0)
    if match is None or factor == 0:
        units = ", ".join(factors)
        raise ValueError(f"{text!r} is not a {what}: write a number, with {units} or nothing after")
    whole, _, fraction = match[1].partition(".")
    # Integer arithmetic: 8.1G must not become 8.099999 G.
    return int(whole) * factor + (int(fraction) * factor // 10 ** len(fraction) if fraction else 0)


def parse_size(text: str) -> int:
    """Bytes from `40G`, `1.5T`, `1024`; K M G T are powers of 1024. Raises ValueError."""
    word = text.strip()
    if len(word) > 1 and word[-1] in "bB":  # 40GB is written by people who copy from a shop
        word = word[:-1]
    return _parse_scaled(word, BYTES_PER_UNIT, "size")


def parse_rate(text: str) -> int:
    """bit/s from `10G`, `40M`, `1500k`, `64000`; K M G are powers of 1000. Raises ValueError."""
    return _parse_scaled(text, BITS_PER_SECOND_PER_UNIT, "rate")


def _format_scaled(number: int, factors: dict[str, int]) -> str:
    for unit in reversed(factors):
        if number and number % factors[unit] == 0:
            return f"{number // factors[unit]}{unit}"
    return str(number)


def format_size(size: int) -> str:
    """Shortest exact text: 42949672960 -> `40G`."""
    return _format_scaled(size, BYTES_PER_UNIT)


def format_rate(rate: int) -> str:
    """Shortest exact text: 40000000 -> `40M`."""
    return _format_scaled(rate, BITS_PER_SECOND_PER_UNIT)


def parse_bool(text: str) -> bool:
    """True for true/yes/on/1, False for false/no/off/0, in any case. Raises ValueError."""
    word = text.strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ValueError(f"{text!r} is not a boolean: write true or false")


def check_stream_name(name: str) -> str:
    """Returns `name` if it is a legal stream name, else raises ValueError saying what is wrong."""
    if not name:
        raise ValueError("a stream name must not be empty")
    if len(name) > MAX_STREAM_NAME:
        raise ValueError(f"a stream name has at most {MAX_STREAM_NAME} characters: {name[:40]!r}…")
    if name.startswith("/"):
        raise ValueError(f"stream name {name!r} must not start with /")
    if name.endswith("/") or "//" in name:
        raise ValueError(f"stream name {name!r} has an empty part between slashes")
    if ".." in name or "." in name.split("/"):
        raise ValueError(f"stream name {name!r} must not contain .. or a part that is only a dot")
    if not _STREAM_NAME.fullmatch(name):
        raise ValueError(f"stream name {name!r}: only Latin letters, digits, . - _ and / are legal")
    return name


def _not_bool(value: Any) -> Any:
    # JSON true is an int in Python: a duration of `true` would silently be one second.
    if isinstance(value, bool):
        raise ValueError("a boolean is not a number")
    return value


def _seconds(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else _not_bool(value)


def _milliseconds(value: Any) -> Any:
    if isinstance(value, str):
        return parse_milliseconds(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError("a duration is a finite number")
        return round(value)
    return _not_bool(value)


def _bytes(value: Any) -> Any:
    return parse_size(value) if isinstance(value, str) else _not_bool(value)


def _bit_rate(value: Any) -> Any:
    return parse_rate(value) if isinstance(value, str) else _not_bool(value)


def _percent(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip().removesuffix("%")
    return _not_bool(value)


def boolean_words(value: Any) -> Any:
    """For fields that take a boolean or something else: true/false/yes/no/on/off become booleans.

    Numbers stay numbers and all else stays as it is.
    """
    if isinstance(value, str):
        word = value.strip().lower()
        if word in TRUE_WORDS | FALSE_WORDS and not word.isdigit():
            return parse_bool(word)
    return value


def _duration_or_bool(value: Any) -> Any:
    value = boolean_words(value)
    return parse_duration(value) if isinstance(value, str) else value


def _strict_false(value: Any) -> Any:
    value = boolean_words(value)
    # 0 == False in Python, and Literal[False] would take it: 0 seconds is not "never".
    if value is True:
        raise ValueError("only false or a value is legal here, not true")
    return value


Seconds = Annotated[
    int,
    Field(ge=0, le=MAX_SECONDS, description="Seconds.", json_schema_extra={"format": "seconds"}),
    BeforeValidator(_seconds),
]
Milliseconds = Annotated[
    int,
    Field(
        ge=0,
        le=MAX_MILLISECONDS,
        description="Milliseconds.",
        json_schema_extra={"format": "milliseconds"},
    ),
    BeforeValidator(_milliseconds),
]
ByteSize = Annotated[
    int,
    Field(
        ge=0,
        le=MAX_BYTES,
        description="Bytes; K M G T are powers of 1024.",
        json_schema_extra={"format": "bytes"},
    ),
    BeforeValidator(_bytes),
]
BitRate = Annotated[
    int,
    Field(
        ge=0,
        le=MAX_BIT_RATE,
        description="bit/s; K M G are powers of 1000.",
        json_schema_extra={"format": "speed"},
    ),
    BeforeValidator(_bit_rate),
]
Percent = Annotated[
    int,
    Field(ge=0, le=100, description="Percent, 0 to 100.", json_schema_extra={"format": "percents"}),
    BeforeValidator(_percent),
]
# For types with narrower bounds than Milliseconds: constraints come before the validator, else
# pydantic keeps them out of the JSON schema.
MillisecondsText = BeforeValidator(_milliseconds)
SegmentMilliseconds = Annotated[
    int,
    Field(ge=100, le=120_000, json_schema_extra={"format": "milliseconds"}),
    MillisecondsText,
]
StreamName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_STREAM_NAME,
        pattern=STREAM_NAME_PATTERN,
        description="Latin letters, digits, . - _ and / between parts; at most 255 characters.",
    ),
    BeforeValidator(lambda value: check_stream_name(value) if isinstance(value, str) else value),
]
ObjectName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=63,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Latin letters, digits, . - _; at most 63 characters.",
    ),
]
WordOrBool = BeforeValidator(boolean_words)
SecondsOrFalse = Annotated[
    Seconds | Literal[False],
    Field(union_mode="left_to_right"),
    BeforeValidator(_strict_false),
]
SecondsOrBool = Annotated[Seconds | bool, BeforeValidator(_duration_or_bool)]
TextOrFalse = Annotated[Literal[False] | str, BeforeValidator(_strict_false)]
Port = Annotated[int, Field(ge=1, le=65535, description="Network port, 1 to 65535.")]
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]
Text = Annotated[str, Field(max_length=1024)]
TextMap = Annotated[dict[str, Text], Field(max_length=64)]
LongText = Annotated[str, Field(max_length=4096)]
DiskPath = Annotated[str, Field(max_length=1024, description="Path on the streamer's file system.")]
Url = Annotated[str, Field(max_length=2048, description="URL.")]
HostName = Annotated[str, Field(min_length=1, max_length=253, description="Host name.")]
# Never written to a log, a status or a list answer.
Secret = Annotated[str, Field(max_length=1024, json_schema_extra={"format": "password"})]
