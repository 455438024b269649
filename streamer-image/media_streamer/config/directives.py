"""The table of directives: every spelling, alias and free word of the configuration file.

Role: what the file knows, as data. A field of the vocabulary that is not named here is a directive
of its own name with a shape derived from its type, so the table holds only what differs: other
spellings, spellings of older eras, free words, units and special forms. The first spelling of a
field is the one that is written.
"""

from media_api import protocols
from media_api.auth import AuthBackendConfig, AuthBackendUrl, AuthSpec
from media_api.base import ApiModel
from media_api.cache import CacheConfig, CacheSpec
from media_api.cluster import (
    BalancerConfig,
    BalancerServer,
    PeerConfig,
    SourceConfig,
    SourceGroup,
)
from media_api.dvr import DvrConfig, RaidDiskConfig, RecordInputSpec, StreamDvrSpec
from media_api.events import EventSinkConfig
from media_api.ice import IceServerConfig
from media_api.input import InputConfig
from media_api.playback import DrmSpec, PlaybackHeaders, ThumbnailsSpec
from media_api.push import PushConfig
from media_api.server import (
    HttpListenerConfig,
    HttpProxyConfig,
    HttpsListenerConfig,
    ListenerConfig,
    ServerConfig,
    ServerName,
    TlsListenerConfig,
    listener_model,
)
from media_api.srt import SrtConfig
from media_api.stream import BackupConfig, ClusterIngest, StreamConfig, TemplateConfig
from media_api.transcoder import TranscoderSpec
from media_api.vod import VodConfig, VodStorage

from media_streamer.config.ladder import Ladder
from media_streamer.config.sections import (
    ANY,
    BLOCKS,
    SECTIONS,
    TOP_LEVEL_MODEL,
    Keyed,
    Object,
    Repeat,
    Section,
)
from media_streamer.config.shapes import (
    Constant,
    Ignored,
    Map,
    Shape,
    Text,
    Unsupported,
    Value,
    Words,
)
from media_streamer.config.special import (
    LISTENER_LINES,
    AdminListener,
    Credentials,
    Filters,
    ListenerShape,
    ListenersShape,
    Live,
    Paths,
    Protocols,
    Rule,
    RuleValues,
    Schedule,
    Sizes,
    Streams,
    settle_admin_listeners,
)

DURATION = r"\d+|(\d+[smhd])+"
SIZE = r"\d+(\.\d+)?[KMGTkmgt][bB]?"
PIXELS = r"-?\d*x-?\d*"
PERCENT = r"\d{1,3}%"
REFERENCE = r"@.+"
PLACE = r"/.*|[a-z][a-z0-9+.-]*:.*|\./.*"


class _At(Value):
    """Reference to a global object, written as @NAME."""

    def text(self, value: object) -> str:
        return f"@{value}"


def _at(key: str) -> Value:
    return _At(key, convert=lambda text: text.removeprefix("@"))


STREAM_ENTRIES: dict[str, Shape] = {
    "input": Repeat("inputs", InputConfig),
    "url": Repeat("inputs", InputConfig),
    "title": Text("title"),
    "provider": Text("provider"),
    "comment": Text("comment"),
    "groups": Words("groups", free_words=True),
    "backup": Object("backup", BackupConfig),
    "transcoder": Ladder(),
    "thumbnails": Object("thumbnails", ThumbnailsSpec, bare={"enabled": True}, off=True),
    "dvr": Object("dvr", StreamDvrSpec, off=True),
    "on_play": Object("on_play", AuthSpec),
    "auth": Object("on_play", AuthSpec),
    "on_publish": Object("on_publish", AuthSpec),
    "password": Value("password"),
    "drm": Object("drm", DrmSpec),
    "protocols": Protocols(),
    "prepush": Value("prepush", bare=True),
    "segment_duration": Value("segment_duration", unit="ms_as_seconds"),
    "segment_count": Value("segment_count"),
    "segments": Value("segment_count"),
    "add_audio_only": Value("add_audio_only", bare=True),
    "url_prefix": Value("url_prefix", bare=False),
    "push": Repeat("pushes", PushConfig),
    "playback_headers": Repeat("playback_headers", PlaybackHeaders),
    "cluster_ingest": Object("cluster_ingest", ClusterIngest),
    "cache": Object("cache", CacheSpec, off=True),
    "record_input": Object("record_input", RecordInputSpec),
    "meta": Map("meta"),
    "labels": Map("labels"),
    "srt_play": Object("srt_play", SrtConfig),
    "srt2_play": Object("srt2_play", SrtConfig),
    "srt_publish": Object("srt_publish", SrtConfig),
    "srt2_publish": Object("srt2_publish", SrtConfig),
    # Known to the reference server, of no effect here.
    "vision": Unsupported(),
    "vsaas": Unsupported(),
    "webrtc_publish": Unsupported(),
    "disable_audio_only": Unsupported(),
}
STREAM_FIRST = ("prefixes", "template", "static", "disabled", "title", "comment", "inputs")

