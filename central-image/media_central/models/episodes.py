"""Episodes: stretches of an archive that something happened in, and that are kept."""

from typing import Annotated, Any, Literal

from media_api.base import ApiModel, JsonObject
from media_api.episodes import EpisodeId
from media_api.units import LongText, StreamName, Text
from pydantic import Field

from media_central.models.values import UnixMilliseconds

Picture = Annotated[str, Field(max_length=1_000_000, description="Base64.")]


class EpisodeTimestamps(ApiModel):
    """When the episode was seen by whom."""

    central_timestamp: UnixMilliseconds | None = Field(default=None, description="Central, ms.")
    inference_timestamp: UnixMilliseconds | None = Field(
        default=None, description="The server that found it, ms."
    )


class Episode(ApiModel):
    """An episode as it is sent, kept and answered."""

    episode_id: EpisodeId = Field(description="Id, made by whoever found it.")
    media: StreamName = Field(description="The stream.")
    opened_at: UnixMilliseconds = Field(description="Begin, Unix ms.")
    updated_at: UnixMilliseconds = Field(description="Last sign of it, Unix ms.")
    closed_at: UnixMilliseconds | None = Field(default=None, description="End, Unix ms.")
    started_at: UnixMilliseconds | None = Field(default=None, description="First frame, Unix ms.")
    episode_type: Text = Field(default="generic", description="Kind.")
    close_reason: Text | None = Field(default=None, description="Why it ended.")
    recording_status: Text | None = Field(default=None, description="Whether it is recorded.")
    payload: Any = Field(default=None, description="Whatever its maker wants to keep with it.")
    detections: Any = Field(default=None, description="What was seen.")
    preview: Picture | None = Field(default=None, description="Picture of what was seen.")
    preview_timestamp: UnixMilliseconds | None = Field(default=None, description="Of it, ms.")
    frame_preview: Picture | None = Field(default=None, description="The whole picture.")
    match_score: float | None = Field(default=None, description="How sure it is.")
    license_plate_text: Text | None = Field(default=None, description="Number plate.")
    license_plate_missing: bool | None = Field(default=None, description="There is none.")
    vehicle_purpose: Text | None = Field(default=None, description="What the vehicle is for.")
    vehicle_facing_side: Text | None = Field(default=None, description="Its side in view.")
    vehicle_emergency_subtype: Text | None = Field(default=None, description="Which service.")
    originator: JsonObject | None = Field(default=None, description="Who found it.")
    fingerprint: JsonObject | None = Field(default=None, description="Of a face.")
    matched_persons: Annotated[list[JsonObject], Field(max_length=1000)] | None = Field(
        default=None, description="Who it may be."
    )
    episode_appearance_timestamps: EpisodeTimestamps | None = Field(
        default=None, description="When it was seen."
    )
    dvr_presence: Literal["present", "absent", "unknown"] | None = Field(
        default=None, description="Whether its archive is there; with dvr_presence_check only."
    )
    comment: LongText | None = Field(default=None, description="Note.")
