"""Episodes: stretches of an archive that something happened in, and that are kept from deletion.

Times are Unix milliseconds. An episode that is not closed lasts until its last sign.
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from media_api.base import ApiModel
from media_api.units import LongText, StreamName, Text

EpisodeId = Annotated[int, Field(ge=1, le=2**63 - 1)]
"""A snowflake: JavaScript cannot hold it as a number."""
Moment = Annotated[int, Field(ge=0, le=253_402_300_799_000)]
"""Unix ms up to the year 9999."""


class KeptEpisode(ApiModel):
    """What a streamer needs to know of an episode to keep it."""

    episode_id: EpisodeId = Field(description="Id.")
    media: StreamName = Field(description="The stream.")
    opened_at: Moment = Field(description="Begin, Unix ms.")
    updated_at: Moment = Field(description="Last sign of it, Unix ms.")
    closed_at: Moment | None = Field(default=None, description="End, Unix ms.")


class DvrEpisode(KeptEpisode):
    """An episode of an archive of this streamer."""

    episode_type: Text = Field(default="generic", description="Kind.")
    close_reason: Text | None = Field(default=None, description="Why it ended.")
    comment: LongText | None = Field(default=None, description="Note.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.closed_at is not None and self.closed_at < self.opened_at:
            raise ValueError("closed_at is before opened_at")
        return self
