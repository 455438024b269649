"""Who may play, publish and administer: the authorisation parts of the configuration.

Role: `AuthSpec` hangs on a stream (`on_play`, `on_publish`), `AuthBackendConfig` is a named global
rule set used as `auth://NAME`, `AdminCredentials` protects the API.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from media_api.base import ApiModel
from media_api.networks import Network
from media_api.units import Count, ObjectName, Secret, Text, TextMap, Url

Country = Annotated[
    str,
    Field(max_length=2, pattern=r"^[A-Za-z]{2}$", description="ISO 3166-1 alpha-2 country code."),
]
Countries = Annotated[list[Country], Field(max_length=300)]
Texts = Annotated[list[Text], Field(max_length=256)]
Networks = Annotated[list[Network], Field(max_length=256)]


def named(country: str, codes: Iterable[str]) -> bool:
    """Whether a country is one of `codes`, in any case; an unknown one is none of them."""
    return bool(country) and country in {code.upper() for code in codes}


class AuthSpec(ApiModel):
    """Authorisation of sessions by an HTTP backend, a secure token or a named rule set."""

    url: Url | bool | None = Field(
        default=None,
        description=(
            "Backend: http(s)://…, /path/NAME.lua, securetoken://SECRET, auth://NAME of an "
            "auth_backend, or true/false to allow/deny everyone."
        ),
    )
    domains: Texts | None = Field(
        default=None, description="Hosts of pages that may embed the player; others are refused."
    )
    max_sessions: Count | None = Field(
        default=None, description="Sessions that one user may have open at once. Default: no limit."
    )
    allowed_countries: Countries | None = Field(
        default=None, description="Only viewers from these countries (ISO 3166-1 alpha-2) may play."
    )
    disallowed_countries: Countries | None = Field(
        default=None, description="Viewers from these countries (ISO 3166-1 alpha-2) are refused."
    )
    soft_limitation: bool | None = Field(
        default=None,
        description="Let some sessions above max_sessions in for 30 to 90 s, for who changes"
        " channels. Default false.",
    )
    session_keys: Annotated[list[Text], Field(max_length=16)] | None = Field(
        default=None,
        description="What makes a session: ip, name, proto, token or other query keys, in order.",
    )
    extra: TextMap | None = Field(
        default=None, description="Further options, passed to the backend as query parameters."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_url(cls, data: Any) -> Any:
        """`on_play: URL` is the short way to write `on_play: {url: URL}`."""
        if isinstance(data, str | bool):
            text = (
                data if isinstance(data, bool) else {"true": True, "false": False}.get(data, data)
            )
            return {"url": text}
        return data


class AdminCredentials(ApiModel):
    """Login and password of an administrator or of a read-only user."""

    login: Text = Field(description="User name.")
    password: Secret = Field(description="Password, in clear: protect the file that holds it.")

    @model_validator(mode="before")
    @classmethod
    def _from_words(cls, data: Any) -> Any:
        """`login password` or `login:password`, as configuration lines and environments say."""
        if not isinstance(data, str):
            return data
        login, separator, password = data.strip().partition(" ")
        if not separator:
            login, separator, password = data.strip().partition(":")
        if not separator or not login:
            raise ValueError("credentials are written as LOGIN PASSWORD or LOGIN:PASSWORD")
        return {"login": login, "password": password.strip()}


class AuthBackendUrl(ApiModel):
    """One backend of a rule set."""

    url: Url = Field(description="HTTP(S) URL or /path/NAME.lua, asked for each new session.")


class AuthBackendConfig(ApiModel):
    """Named rule set. First match decides, in the order of the fields, then all backends."""

    name: ObjectName = Field(description="Name used as auth://NAME.")
    allow_tokens: Texts | None = Field(default=None, description="Tokens allowed at once.")
    deny_tokens: Texts | None = Field(default=None, description="Tokens refused at once.")
    allow_ips: Networks | None = Field(
        default=None, description="Client addresses or CIDR networks that are allowed."
    )
    deny_ips: Networks | None = Field(
        default=None, description="Client addresses or CIDR networks that are refused."
    )
    allow_countries: Countries | None = Field(
        default=None, description="Countries (ISO 3166-1 alpha-2) that are allowed."
    )
    deny_countries: Countries | None = Field(
        default=None, description="Countries (ISO 3166-1 alpha-2) that are refused."
    )
    allow_uas: Texts | None = Field(
        default=None, description="User agents (beginning or part) that are allowed."
    )
    deny_uas: Texts | None = Field(
        default=None, description="User agents (beginning or part) that are refused."
    )
    backends: Annotated[list[AuthBackendUrl], Field(max_length=32)] | None = Field(
        default=None, description="Backends asked in parallel; one that allows is enough."
    )
    allow_default: bool = Field(
        default=False, description="The answer if no rule matches and no backend decides."
    )


SessionKey = Literal["ip", "name", "proto", "token"]
