"""What Streamer and Cache say about the pods that are made for them.

Names and shapes are those of the vendor's Streamer where it has them. Instead of a whole pod
template there are narrow overrides, because a template is most of the 256 KiB that a
CustomResourceDefinition may have.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from media_api.resources.meta import LabelMap, PassThrough, ResourceModel
from media_api.units import Port, Text, Url

KubeName = Annotated[str, Field(min_length=1, max_length=253)]
Replicas = Annotated[int, Field(ge=0, le=1000)]
Quantity = Annotated[
    int | Annotated[str, Field(max_length=32)],
    Field(json_schema_extra={"x-kubernetes-int-or-string": True}),
]
ResourceMap = Annotated[dict[str, Quantity], Field(max_length=32)]
FreeObject = Annotated[dict[str, Any], Field(max_length=64)]


def keyed_by(*keys: str) -> dict[str, Any]:
    """Schema of a list whose elements are told apart by `keys`, for server-side apply."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


class KeySelector(ResourceModel):
    """A key of a Secret or ConfigMap in the same namespace."""

    name: KubeName = Field(description="Name of the Secret or ConfigMap.")
    key: KubeName = Field(description="Key within it.")
    optional: bool | None = Field(default=None, description="It may be absent. Default false.")


class FieldSelector(ResourceModel):
    """A field of the pod."""

    field_path: Text = Field(description="Path, such as metadata.name.")
    api_version: Text | None = Field(default=None, description="Default v1.")


class ResourceSelector(ResourceModel):
    """A resource limit or request of the container."""

    resource: Text = Field(description="Resource, such as limits.memory.")
    container_name: Text | None = Field(default=None, description="Container. Default: this one.")
    divisor: Quantity | None = Field(default=None, description="Unit of the value. Default 1.")


class ValueSource(ResourceModel):
    """Where a value comes from: the shape of env[].valueFrom."""

    secret_key_ref: KeySelector | None = Field(default=None, description="Key of a Secret.")
    config_map_key_ref: KeySelector | None = Field(default=None, description="Key of a ConfigMap.")
    field_ref: FieldSelector | None = Field(default=None, description="Field of the pod.")
    resource_field_ref: ResourceSelector | None = Field(
        default=None, description="Resource of the container."
    )


class EnvVar(ResourceModel):
    """An environment variable."""

    name: Text = Field(description="Name of the variable.")
    value: Annotated[str, Field(max_length=32768)] | None = Field(
        default=None, description="Value, in clear."
    )
    value_from: ValueSource | None = Field(default=None, description="Where the value comes from.")


class Volume(PassThrough):
    """A volume and where it is mounted; any volume source of Kubernetes may be given."""

    name: KubeName = Field(description="Name of the volume.")
    mount_path: Annotated[str, Field(min_length=1, max_length=1024)] = Field(
        description="Where it is mounted."
    )
    read_only: bool | None = Field(default=None, description="Mount read-only. Default false.")
    sub_path: Text | None = Field(default=None, description="Path within the volume.")
    host_path: FreeObject | None = Field(default=None, description="Directory of the node.")
    empty_dir: FreeObject | None = Field(default=None, description="Empty directory of the pod.")
    persistent_volume_claim: FreeObject | None = Field(default=None, description="Existing claim.")
    ephemeral: FreeObject | None = Field(default=None, description="Claim made for each pod.")
    config_map: FreeObject | None = Field(default=None, description="ConfigMap.")
    secret: FreeObject | None = Field(default=None, description="Secret.")
    nfs: FreeObject | None = Field(default=None, description="NFS export.")
    csi: FreeObject | None = Field(default=None, description="CSI driver.")


class Resources(ResourceModel):
    """Resources of a container."""

    requests: ResourceMap | None = Field(default=None, description="Reserved.")
    limits: ResourceMap | None = Field(default=None, description="Not exceeded.")


class Toleration(ResourceModel):
    """A taint of nodes that is tolerated."""

    key: Text | None = Field(default=None, description="Key of the taint. Default: all.")
    operator: Literal["Exists", "Equal"] | None = Field(
        default=None, description="How the value is compared. Default Equal."
    )
    value: Text | None = Field(default=None, description="Value of the taint.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint. Default: all."
    )
    toleration_seconds: Annotated[int, Field(ge=0, le=2**53 - 1)] | None = Field(
        default=None, description="Seconds until eviction by NoExecute. Default: never."
    )


class LocalReference(ResourceModel):
    """An object of the same namespace."""

    name: KubeName = Field(description="Name of the object.")


