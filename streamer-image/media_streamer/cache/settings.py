"""What the environment says. Read once at the start; a mistake names its variable.

The variables are those that the operator writes for a Cache resource.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from media_api.networks import parse_cidr
from yarl import URL

from media_streamer.forwarded import NOBODY, TrustedProxies, signing_key

DEFAULT_PORT = 8080
DEFAULT_PATH = Path("/var/cache/media")


class SettingsError(ValueError):
    """A variable is wrong; the message says which and what to write."""


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """How this cache is set up."""

    origins: tuple[URL, ...]
    path: Path = DEFAULT_PATH
    port: int = DEFAULT_PORT
    """0 takes any free port; the log says which."""
    misses: int = 0
    """A file is stored with its request number `misses` (the first, if 0 or 1), so request
    `misses` + 1 is the first one that the origin does not see."""
    expiration_seconds: int = 0
    """0 = no limit of age."""
    storage_bytes: int = 0
    """0 = no limit, but 5 % of the file system stay free."""
    only: tuple[str, ...] = ()
    except_: tuple[str, ...] = ()
    address: str | None = None
    """None = all, IPv4 and IPv6."""
    proxies: TrustedProxies = NOBODY
    """Of which viewers' addresses are believed."""
    signing_key: bytes | None = None
    """Signs viewers' addresses for origins with the same cluster key; None: not signed."""


def read_settings(environ: Mapping[str, str]) -> CacheSettings:
    """Settings from the environment; raises SettingsError."""
    origins = tuple(_origin(text) for text in _words(environ, "CACHE_ORIGINS"))
    if not origins:
        raise SettingsError("CACHE_ORIGINS is empty: write the base URLs of the streamers")
    return CacheSettings(
        origins=origins,
        path=Path(environ.get("CACHE_PATH") or DEFAULT_PATH).absolute(),
        port=_number(environ, "CACHE_PORT", DEFAULT_PORT, 65_535),
        misses=_number(environ, "CACHE_MISSES", 0, 1_000_000),
        expiration_seconds=_number(environ, "CACHE_EXPIRATION_SECONDS", 0, 1 << 40),
        storage_bytes=_number(environ, "CACHE_STORAGE_BYTES", 0, 1 << 62),
        only=_words(environ, "CACHE_ONLY"),
        except_=_words(environ, "CACHE_EXCEPT"),
        address=environ.get("CACHE_ADDRESS") or None,
        proxies=_proxies(environ),
        signing_key=signing_key(key) if (key := environ.get("CACHE_CLUSTER_KEY")) else None,
    )


def _proxies(environ: Mapping[str, str]) -> TrustedProxies:
    try:
        return TrustedProxies.of(map(parse_cidr, _words(environ, "CACHE_TRUSTED_PROXIES")))
    except ValueError as error:
        raise SettingsError(f"CACHE_TRUSTED_PROXIES: {error}") from None


def _words(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in environ.get(name, "").split(",") if word.strip())


def _number(environ: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and int(text) <= most):
        raise SettingsError(f"{name}={text!r}: write a whole number from 0 to {most}")
    return int(text)


def _origin(text: str) -> URL:
    """A base URL. It is not repeated in the message: it may hold a password."""
    try:
        url = URL(text)
        port = url.port
    except ValueError:
        raise SettingsError("CACHE_ORIGINS has a URL that cannot be read") from None
    if url.scheme not in ("http", "https") or not url.host or port is None:
        raise SettingsError("CACHE_ORIGINS: write URLs like http://streamer-default.media.svc")
    return url