DVR_ENTRIES: dict[str, Shape] = {
    "expiration": Value("expiration", unit="seconds"),
    "storage_limit": Value("storage_limit", unit="size"),
    "disk_usage_limit": Value("disk_usage_limit", unit="percent"),
    "replicate": Value("dvr_replicate", bare=True),
    "dvr_replicate": Value("dvr_replicate", bare=True),
    "keep_locks": Value("keep_locks", bare=True),
    "locks": Value("keep_locks", bare=True),
    "schedule": Schedule(),
    # Spellings of older versions.
    "disk_limit": Value("disk_usage_limit", unit="percent"),
    "disk_space": Value("storage_limit", unit="size"),
    "dvr_limit": Value("expiration", unit="seconds"),
}
DVR_WORDS = (
    ("expiration", DURATION),
    ("disk_usage_limit", PERCENT),
    ("storage_limit", SIZE),
    ("schedule", r"\d{1,4}-\d{1,4}(,\d{1,4}-\d{1,4})*"),
)
CACHE_ENTRIES: dict[str, Shape] = {
    "expiration": Value("expiration", unit="seconds"),
    "storage_limit": Value("storage_limit", unit="size"),
    "time_limit": Value("expiration", unit="seconds"),
    "disk_limit": Value("storage_limit", unit="size"),
}
CACHE_WORDS = (("expiration", DURATION), ("storage_limit", SIZE))
SOURCE_ENTRIES = {
    name: shape
    for name, shape in STREAM_ENTRIES.items()
    if shape.key not in ("inputs", "title") and not name.startswith("srt")
}
LISTENER_MODELS = {name: listener_model(name) for name in protocols.listeners()}
LISTENER_TYPES: tuple[type[ApiModel], ...] = (
    ListenerConfig,
    TlsListenerConfig,
    HttpListenerConfig,
    HttpsListenerConfig,
)
GLOBAL_ENTRIES: dict[str, Shape] = {
    **{name: ListenerShape(name, LISTENER_MODELS[name]) for name in LISTENER_LINES},
    "listeners": ListenersShape(LISTENER_MODELS),
    "admin_http": AdminListener("http", HttpListenerConfig),
    "admin_https": AdminListener("https", HttpsListenerConfig),
    "loglevel": Value("loglevel"),
    "log_level": Value("loglevel"),
    "logrequests": Value("log_requests", bare=True),
    "log_requests": Value("log_requests", bare=True),
    "total_bandwidth": Value("total_bandwidth", unit="rate"),
    "auto_token": Value("auto_token"),
    "no_auto_token": Constant("auto_token", False),
    "view_auth": Credentials("view_auth"),
    "edit_auth": Credentials("edit_auth"),
    "api_allowed_from": Words("api_allowed_from", free_words=True),
    "api_allowed_origins": Words("api_allowed_origins", free_words=True),
    "trusted_proxies": Words("trusted_proxies", free_words=True),
    "webrtc_addresses": Words("webrtc_addresses", free_words=True),
    "ice_server": Repeat("ice_servers", IceServerConfig),
    "url_prefix": Value("url_prefix", bare=False),
    "nvidia_monitor": Value("nvidia_monitor", bare=True),
    "server_name": Repeat("server_names", ServerName),
    "srt_play": Object("srt_play", SrtConfig),
    "srt2_play": Object("srt2_play", SrtConfig),
    "srt_publish": Object("srt_publish", SrtConfig),
    "srt2_publish": Object("srt2_publish", SrtConfig),
    "stream": Streams(),
    "ondemand": Streams(static=False),
    "template": Repeat("templates", TemplateConfig),
    "live": Live(),
    "source": Repeat("sources", SourceConfig),
    "vod": Repeat("vods", VodConfig),
    "file": Repeat("vods", VodConfig),
    "dvr": Repeat("dvrs", DvrConfig),
    "cache": Repeat("caches", CacheConfig),
    "event_sink": Repeat("event_sinks", EventSinkConfig),
    "notify": Repeat("event_sinks", EventSinkConfig),
    "auth_backend": Repeat("auth_backends", AuthBackendConfig),
    "peer": Repeat("peers", PeerConfig),
    "balancer": Repeat("balancers", BalancerConfig),
    "http_proxy": Repeat("http_proxies", HttpProxyConfig),
    # Files are included by load.py before directives are read; alone it says nothing.
    "include": Ignored(),
    **dict.fromkeys(
        ("license", "license_key", "license_txt"),
        Unsupported("has no effect: this server needs no licence"),
    ),
    **{
        name: Unsupported()
        for name in (
            "transponder", "dvb_card", "iptv", "rproxy", "web_script", "vision", "vsaas", "logo",
            "mpegts_muxer", "dektec", "api_token", "publish_protocols", "pulse",
            "drm_keyserver", "disk_cache", "max_file_sessions", "tls_ciphers",
        )
    },
}  # fmt: skip

