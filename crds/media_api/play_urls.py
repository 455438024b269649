"""Where a stream can be watched and published: for the API, the UI and Stream.status.

All forms are those of the table of protocols (`media_api.protocols`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from urllib.parse import quote, urlsplit

from media_api.base import JsonObject
from media_api.protocols import Form, Protocol, RoleName, roles


@dataclass(frozen=True, slots=True)
class PlayUrl:
    """One way to watch: `protocol` is the switch in `protocols` that allows it."""

    form: str
    """Its own short name: several forms may share a protocol switch."""
    protocol: str
    title: str
    url: str

    def as_json(self) -> JsonObject:
        """JSON of `media_api.status.PlayUrlState`."""
        # Not `asdict`, which takes ten times as long: a list of 100 streams has 1,000 of them.
        return {
            "form": self.form,
            "protocol": self.protocol,
            "title": self.title,
            "url": self.url,
        }


@dataclass(frozen=True, slots=True)
class PublishUrl:
    """One way to publish; `server` and `key` are what encoders with two fields (OBS) want."""

    form: str
    protocol: str
    title: str
    url: str
    server: str = ""
    key: str = ""

    def as_json(self) -> JsonObject:
        """JSON of `media_api.status.PublishUrlState`."""
        return {name: value for name, value in asdict(self).items() if value}


def play_urls(
    name: str,
    http_url: str,
    ports: Mapping[str, int] | None = None,
    denied: Collection[str] = (),
) -> list[PlayUrl]:
    """The play URLs of stream `name` on the streamer whose public address is `http_url`.

    `http_url` is `http(s)://HOST[:PORT]` as viewers reach it, `ports` the ports of the other
    listeners on the same host by their names (`rtmp`), `denied` the switches that are off.
    """
    path = quote(name)
    return [
        PlayUrl(form.name, row.switch, form.title, base + form.path.format(name=path))
        for row, form, base in _places("play", http_url, tuple((ports or {}).items()))
        if row.switch not in denied
    ]


def publish_urls(
    name: str, http_url: str, ports: Mapping[str, int] | None = None
) -> list[PublishUrl]:
    """Where stream `name` can be published to; arguments as of `play_urls`."""
    path = quote(name)
    return [
        PublishUrl(
            form.name,
            row.name,
            form.title,
            base + form.path.format(name=path),
            base + form.server if form.server else "",
            form.key.format(name=path) if form.server else "",
        )
        for row, form, base in _places("publish", http_url, tuple((ports or {}).items()))
    ]


@lru_cache(maxsize=256)  # of so many streamers; all streams of one have the same
def _places(
    role: RoleName, http_url: str, ports: tuple[tuple[str, int], ...]
) -> Sequence[tuple[Protocol, Form, str]]:
    """Served forms with what stands before their path, where it can be reached."""
    http, by_name = http_url.rstrip("/"), dict(ports)
    return [
        (row, form, base)
        for row, found in roles(role)
        if found.served
        for form in found.forms
        if (base := _base(row, form, http, by_name))
    ]


def _base(row: Protocol, form: Form, http: str, ports: Mapping[str, int]) -> str:
    if row.transport == "http":
        return http if not form.scheme else form.scheme + http.removeprefix("http")
    listener = next((item for item in row.listeners if not item.tls), None)
    port = ports.get(listener.name) if listener is not None else None
    if listener is None or port is None:
        return ""
    netloc = urlsplit(http).netloc.rpartition("@")[2]
    # Not `hostname`, which loses brackets and capitals.
    host = netloc.partition("]")[0] + "]" if netloc.startswith("[") else netloc.partition(":")[0]
    return f"{listener.name}://{host}" + ("" if port == listener.port else f":{port}")
