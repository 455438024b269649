"""Other servers: peers, sources whose streams are repeated here, and balancers."""

from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from media_api.auth import AuthSpec, Countries
from media_api.base import ApiModel
from media_api.cache import CacheSpec
from media_api.dvr import StreamDvrSpec
from media_api.stream import StreamMedia, StreamOnPremises
from media_api.units import (
    BitRate,
    Count,
    HostName,
    Milliseconds,
    ObjectName,
    Percent,
    Secret,
    SegmentMilliseconds,
    StreamName,
    Text,
    Url,
)

# A name or a pattern of names: prefix/* .
NamePatterns = Annotated[list[Text], Field(max_length=4096)]


def _server_url(text: str) -> str:
    """`HOST[:PORT]` or an http(s) URL, with a path or without; raises ValueError."""
    hint = "write HOST[:PORT], HOST/PREFIX or a URL with http or https"
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        usable = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 80)
    except ValueError:
        raise ValueError(hint) from None
    if not usable:
        raise ValueError(hint)
    return text


ServerUrl = Annotated[Url, AfterValidator(_server_url)]


class PeerConfig(ApiModel):
    """Another streamer of the cluster: who asks here for a stream that runs there is sent there by
    HTTP, and fed from there by other protocols."""

    deprecated_aliases: ClassVar = {"public": "public_payload_url"}

    hostname: HostName = Field(description="Host name of the peer, its identity.")
    api_url: ServerUrl | None = Field(
        default=None, description="URL of its API. Default: http://HOSTNAME."
    )
    public_payload_url: Url | None = Field(
        default=None, description="URL that viewers reach it at. Default: api_url."
    )
    private_payload_url: Url | None = Field(
        default=None, description="URL that other streamers reach it at. Default: api_url."
    )
    fetch_timeout: Milliseconds | None = Field(
        default=None,
        description="How often it is asked for its streams and load, milliseconds. Default 3000.",
    )
    stale_timeout: Milliseconds | None = Field(
        default=None,
        description="Time without an answer after which it captures nothing and gets no viewers,"
        " milliseconds. Default 10000, three times fetch_timeout at least.",
    )
    channel_limit: Count | None = Field(
        default=None, description="Streams it can run; with so many it gets no further publisher."
    )
    cpu_limit: Percent | None = Field(
        default=None, description="CPU load in percent above which it gets nothing more."
    )
    max_bitrate: BitRate | None = Field(
        default=None,
        description="Its capacity in bit/s, above which balancers send nobody there.",
    )
    cluster_key: Secret | None = Field(
        default=None, description="Its cluster key. Default: that of this server."
    )


class SourceGroup(ApiModel):
    """Options for the streams of a source that belong to a group."""

    name: ObjectName | None = Field(
        default=None, description="Name of the group. Default: the key in `group_config`."
    )
    on_play: AuthSpec | None = Field(default=None, description="Authorisation of viewers.")
    cache: CacheSpec | None = Field(default=None, description="Cache of their segments.")
    segment_duration: SegmentMilliseconds | None = Field(
        default=None, description="Length of a segment in milliseconds, 100 to 120000."
    )
    dvr: StreamDvrSpec | None = Field(default=None, description="Archive of their segments.")


class SourceConfig(StreamMedia, StreamOnPremises):
    """A server all of whose streams are offered here too, pulled at the first request."""

    url: ServerUrl = Field(description="HOST[:PORT] of the source, optionally with /PREFIX.")
    prefix: StreamName | None = Field(
        default=None, description="Put before the local names of its streams."
    )
    only: NamePatterns | None = Field(
        default=None, description="Names or patterns (a/*) taken; an empty list takes none."
    )
    except_: NamePatterns | None = Field(
        default=None, alias="except", description="Names or patterns left out, also out of `only`."
    )
    group_config: Annotated[dict[str, SourceGroup], Field(max_length=64)] | None = Field(
        default=None, description="Options by group."
    )
    cluster_key: Secret | None = Field(
        default=None, description="Cluster key of the source. Default: that of this server."
    )


class BalancerServer(ApiModel):
    """A server that a balancer sends viewers to."""

    name: HostName = Field(
        description="Host name of the server: of a peer, of this server, or where its HTTP port is."
    )
    max_bitrate: BitRate | None = Field(default=None, description="Its capacity in bit/s.")
    countries: Countries | None = Field(
        default=None, description="Only viewers of these countries (ISO 3166-1 alpha-2)."
    )
    countries_default: bool | None = Field(
        default=None, description="Also viewers of countries that no server names."
    )


class BalancerConfig(ApiModel):
    """Redirects viewers and publishers to the least loaded server that has the stream, by HTTP."""

    name: StreamName = Field(description="First part of the URL: /NAME/STREAM/index.m3u8.")
    mode: Literal["usage", "clients", "bitrate", "streams"] = Field(
        default="bitrate",
        description="Least output (bitrate), share of capacity (usage), clients or streams.",
    )
    servers: Annotated[list[BalancerServer], Field(max_length=1024)] = Field(
        default_factory=list, description="Servers to choose from."
    )
