"""`srt://HOST:PORT?…` of what this server calls: a source, or the receiver of a push. A source may
also call here: `srt://[ADDRESS]:PORT?mode=listener`.

Options stand in the input or push itself or, as other programs write them, in the URL's query; its
own go first.
"""

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from media_streamer.protocols.srt.libsrt import Option
from media_streamer.protocols.srt.settings import DEFAULT_LATENCY_MS, Value, lowest_version

CONNECT_SECONDS = 3
_CALLER, _LISTENER = "caller", "listener"


class Options(Protocol):
    """What an input and a push can both say."""

    url: str
    passphrase: str | None
    latency: int | None
    streamid: str | None
    connect_timeout: int | None
    minversion: str | None
    version: str | None
    linger: int | None
    enforcedencryption: bool | None


@dataclass(frozen=True, slots=True)
class SrtAddress:
    """Whom to call, or where to be called, and how."""

    host: str
    """Empty where this side listens: any address of this machine."""
    port: int
    options: tuple[tuple[int, Value], ...]
    latency: int
    listens: bool = False

    @classmethod
    def of(cls, config: Options, *, may_listen: bool = False) -> "SrtAddress":
        """Raises ValueError with words for people; no secret is in its text."""
        # A stream id begins with `#`, which people write as it is: nothing here is a fragment.
        place, _, text = config.url.partition("://")[2].partition("?")
        try:
            parts = urlsplit(f"//{place}")
            host, port = parts.hostname, parts.port
            query = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=32))
        except ValueError:
            raise ValueError("the URL cannot be read: write srt://HOST:PORT") from None
        mode = query.get("mode") or _CALLER
        if mode not in (_CALLER, _LISTENER) or (mode == _LISTENER and not may_listen):
            raise ValueError(
                "an srt:// push calls (mode=caller), an input also listens (mode=listener); to be"
                " called by viewers, give the stream a port (srt_play)"
            )
        listens = mode == _LISTENER
        if not (host or listens) or not port:
            raise ValueError("the URL lacks host or port: write srt://HOST:PORT")
        passphrase = config.passphrase or query.get("passphrase", "")
        if passphrase and not 10 <= len(passphrase) <= 79:
            raise ValueError("the passphrase has 10 to 79 characters")
        latency = config.latency or _number(query, "latency") or DEFAULT_LATENCY_MS
        connect = 1000 * (config.connect_timeout or CONNECT_SECONDS)
        options: list[tuple[int, Value]] = [
            (Option.LATENCY, latency),
            (Option.CONNTIMEO, connect),
            (Option.ENFORCEDENCRYPTION, config.enforcedencryption is not False),
        ]
        if not listens:
            options.append((Option.STREAMID, config.streamid or query.get("streamid", "")))
        if passphrase:
            options += [(Option.PASSPHRASE, passphrase), (Option.PBKEYLEN, _key_bytes(query))]
        if lowest := lowest_version(config.minversion, config.version):
            options.append((Option.MINVERSION, lowest))
        if config.linger is not None:
            options.append((Option.LINGER, config.linger))
        return cls(host or "", port, tuple(options), latency, listens)


def _number(query: dict[str, str], name: str) -> int:
    text = query.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0


def _key_bytes(query: dict[str, str]) -> int:
    """0: as the other side has it."""
    found = _number(query, "pbkeylen")
    return found if found in (16, 24, 32) else 0
