"""What is asked about a session, and what was decided."""

from dataclasses import dataclass
from typing import Any, Literal

DEFAULT_AUTH_SECONDS = 180.0
"""How long a decision holds if the backend does not say (X-AuthDuration)."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request for authorisation, in the words of the backend protocol."""

    kind: Literal["play", "publish"]
    name: str
    proto: str
    ip: str
    token: str = ""
    session_id: str = ""
    request_type: Literal["new_session", "update_session"] = "new_session"
    request_number: int = 0
    stream_clients: int = 0
    total_clients: int = 0
    duration: int = 0
    """Seconds that the session is open."""
    bytes: int = 0
    qs: str = ""
    user_agent: str = ""
    referer: str = ""
    host: str = ""
    """Name of this server."""
    dvr: bool = False
    """What is recorded is played."""

    def parameters(self) -> dict[str, Any]:
        """Query of a GET, body of a POST."""
        return {key: getattr(self, key) for key in self.__slots__ if key != "kind"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`decided` is False where nobody could answer: the caller keeps the previous decision."""

    allowed: bool
    decided: bool = True
    status: int = 403
    code: str = "authorization_failed"
    title: str = "Access denied"
    location: str = ""
    auth_seconds: float = DEFAULT_AUTH_SECONDS
    user_id: str = ""
    max_sessions: int | None = None
    kept: bool = False
    """It cost a question to a backend, and holds for `auth_seconds` without another."""


def allow(**details: Any) -> Verdict:
    return Verdict(True, status=200, code="", title="", **details)


def deny(code: str, title: str, **details: Any) -> Verdict:
    return Verdict(False, code=code, title=title, **details)


def undecided(title: str) -> Verdict:
    """The backend is down: a new session is refused, an open one goes on."""
    return Verdict(False, decided=False, status=503, code="auth_backend_unavailable", title=title)
