"""Tokens of the API: for programs, and for people who are not the administrator."""

from typing import Annotated, Literal

from media_api.base import ApiModel
from media_api.units import LongText, ObjectName, Secret, Text
from pydantic import Field

from media_central.models.values import UnixMilliseconds

Role = Literal["admin", "editor", "viewer"]
"""admin: everything; editor: streams and all that belongs to them; viewer: reads, no secrets."""
MIN_KEY_LENGTH = 16
Scopes = Annotated[list[Text], Field(max_length=64)]


class TokenPermission(ApiModel):
    """What may be done with some resources, within the role."""

    scopes: Scopes = Field(
        description="Collection, or collection/name; * stands for anything: streams/sport*."
    )
    list_: bool = Field(default=False, alias="list", description="Read the collection.")
    read: bool = Field(default=False, description="Read one by name.")
    write: bool = Field(default=False, description="Create, change, delete.")
    execute: bool = Field(default=False, description="Call a function, such as stop.")


class TokenBase(ApiModel):
    """What is kept of a token and what is answered of it."""

    name: ObjectName = Field(description="Name, also the login.")
    role: Role | None = Field(
        default=None, description="What it may do at most. Default: editor; viewer without writes."
    )
    auth_scopes: Scopes | None = Field(
        default=None, description="Scopes that bound all permissions. Default: none."
    )
    permissions: Annotated[list[TokenPermission], Field(max_length=64)] | None = Field(
        default=None, description="What it may do. Default: all that the role allows."
    )
    comment: LongText | None = Field(default=None, description="Note of the administrator.")


class ApiToken(TokenBase):
    """A token as it is made. Presented as `Bearer KEY`, or as login NAME with password KEY."""

    key: Annotated[Secret, Field(min_length=MIN_KEY_LENGTH)] | None = Field(
        default=None,
        description="The secret: answered once, when it was made; generated if left out.",
    )


class StoredToken(TokenBase):
    """A token as it is kept: what it says of its key cannot be turned back into it."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="SHA-256 of the key, hex."
    )


class ApiTokenState(TokenBase):
    """A token as it is answered."""

    key: Text = Field(default="***", description="Hidden but in the answer to its making.")
    created_at: UnixMilliseconds | None = Field(default=None, description="Creation, Unix ms.")
    updated_at: UnixMilliseconds | None = Field(default=None, description="Last change, Unix ms.")
