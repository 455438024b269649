"""STUN and TURN servers that WebRTC peers are told of."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from media_api.base import ApiModel
from media_api.units import Seconds, Secret, Url

MIN_LIFETIME_SECONDS = 60
_URL = re.compile(
    r"(stuns?|turns?):(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?(\?transport=(udp|tcp))?",
    re.ASCII,
)
_PRINTABLE = r"^[ -~]*$"
"""What a header of HTTP can carry."""


def _ice_url(text: str) -> str:
    match = _URL.fullmatch(text)
    if match is None or (match[4] and text.startswith("stun")):
        raise ValueError(
            f"{text!r} is no ICE server: write stun:HOST[:PORT] or turn:HOST[:PORT][?transport=tcp]"
        )
    return text


class IceServerConfig(ApiModel):
    """A STUN or TURN server that WebRTC players and publishers are told of, for those whose network
    lets them reach nothing else."""

    url: Annotated[Url, AfterValidator(_ice_url)] = Field(
        description="stun:HOST[:PORT], turn:HOST[:PORT], or turns: (TLS); ?transport=tcp for TURN."
    )
    username: Annotated[str, Field(max_length=512, pattern=_PRINTABLE)] | None = Field(
        default=None, description="Name at the TURN server. Everybody who may play is told it."
    )
    password: Annotated[Secret, Field(pattern=_PRINTABLE)] | None = Field(
        default=None, description="Password at the TURN server, told with the name."
    )
    secret: Secret | None = Field(
        default=None,
        description="In place of name and password: secret that the TURN server shares with this"
        " one (coturn: static-auth-secret). Each peer gets credentials of its own for `lifetime`.",
    )
    lifetime: Annotated[Seconds, Field(ge=MIN_LIFETIME_SECONDS)] | None = Field(
        default=None, description="How long credentials made by `secret` hold. Default 1d."
    )

    @model_validator(mode="after")
    def _has_credentials(self) -> Self:
        given = self.secret or (self.username and self.password)
        if self.url.startswith("turn") and not given:
            raise ValueError("a TURN server needs username and password, or secret")
        return self
