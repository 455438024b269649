"""Camera agents and persons: collections of the API that are always empty here."""

from media_api.base import ApiModel
from media_api.units import Text
from pydantic import Field

from media_central.models.values import Number, UnixMilliseconds


class Agent(ApiModel):
    """A camera agent."""

    id: Text | None = Field(default=None, description="Id.")


class Person(ApiModel):
    """A person that video analytics knows."""

    person_id: Number = Field(description="Id.")
    updated_at: UnixMilliseconds = Field(description="Last change, Unix ms.")


class DvrName(ApiModel):
    """An archive that streams can refer to."""

    name: Text = Field(description="Its name on the streamers.")
