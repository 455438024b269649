"""Streamer: a pool of streamer pods, or an external server given by its API URL.

Invariant: a pool has `replicas`, or `maxReplicas` and then the operator scales it; an external
server has `apiUrl` and none of the fields that describe pods.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from media_api.auth import AuthBackendConfig
from media_api.base import ApiModel
from media_api.cache import CacheConfig
from media_api.cluster import BalancerConfig, PeerConfig
from media_api.dvr import DvrConfig
from media_api.events import EventSinkConfig
from media_api.resources.archive import ArchiveVolume
from media_api.resources.conditions import Conditions
from media_api.resources.meta import API_VERSION, ObjectMeta, ResourceModel
from media_api.resources.pods import (
    GpuOptions,
    KubeName,
    PodOptions,
    Quantity,
    Replicas,
    ServiceOptions,
    ValueSource,
    keyed_by,
)
from media_api.server import HttpProxyConfig, ServerConfigBase
from media_api.units import Count, Port, Text, Url
from media_api.vod import VodConfig

# Lists of objects that hold a whole stream configuration each: checked by the streamer, because
# their schema would take the definition over its size.
FreeItem = Annotated[dict[str, Any], Field(max_length=256)]


class StreamerGlobals(ServerConfigBase):
    """Global directives of the configuration file under the names of the REST API."""

    event_sinks: Annotated[list[EventSinkConfig], Field(max_length=64)] | None = Field(
        default=None,
        description="Destinations of events.",
        json_schema_extra=keyed_by("name"),
    )
    auth_backends: Annotated[list[AuthBackendConfig], Field(max_length=64)] | None = Field(
        default=None,
        description="Named rules of authorisation.",
        json_schema_extra=keyed_by("name"),
    )
    vods: Annotated[list[VodConfig], Field(max_length=64)] | None = Field(
        default=None,
        description="Locations of files.",
        json_schema_extra=keyed_by("prefix"),
    )
    dvrs: Annotated[list[DvrConfig], Field(max_length=64)] | None = Field(
        default=None,
        description="Global storages of archives.",
        json_schema_extra=keyed_by("name"),
    )
    caches: Annotated[list[CacheConfig], Field(max_length=64)] | None = Field(
        default=None, description="Global caches.", json_schema_extra=keyed_by("name")
    )
    http_proxies: Annotated[list[HttpProxyConfig], Field(max_length=64)] | None = Field(
        default=None,
        description="Other web servers under prefixes.",
        json_schema_extra=keyed_by("prefix"),
    )
    sources: Annotated[list[FreeItem], Field(max_length=256)] | None = Field(
        default=None, description="Servers whose streams are repeated here, as in the REST API."
    )
    peers: Annotated[list[PeerConfig], Field(max_length=256)] | None = Field(
        default=None,
        description="Other streamers of the cluster.",
        json_schema_extra=keyed_by("hostname"),
    )
    balancers: Annotated[list[BalancerConfig], Field(max_length=64)] | None = Field(
        default=None,
        description="Balancers.",
        json_schema_extra=keyed_by("name"),
    )
    templates: Annotated[list[FreeItem], Field(max_length=1024)] | None = Field(
        default=None, description="Templates, as in the REST API."
    )


WEBRTC_PORTS = 8
"""Each worker has one of its own; there are no more workers than that."""


class HostPorts(ResourceModel):
    """Ports of the node, beside `hostPort`, that lead straight to the pod."""

    rtmp: Port | None = Field(default=None, description="RTMP, 1 to 65535. Default: none.")
    rtsp: Port | None = Field(
        default=None, description="RTSP, 1 to 65535, media within the connection. Default: none."
    )
    srt: Port | None = Field(default=None, description="SRT by UDP, 1 to 65535. Default: none.")
    webrtc: Annotated[int, Field(ge=1024, le=65536 - WEBRTC_PORTS)] | None = Field(
        default=None,
        description="Media of WebRTC: the first of eight ports by UDP and TCP, 1024 to 65528."
        " Default: none.",
    )
    allot: Annotated[list[Literal["http", "rtmp", "rtsp", "srt"]], Field(max_length=4)] | None = (
        Field(
            default=None,
            description="Listeners that get a port of the nodes which no other pool has:"
            " status.hostPorts says which. Default: none.",
        )
    )


class StreamerService(ServiceOptions):
    """The Service in front of the pods: HTTP, RTMP and RTSP, and SRT where it is asked for."""

    srt: Port | None = Field(
        default=None,
        description="Its port for SRT by UDP, 1 to 65535; a viewer stays with a pod by his"
        " address. Default: none.",
    )


class StreamerSpec(PodOptions):
    """A pool of streamers, or one external server."""

    service: StreamerService | None = Field(
        default=None, description="The Service in front of the pods. Default: a ClusterIP."
    )

    api_url: Url | None = Field(
        default=None, description="API URL of an external server; excludes all fields about pods."
    )
    min_replicas: Replicas | None = Field(
        default=None,
        description="Least pods, if the operator scales by capacity. Default 1; with 0 the pool"
        " sleeps while nobody asks for its streams on demand.",
    )
    max_replicas: Replicas | None = Field(
        default=None,
        description="Most pods; setting it makes the operator scale by channels and bandwidth.",
    )
    host_ports: HostPorts | None = Field(
        default=None,
        description="Further ports of the node for RTMP, RTSP, SRT and WebRTC. Default: none.",
    )
    public_ports: Annotated[dict[str, Port], Field(max_length=8)] | None = Field(
        default=None,
        description="Ports at the host of publicUrl by listener: rtmp, rtsp, srt. Default: none.",
    )
    segments_size: Quantity | None = Field(
        default=None,
        description="Memory for HLS segments of each pod. Default: half of the memory limit, or"
        " 2Gi without one.",
    )
    private_url: Url | None = Field(
        default=None, description="URL that other streamers reach it at. Default: by its Service."
    )
    channel_limit: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=6000, description="Streams that each streamer runs at most, 1 to 100000."
    )
    nvidia_gpu_count: Annotated[int, Field(ge=0, le=64)] | None = Field(
        default=None, description="GPUs of each pod, 0 to 64; short for gpu.count."
    )
    gpu: GpuOptions | None = Field(default=None, description="GPUs of each pod. Default: none.")
    archive: ArchiveVolume | None = Field(
        default=None,
        description="A volume of each pod for archives. Default: none; set when the pool is made.",
    )
    view_auth: ValueSource | None = Field(
        default=None, description="Reader of the API, as login:password. Default: none."
    )
    config_external_url: Url | None = Field(
        default=None, description="Configuration backend. Default: Central of the cluster."
    )
    config_external_auth: ValueSource | None = Field(
        default=None, description="Key of the configuration backend."
    )
    rebalance: Literal["OnRequest", "Always"] = Field(
        default="OnRequest",
        description="When streams move for an even load of the pool's pods: when the annotation"
        " media.flussonic.com/rebalance gets a new value, or always.",
    )
    license_key: ValueSource | None = Field(
        default=None, description="Accepted for the vendor's manifests; has no effect."
    )
    config: StreamerGlobals | None = Field(
        default=None, description="Global directives, under the names of the REST API."
    )

    @property
    def is_external(self) -> bool:
        """True if no pods are made."""
        return self.api_url is not None

    @property
    def gpu_count(self) -> int:
        """GPUs of each pod."""
        if self.gpu is not None:
            return self.gpu.count
        return self.nvidia_gpu_count or 0


class StreamerMember(ResourceModel):
    """One streamer of a pool."""

    name: KubeName = Field(description="Pod, or host name of an external server.")
    node: Text | None = Field(default=None, description="Node of the pod.")
    address: Text | None = Field(default=None, description="Address that viewers can reach.")
    api_url: Url | None = Field(default=None, description="URL of its API.")
    public_url: Url | None = Field(default=None, description="URL that viewers reach it at.")
    ports: dict[str, Port] | None = Field(
        default=None,
        description="Ports of other listeners at the host of publicUrl by name, such as rtmp.",
    )
    ready: bool = Field(default=False, description="It takes streams.")
    draining: bool = Field(default=False, description="It leaves: it gets no more streams.")
    gpu: bool = Field(default=False, description="It has a GPU.")
    encoders: Annotated[list[Text], Field(max_length=32)] | None = Field(
        default=None, description="Hardware encoders that were opened at its start."
    )
    archive: Text | None = Field(default=None, description="Size of its archive volume.")


class PoolStatus(ResourceModel):
    """State of pods: what the scale subresource and `kubectl wait` read."""

    observed_generation: Count | None = Field(
        default=None, description="Generation of the spec that this status is about."
    )
    conditions: Conditions | None = Field(
        default=None, description="Ready, ConfigAccepted, ArchiveReady; Stalled if no retry helps."
    )
    ready: bool | None = Field(default=None, description="At least one pod is ready.")
    replicas: Replicas | None = Field(default=None, description="Pods.")
    ready_replicas: Replicas | None = Field(default=None, description="Pods that are ready.")
    selector: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="Label selector of the pods, for autoscalers."
    )
    version: Text | None = Field(default=None, description="Version of the image that runs.")
    shrink_at: Text | None = Field(
        default=None, description="When a pool that scales itself may lose a pod, RFC 3339."
    )
    no_surge_for: Text | None = Field(
        default=None, description="Version of the pods for which one more had no room."
    )
    rebalanced: Text | None = Field(
        default=None,
        description="Last value of the annotation media.flussonic.com/rebalance that was done.",
    )
    members: Annotated[list[StreamerMember], Field(max_length=1000)] | None = Field(
        default=None, description="The pods.", json_schema_extra=keyed_by("name")
    )


class StreamerResourceStatus(PoolStatus):
    """What became of a Streamer."""

    host_ports: dict[str, Port] | None = Field(
        default=None, description="Ports of the nodes that were allotted to it, by listener."
    )
    silent_addresses: Annotated[list[Text], Field(max_length=1000)] | None = Field(
        default=None,
        description="Addresses of pods that are ready but do not answer Central: their streams run"
        " elsewhere meanwhile.",
    )


class StreamerResource(ApiModel):
    """A Streamer object."""

    api_version: str = Field(default=API_VERSION, alias="apiVersion")
    kind: str = "Streamer"
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: StreamerSpec = Field(default_factory=StreamerSpec)
    status: StreamerResourceStatus = Field(default_factory=StreamerResourceStatus)