_TABLE = (
    Section(ServerConfig, GLOBAL_ENTRIES, block=True, finish=settle_admin_listeners),
    *(Section(model, block=True) for model in LISTENER_TYPES),
    Section(StreamConfig, STREAM_ENTRIES, (("name", ANY),), block=True, first=STREAM_FIRST),
    Section(
        TemplateConfig,
        {
            "prefix": Words("prefixes", commas=False, free_words=True),
            **STREAM_ENTRIES,
            "title": Unsupported(),
            **dict.fromkeys(
                ("srt", "srt2", "srt_play", "srt2_play", "srt_publish", "srt2_publish"),
                Unsupported("has no effect in a template: SRT ports are a stream's, each its own"),
            ),
        },
        (("name", ANY),),
        block=True,
        first=STREAM_FIRST,
    ),
    Section(
        SourceConfig,
        {
            **SOURCE_ENTRIES,
            "only": Words("only", free_words=True),
            "except": Words("except", free_words=True),
            "group": Keyed("group_config", SourceGroup),
        },
        (("url", ANY),),
        block=True,
    ),
    Section(
        SourceGroup,
        {"segment_duration": Value("segment_duration", unit="ms_as_seconds")},
        block=True,
    ),
    Section(
        InputConfig,
        {
            "user_agent": Text("user_agent"),
            "headers": Map("headers"),
            "header": Map("headers"),
            "timeout": Value("timeout"),
            "agent": Value("via"),
            "skip_stalled_check": Value("skip_stalled_check", bare=True),
        },
        (("url", ANY),),
    ),
    Section(PushConfig, {}, (("url", ANY),)),
    Section(BackupConfig, {}, (("file", ANY),)),
    Section(
        StreamDvrSpec,
        {**DVR_ENTRIES, "reference": _at("reference"), "root": Value("root")},
        (("reference", REFERENCE), ("root", PLACE), *DVR_WORDS),
    ),
    Section(
        DvrConfig,
        {**DVR_ENTRIES, "disk": Repeat("disks", RaidDiskConfig)},
        (("name", ANY), ("root", PLACE), *DVR_WORDS),
        block=True,
    ),
    Section(RaidDiskConfig, {}, (("path", ANY),)),
    Section(RecordInputSpec, {}, (*CACHE_WORDS, ("root", ANY))),
    Section(
        CacheSpec,
        {**CACHE_ENTRIES, "reference": _at("reference")},
        (("reference", REFERENCE), ("path", PLACE), *CACHE_WORDS),
    ),
    Section(CacheConfig, CACHE_ENTRIES, (("name", r"[^/].*"), ("path", PLACE), *CACHE_WORDS)),
    Section(AuthSpec, {}, (("url", ANY),), extra="extra"),
    Section(
        AuthBackendConfig,
        {
            "allow": Rule("allow"),
            "deny": Rule("deny"),
            "backend": Repeat("backends", AuthBackendUrl),
            **{
                key: RuleValues(key)
                for key in AuthBackendConfig.model_fields
                if key.startswith(("allow_", "deny_")) and key != "allow_default"
            },
            "allow_default": RuleValues("allow_default"),
        },
        (("name", ANY),),
        block=True,
    ),
    Section(AuthBackendUrl, {}, (("url", ANY),)),
    Section(
        EventSinkConfig,
        {
            "url": Value("url"),
            "sink": Value("url"),
            "only": Filters("only"),
            "except": Filters("except"),
            "level": Value("level"),
            "verbose": Value("level"),
        },
        (("name", ANY),),
        extra="extra",
        block=True,
    ),
    Section(
        VodConfig,
        {
            "storage": Repeat("storages", VodStorage),
            "path": Repeat("storages", VodStorage),
            "paths": Paths(),
            "auto_mbr": Value("auto_mbr", bare=True),
            "download": Value("download", bare=True),
            "cache": Object("cache", CacheSpec, off=True),
            "segment_cache": Object("segment_cache", CacheSpec, off=True),
            "on_play": Object("on_play", AuthSpec),
            "auth": Object("on_play", AuthSpec),
            "protocols": Protocols(),
            "segment_duration": Value("segment_duration", unit="ms_as_seconds"),
            "thumbnails": Object("thumbnails", ThumbnailsSpec, bare={"enabled": True}, off=True),
            "drm": Object("drm", DrmSpec),
            "url_prefix": Value("url_prefix", bare=False),
        },
        (("prefix", ANY), ("storages", ANY)),
        block=True,
    ),
    Section(VodStorage, {}, (("url", ANY),), extra="extra"),
    Section(PeerConfig, {}, (("hostname", ANY),)),
    Section(IceServerConfig, {}, (("url", ANY),)),
    Section(
        BalancerConfig, {"server": Repeat("servers", BalancerServer)}, (("name", ANY),), block=True
    ),
    Section(
        BalancerServer,
        {
            "max_bitrate": Value("max_bitrate", unit="rate"),
            "countries": Words("countries"),
            "default": Value("countries_default", bare=True),
        },
        (("name", ANY),),
    ),
    Section(
        HttpProxyConfig,
        {"mainpage": Value("mainpage", bare=True)},
        (("prefix", ANY), ("url", PLACE)),
        block=True,
    ),
    Section(ServerName, {"aliases": Words("aliases")}, (("domain", ANY), ("aliases", ANY))),
    Section(
        ThumbnailsSpec,
        {"sizes": Sizes()},
        (("enabled", "true|ondemand"), ("sizes", PIXELS)),
    ),
    Section(PlaybackHeaders, {"protocols": Protocols(), "headers": Map("headers")}, ()),
    Section(DrmSpec, {}, (("vendor", ANY),)),
    Section(SrtConfig, {}, (("port", r"\d+|.*:\d+"),)),
    Section(ClusterIngest, {}, ()),
    Section(TranscoderSpec, {}, (), block=True),
)
SECTIONS.update({section.model: section for section in _TABLE})
TOP_LEVEL_MODEL.append(ServerConfig)
BLOCKS.extend(
    [
        (StreamConfig, "stream NAME { … }"),
        (AuthSpec, "on_play { … } of a stream"),
        (StreamDvrSpec, "dvr { … } of a stream"),
        (InputConfig, "input URL { … } of a stream"),
        (PushConfig, "push URL { … } of a stream"),
    ]
)
