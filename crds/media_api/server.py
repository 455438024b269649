"""Configuration of a whole server: listeners, globals and every named object.

Role: what the configuration file parses to and `GET/PUT /config` exchanges.
Invariants: names are unique within their list; secrets are plain here and must be redacted
(`media_rest.redact`) before they are shown.
"""

import ipaddress
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, create_model, model_validator

from media_api import protocols
from media_api.auth import AdminCredentials, AuthBackendConfig
from media_api.base import ApiModel
from media_api.cache import CacheConfig, CacheSpec
from media_api.cluster import BalancerConfig, PeerConfig, SourceConfig
from media_api.dvr import DvrConfig
from media_api.events import EventSinkConfig, LogLevel
from media_api.ice import IceServerConfig
from media_api.networks import Cidr
from media_api.srt import ListenSpec, SrtConfig
from media_api.stream import StreamConfig, TemplateConfig
from media_api.transcoder import TranscoderSpec
from media_api.units import (
    BitRate,
    Count,
    DiskPath,
    HostName,
    ObjectName,
    Port,
    Seconds,
    Secret,
    StreamName,
    Text,
    TextMap,
    TextOrFalse,
    Url,
)
from media_api.vod import VodConfig
from media_api.web_origin import WebOrigin

DEFAULT_AUTH_TOKEN = "token"  # query parameter that carries a viewer's token
TlsVersion = Literal["tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3"]
TlsVersions = Annotated[list[TlsVersion], Field(max_length=4)]
MAX_LISTENERS = 64


def _listener(value: Any) -> Any:
    """`80` and `10.0.0.1:80` are short for a listener with only an address."""
    if isinstance(value, int) and not isinstance(value, bool):
        return {"port": value}
    if isinstance(value, str):
        address, _, port = value.strip().rpartition(":")
        return {"port": port, "address": address.strip("[]")} if address else {"port": port}
    return value


