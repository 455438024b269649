"""Stream: a stream configuration and where it shall run.

Who writes what: the spec its author only; `status` the operator, but the conditions InputActive and
Recording Central. Without `streamer` the planner chooses among the streamers that fit.
"""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from media_api.auth import AuthSpec
from media_api.base import ApiModel
from media_api.input import InputConfig
from media_api.push import PushConfig
from media_api.resources.conditions import Conditions
from media_api.resources.meta import API_VERSION, LabelMap, ObjectMeta, ResourceModel
from media_api.stream import StreamConfig
from media_api.units import Count, StreamName, Text, Url

Target = Annotated[str, Field(min_length=1, max_length=253)]
GPU_HARDWARE = frozenset({"nvenc", "nvenc2"})


class StreamerSelector(ResourceModel):
    """Which streamers may run a stream."""

    match_labels: LabelMap | None = Field(
        default=None, description="Labels that a streamer must have, each with this value."
    )


class Claims(ResourceModel):
    """Capacity that a stream takes."""

    bitrate: Count | None = Field(default=None, description="Expected bit rate in kbit/s.")
    cpu: Annotated[float, Field(ge=0, le=1024)] | None = Field(
        default=None,
        description="Cores that the transcoder takes. Default: estimated from its configuration.",
    )


class Placement(ResourceModel):
    """Where a stream shall run."""

    streamer: Target | None = Field(
        default=None, description="Streamer resource or pod that must run it. Default: any."
    )
    preferred_streamer: Target | None = Field(
        default=None,
        alias="preferredStreamer",
        description="Streamer resource or pod that runs it while it has room.",
    )
    streamer_selector: StreamerSelector | None = Field(
        default=None,
        alias="streamerSelector",
        description="Which streamers may run it. Default: all.",
    )
    gpu_required: bool | None = Field(
        default=None,
        alias="gpuRequired",
        description="Only a streamer with a GPU may run it. Default: if transcoder.global.hw is"
        " nvenc.",
    )
    claims: Claims | None = Field(default=None, description="Capacity that the stream takes.")
    edge_cache: Target | None = Field(
        default=None,
        alias="edgeCache",
        description="Cache resource that viewers are sent to. Default: to the streamer itself.",
    )


class SecretReference(ResourceModel):
    """A Secret with `username` and `password`, or with the whole `url`."""

    name: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="Secret of the same namespace; Central needs the right to get it."
    )


CREDENTIALS = "Credentials of the URL, put in by Central for the streamer alone."


class SpecInput(InputConfig):
    """An input whose credentials may stand in a Secret."""

    credentials_secret_ref: SecretReference | None = Field(
        default=None, alias="credentialsSecretRef", description=CREDENTIALS
    )


class SpecPush(PushConfig):
    """A push whose credentials may stand in a Secret."""

    credentials_secret_ref: SecretReference | None = Field(
        default=None, alias="credentialsSecretRef", description=CREDENTIALS
    )


class SpecAuth(AuthSpec):
    """Authorisation whose backend's credentials, or whose whole URL, may stand in a Secret."""

    credentials_secret_ref: SecretReference | None = Field(
        default=None, alias="credentialsSecretRef", description=CREDENTIALS
    )


class StreamSpec(StreamConfig, Placement):
    """A stream configuration under the names of the REST API, and its placement."""

    # The aliases of Placement are written out there: a generator would rename the media fields.
    model_config: ClassVar[Any] = {"alias_generator": None}

    name: StreamName | None = Field(  # type: ignore[assignment]  # optional here: metadata.name
        default=None,
        description="Real name of the stream, with slashes and capitals. Default: metadata.name.",
    )
    inputs: Annotated[list[SpecInput], Field(max_length=64)] = Field(  # type: ignore[assignment]  # a list of a subclass
        default_factory=list, description="Inputs, the best first. None: only `backup` is shown."
    )
    pushes: Annotated[list[SpecPush], Field(max_length=64)] | None = Field(  # type: ignore[assignment]
        default=None, description="Where the stream is sent. Default: nowhere."
    )
    on_play: SpecAuth | None = Field(
        default=None, description="Authorisation of viewers. Default: all may play."
    )
    on_publish: SpecAuth | None = Field(
        default=None, description="Authorisation of publishers. Default: all may publish."
    )

    @property
    def needs_gpu(self) -> bool:
        """True if only a streamer with a GPU may run the stream."""
        if self.gpu_required is not None:
            return self.gpu_required
        options = self.transcoder.global_ if self.transcoder else None
        return options is not None and options.hw in GPU_HARDWARE


class StreamResourceStatus(ResourceModel):
    """What became of a Stream."""

    observed_generation: Count | None = Field(
        default=None, description="Generation of the spec that this status is about."
    )
    conditions: Conditions | None = Field(
        default=None,
        description="Ready, Scheduled, ConfigAccepted, InputActive, Recording;"
        " Stalled if no retry helps.",
    )
    streamer: Target | None = Field(default=None, description="Pod or server that runs it.")
    preferred_streamer: Target | None = Field(
        default=None, description="What it preferred when it was placed there."
    )
    previous_streamer: Target | None = Field(
        default=None, description="Leaving pod that runs it until the new one has pictures."
    )
    active_streamer: Target | None = Field(
        default=None, description="Where frames were last seen; written by Central."
    )
    archives: Annotated[list[Target], Field(max_length=8)] | None = Field(
        default=None,
        description="Pods on whose archive volumes it was recorded, the latest first.",
    )
    stream_name: StreamName | None = Field(default=None, description="Name in play URLs.")
    input: Text | None = Field(default=None, description="Input in use, without credentials.")
    urls: Annotated[dict[str, Url], Field(max_length=32)] | None = Field(
        default=None,
        description="Play URLs by form: hls, llhls, fmp4, tshttp, flv, rtmp, player, jpeg.",
    )


class StreamResource(ApiModel):
    """A Stream object."""

    api_version: str = Field(default=API_VERSION, alias="apiVersion")
    kind: str = "Stream"
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: StreamSpec = Field(default_factory=lambda: StreamSpec())
    status: StreamResourceStatus = Field(default_factory=StreamResourceStatus)

    @property
    def stream_name(self) -> str:
        """Real name of the stream."""
        return self.spec.name or self.metadata.name
