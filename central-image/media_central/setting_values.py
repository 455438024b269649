"""Values of Central's settings as they are written: readers of one value each.

Each takes the text of a variable or of a line of `central.conf` and returns the value, or raises
ValueError with what is wrong with it, to be read behind the name of the setting.
"""

import dataclasses
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from media_api import protocols
from media_api.web_origin import parse_web_origin
from media_auth.countries import BUILTIN

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Login:
    """Administrator of the API and the UI."""

    login: str
    password: str = dataclasses.field(repr=False)


def non_empty(value: str) -> str:
    if not value:
        raise ValueError("is empty")
    return value


def boolean(value: str) -> bool:
    word = value.lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise ValueError(f"{value!r} is not true or false")


def whole_number(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a number") from None
        if not low <= number <= high:
            raise ValueError(f"{number} is not within {low} to {high}")
        return number

    return parse


def duration(bare_unit: str) -> Callable[[str], float]:
    """Seconds from `30s`, `5000ms`, `2m`; a bare number is in `bare_unit`."""

    def parse(value: str) -> float:
        digits = value.rstrip("abcdefghijklmnopqrstuvwxyz ")
        unit = value[len(digits) :].strip() or bare_unit
        if not digits.replace(".", "", 1).isdigit() or unit not in UNIT_SECONDS:
            raise ValueError(f"{value!r} is not a duration such as 30s or 5000ms")
        seconds = float(digits) * UNIT_SECONDS[unit]
        if not 0 < seconds <= 366 * 86400:
            raise ValueError(f"{value!r} is not between 1 ms and a year")
        return seconds

    return parse


def login_of(value: str) -> Login:
    login, separator, password = value.partition(" ") if " " in value else value.partition(":")
    if not (separator and login and password.strip()):
        raise ValueError("must be a login and a password with a space between")
    return Login(login, password.strip())


def database_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ValueError("must be postgres://LOGIN:PASSWORD@HOST:PORT/DATABASE")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError(
            "has a broken host or port; percent-encode @ ; # [ \\ / = $ in the login and password"
        ) from None
    return value


def http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL such as http://CENTRAL-HOSTNAME:9019")
    return value.rstrip("/")


def ports_by_listener(value: str) -> tuple[tuple[str, int], ...]:
    """`rtmp=1936 rtsp=5554`, as pairs."""
    found = {}
    for word in value.replace(",", " ").split():
        name, _, port = word.partition("=")
        if name not in protocols.served_listeners() or name in ("http", "https"):
            raise ValueError(f"{word!r} must be LISTENER=PORT, such as rtmp=1936")
        found[name] = whole_number(1, 65535)(port)
    return tuple(found.items())


def origins_of(value: str) -> tuple[str, ...]:
    return tuple(parse_web_origin(word) for word in value.replace(",", " ").split())


def networks_of(value: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(word) for word in value.replace(",", " ").split())


def countries_file(text: str) -> Path:
    return Path(text) if text == BUILTIN else readable_file(text)


def readable_file(value: str) -> Path:
    path = Path(value)
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"cannot read {value}: {error.strerror}") from None


def one_of(*words: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in words:
            raise ValueError(f"{value!r} is not {' or '.join(words)}")
        return value.lower()

    return parse


PORT = whole_number(1, 65535)
"""A TCP or UDP port."""