class ListenerConfig(ApiModel):
    """A TCP or UDP listener."""

    port: Port = Field(description="Port, 1 to 65535.")
    address: Text | None = Field(default=None, description="Local address. Default: all.")
    read_timeout: Seconds | None = Field(default=None, description="Time-out of a read, seconds.")
    write_timeout: Seconds | None = Field(default=None, description="Time-out of a write, seconds.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return _listener(data)


class TlsListenerConfig(ListenerConfig):
    """A listener with TLS. Default files: /etc/flussonic/streamer.key and streamer.crt."""

    ssl_protocols: TlsVersions | None = Field(
        default=None, description="TLS versions offered. Default: tlsv1.2 and tlsv1.3."
    )
    certificate: DiskPath | None = Field(default=None, description="Certificate file, PEM.")
    certificate_key: DiskPath | None = Field(default=None, description="Private key file, PEM.")


class HttpListenerConfig(ListenerConfig):
    """An HTTP listener."""

    api: bool = Field(default=True, description="false: serves media only, not the API.")


class HttpsListenerConfig(TlsListenerConfig):
    """An HTTPS listener."""

    api: bool = Field(default=True, description="false: serves media only, not the API.")


def _list_of_one(value: Any) -> Any:
    return value if value is None or isinstance(value, list | tuple) else [value]


OneOrMore = BeforeValidator(_list_of_one)
ListenerCount = Field(max_length=MAX_LISTENERS)


def listener_model(name: str) -> type[ListenerConfig]:
    """The model of the listeners `name`, a key of `listeners`."""
    if name in _HTTP_MODELS:
        return _HTTP_MODELS[name]
    return TlsListenerConfig if protocols.listeners()[name][1].tls else ListenerConfig


_HTTP_MODELS: dict[str, type[ListenerConfig]] = {
    "http": HttpListenerConfig,
    "https": HttpsListenerConfig,
}


def _listeners_field(name: str, title: str) -> Any:
    items = list.__class_getitem__(listener_model(name))
    return Annotated[items, ListenerCount, OneOrMore] | None, Field(
        default=None, description=f"{title}."
    )


class _Listeners(ApiModel):
    """Ports of the server by protocol."""

    def of(self, name: str) -> list[ListenerConfig]:
        """The listeners of one key; empty where it has none."""
        return getattr(self, name, None) or []

    def first_ports(self) -> dict[str, int]:
        """The first port of each listener that has one, by its name."""
        return {name: found[0].port for name in protocols.listeners() if (found := self.of(name))}


if TYPE_CHECKING:

    class Listeners(_Listeners):
        """See below."""

        http: list[HttpListenerConfig] | None = None
        https: list[HttpsListenerConfig] | None = None

else:
    # One field for each listener of the table of protocols.
    Listeners = create_model(
        "Listeners",
        __base__=_Listeners,
        __module__=__name__,
        __doc__=_Listeners.__doc__,
        **{
            name: _listeners_field(name, item.title)
            for name, (_, item) in protocols.listeners().items()
        },
    )


def _ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        raise ValueError(f"{text!r} is no IP address: write 203.0.113.5") from None


IpAddress = Annotated[
    str, Field(max_length=64, description="IP address."), AfterValidator(_ip_address)
]


def _auto_token(value: Any) -> Any:
    if isinstance(value, str):
        word = value.strip().lower()
        return False if word in {"false", "no", "off"} else word
    return value


class HttpProxyConfig(ApiModel):
    """Another web server shown under a prefix of this one."""

    prefix: StreamName = Field(description="First part of the path.")
    url: Url = Field(description="URL of the other server.")
    mainpage: bool = Field(default=False, description="Also serves / of this server.")


class ServerName(ApiModel):
    """A domain that the server answers to."""

    domain: HostName = Field(description="Domain name.")
    aliases: Annotated[list[HostName], Field(max_length=64)] | None = Field(
        default=None, description="Further names."
    )


class DynafileConfig(ApiModel):
    """Transcoding and caching of files on the fly."""

    cache: CacheSpec | None = Field(default=None, description="Cache of made files.")
    transcoder: TranscoderSpec | None = Field(default=None, description="Transcoding.")


class ServerConfigBase(ApiModel):
    """Global directives: everything but the lists of named objects."""

    listeners: Listeners | None = Field(default=None, description="Ports by protocol.")
    srt: ListenSpec | None = Field(default=None, description="Shared SRT port, by stream id.")
    srt2: ListenSpec | None = Field(default=None, description="Second shared SRT port.")
    srt_play: SrtConfig | None = Field(default=None, description="Shared SRT listener to play.")
    srt2_play: SrtConfig | None = Field(default=None, description="Second one to play.")
    srt_publish: SrtConfig | None = Field(
        default=None, description="Shared SRT listener to publish."
    )
    srt2_publish: SrtConfig | None = Field(default=None, description="Second one to publish.")
    loglevel: LogLevel | None = Field(default=None, description="Log detail. Default info.")
    log_requests: bool | None = Field(
        default=None, description="Log every HTTP request. Default false."
    )
    total_bandwidth: BitRate | None = Field(
        default=None, description="Capacity of the uplink in bit/s, for balancing."
    )
    max_sessions: Count | None = Field(
        default=None, description="Sessions of the whole server. Default: no limit."
    )
    auth_token: ObjectName = Field(
        default=DEFAULT_AUTH_TOKEN, description="Query parameter that carries a viewer's token."
    )
    auto_token: Annotated[Literal["uuid", "blank", False], BeforeValidator(_auto_token)] = Field(
        default="blank",
        description="A request without token: blank takes an empty one, uuid makes one, false"
        " refuses.",
    )
    cluster_key: Secret | None = Field(
        default=None, description="Key that authorises the other servers of the cluster."
    )
    view_auth: AdminCredentials | None = Field(default=None, description="May read the API.")
    edit_auth: AdminCredentials | None = Field(
        default=None,
        description="May do everything. Default: nobody; who is on this machine may read.",
    )
    api_allowed_from: Annotated[list[Cidr], Field(max_length=256)] | None = Field(
        default=None, description="Networks that may use the API, as 10/8. Default: all."
    )
    api_allowed_origins: Annotated[list[WebOrigin], Field(max_length=256)] | None = Field(
        default=None,
        description="Web sites whose pages may use the API, as https://HOST. Default: none.",
    )
    trusted_proxies: Annotated[list[Cidr], Field(max_length=256)] | None = Field(
        default=None,
        description="Proxies that X-Forwarded-For is believed of, as 10/8. Default: none but"
        " caches with the cluster key.",
    )
    webrtc_addresses: Annotated[list[IpAddress], Field(max_length=16)] | None = Field(
        default=None,
        description="Addresses at which WebRTC peers reach this server, the best first. Default:"
        " the one that the peer's HTTP request came to, and those of this machine.",
    )
    ice_servers: Annotated[list[IceServerConfig], Field(max_length=16)] | None = Field(
        default=None,
        description="STUN and TURN servers that WebRTC players and publishers are told of.",
    )
    admin_view_disabled: bool | None = Field(
        default=None,
        description="Administrators may not watch past authorisation: they never do here.",
    )
    pulsedb: DiskPath | None = Field(default=None, description="Directory of statistics history.")
    session_log: DiskPath | None = Field(default=None, description="Directory of session history.")
    url_prefix: TextOrFalse | None = Field(
        default=None, description="Put before segment addresses in HLS media playlists."
    )
    nvidia_monitor: bool | None = Field(
        default=None, description="Record GPU statistics. Default false."
    )
    geoip: DiskPath | None = Field(
        default=None,
        description="MaxMind GeoLite2 file, or `builtin`: the countries of the registries. Default:"
        " no countries.",
    )
    config_external: Url | None = Field(
        default=None, description="Backend that gives the streams: http://KEY@HOST:PORT/path."
    )
    hostname: HostName | None = Field(
        default=None, description="Name of this server in the cluster. Default: of the machine."
    )
    server_names: Annotated[list[ServerName], Field(max_length=64)] | None = Field(
        default=None, description="Domains that the server answers to."
    )
    aliaser: Url | None = Field(default=None, description="Backend that renames media.")
    init_script: DiskPath | None = Field(default=None, description="Script run at the start.")
    wwwroot: DiskPath | None = Field(default=None, description="Directory of static files.")
    meta: TextMap | None = Field(default=None, description="Free keys and values.")


Named = 100_000  # objects of one list: a bound against runaway input, far above any server


class ServerConfig(ServerConfigBase):
    """The whole configuration."""

    streams: Annotated[list[StreamConfig], Field(max_length=Named)] = Field(
        default_factory=list, description="Streams, in the order of the file."
    )
    templates: Annotated[list[TemplateConfig], Field(max_length=Named)] = Field(
        default_factory=list, description="Templates."
    )
    sources: Annotated[list[SourceConfig], Field(max_length=Named)] = Field(
        default_factory=list, description="Servers whose streams are repeated here."
    )
    vods: Annotated[list[VodConfig], Field(max_length=Named)] = Field(
        default_factory=list, description="Locations of files."
    )
    dvrs: Annotated[list[DvrConfig], Field(max_length=Named)] = Field(
        default_factory=list, description="Global storages of archives."
    )
    caches: Annotated[list[CacheConfig], Field(max_length=Named)] = Field(
        default_factory=list, description="Global caches."
    )
    event_sinks: Annotated[list[EventSinkConfig], Field(max_length=Named)] = Field(
        default_factory=list, description="Destinations of events."
    )
    auth_backends: Annotated[list[AuthBackendConfig], Field(max_length=Named)] = Field(
        default_factory=list, description="Named rules of authorisation."
    )
    peers: Annotated[list[PeerConfig], Field(max_length=Named)] = Field(
        default_factory=list, description="Other streamers of the cluster."
    )
    balancers: Annotated[list[BalancerConfig], Field(max_length=Named)] = Field(
        default_factory=list, description="Balancers."
    )
    http_proxies: Annotated[list[HttpProxyConfig], Field(max_length=Named)] = Field(
        default_factory=list, description="Other web servers under prefixes."
    )
    dynafile: DynafileConfig | None = Field(
        default=None, description="Transcoding and caching of files on the fly."
    )

    @model_validator(mode="after")
    def _unique_names(self) -> Self:
        for what, names in (
            ("stream", [item.name for item in self.streams]),
            ("template", [item.name for item in self.templates]),
            ("vod", [item.prefix for item in self.vods]),
            ("dvr", [item.name for item in self.dvrs]),
            ("cache", [item.name for item in self.caches]),
            ("event_sink", [item.name for item in self.event_sinks]),
            ("auth_backend", [item.name for item in self.auth_backends]),
            ("peer", [item.hostname for item in self.peers]),
            ("balancer", [item.name for item in self.balancers]),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise ValueError(f"{what} {twice[0]!r} is declared more than once")
        return self