class ServiceOptions(ResourceModel):
    """The Service in front of the pods."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = Field(
        default="ClusterIP", description="Type of the Service."
    )
    annotations: LabelMap | None = Field(default=None, description="Annotations of the Service.")
    labels: LabelMap | None = Field(default=None, description="Labels of the Service.")
    load_balancer_class: Text | None = Field(default=None, description="Class of LoadBalancer.")
    load_balancer_ip: Text | None = Field(
        default=None, alias="loadBalancerIP", description="Address asked of the LoadBalancer."
    )
    external_traffic_policy: Literal["Cluster", "Local"] | None = Field(
        default=None, description="Local keeps the viewers' addresses. Default Cluster."
    )


class GpuOptions(ResourceModel):
    """GPUs of each pod."""

    count: Annotated[int, Field(ge=0, le=64)] = Field(
        default=1, description="GPUs of each pod, 0 to 64."
    )
    resource_name: Text = Field(
        default="nvidia.com/gpu", description="Extended resource that is limited."
    )
    resource_claim_template_name: KubeName | None = Field(
        default=None,
        description="Claim template of dynamic resource allocation, instead of resourceName.",
    )
    sessions: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        default=None,
        description="Encoder sessions of each, one for each rendition, 1 to 1024. Default: as many"
        " as fit.",
    )
    memory: Quantity | None = Field(
        default=None, description="Memory of each, such as 24Gi. Default: as much as it takes."
    )
    runtime_class_name: KubeName | None = Field(
        default=None, description="Runtime class, such as nvidia. Default: that of the cluster."
    )
    node_selector: LabelMap | None = Field(
        default=None, description="Labels of GPU feature discovery, such as nvidia.com/gpu.product."
    )
    tolerations: Annotated[list[Toleration], Field(max_length=32)] | None = Field(
        default=None, description="Taints of GPU nodes. Default: nvidia.com/gpu."
    )


class PodOptions(ResourceModel):
    """The pods of a Streamer or Cache."""

    image: Text | None = Field(
        default=None, description="Image. Default: that of the operator's setting."
    )
    version: Text | None = Field(default=None, description="Tag, if the image has none.")
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        default=None, description="When the image is pulled. Default: that of Kubernetes."
    )
    image_pull_secrets: Annotated[list[LocalReference], Field(max_length=16)] | None = Field(
        default=None, description="Secrets of the image registry."
    )
    replicas: Replicas | None = Field(
        default=None, description="Number of pods, 0 to 1000, fixed. Default 1."
    )
    env: Annotated[list[EnvVar], Field(max_length=128)] | None = Field(
        default=None,
        description="Environment of the container.",
        json_schema_extra=keyed_by("name"),
    )
    volumes: Annotated[list[Volume], Field(max_length=64)] | None = Field(
        default=None,
        description="Volumes and where they are mounted.",
        json_schema_extra=keyed_by("name"),
    )
    labels: LabelMap | None = Field(
        default=None, description="Labels of the pods; streams can select by them."
    )
    annotations: LabelMap | None = Field(default=None, description="Annotations of the pods.")
    selector_labels: LabelMap | None = Field(
        default=None, description="Further labels of the pods' selector; cannot change later."
    )
    node_selector: LabelMap | None = Field(default=None, description="Labels of the nodes.")
    node_name: KubeName | None = Field(default=None, description="The node of a single pod.")
    tolerations: Annotated[list[Toleration], Field(max_length=32)] | None = Field(
        default=None, description="Taints that are tolerated."
    )
    affinity: FreeObject | None = Field(default=None, description="Affinity of the pods.")
    topology_spread_constraints: Annotated[list[FreeObject], Field(max_length=16)] | None = Field(
        default=None, description="How the pods spread. Default: softly over nodes and zones."
    )
    priority_class_name: KubeName | None = Field(default=None, description="Priority class.")
    runtime_class_name: KubeName | None = Field(default=None, description="Runtime class.")
    service_account_name: KubeName | None = Field(
        default=None, description="Service account. Default: one without rights, no token mounted."
    )
    resources: Resources | None = Field(default=None, description="CPU and memory of each pod.")
    host_network: bool | None = Field(
        default=None, description="Use the node's network, as multicast needs. Default false."
    )
    host_port: Port | None = Field(
        default=None, description="Port of the node that serves media, 1 to 65535. Default: none."
    )
    admin_host_port: Port | None = Field(
        default=None, description="Port of the node that serves the API, 1 to 65535. Default: none."
    )
    service: ServiceOptions | None = Field(
        default=None, description="The Service in front of the pods."
    )
    public_url: Url | None = Field(
        default=None,
        description="URL that viewers reach the pods at. Default: by Service, host port or node.",
    )
    drain_seconds: Annotated[int, Field(ge=0, le=604_800)] = Field(
        default=60, description="Seconds that a leaving pod goes on for its viewers, up to 7 days."
    )
    log_level: Literal["debug", "info", "warn", "error"] | None = Field(
        default=None, description="Log detail. Default info."
    )
    cluster_key: ValueSource | None = Field(
        default=None, description="Cluster key. Default: one made by the operator."
    )
    edit_auth: ValueSource | None = Field(
        default=None, description="Administrator, as login:password. Default: made by the operator."
    )
    config_extra: (
        Annotated[dict[str, Annotated[str, Field(max_length=65536)]], Field(max_length=64)] | None
    ) = Field(default=None, description="Files of flussonic.conf.d/ by their names.")
