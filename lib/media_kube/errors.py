"""What the Kubernetes API refuses: the errors that level-based controllers must tell apart."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

RETRY_AFTER_LIMIT_SECONDS = 60.0


class KubeError(Exception):
    """The API server refused: `status` is the HTTP status, `reason` the Status object's reason."""

    retry_after_seconds: float = 0.0
    """The server asks not to be asked before (RFC 9110, 10.2.3); 0 if it says nothing."""

    def __init__(
        self, status: int, reason: str, message: str, owners: Sequence[tuple[str, str]] = ()
    ) -> None:
        """`owners`: (field, manager) that a server-side apply is in conflict with."""
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.owners = tuple(owners)

    @property
    def is_conflict(self) -> bool:
        """Somebody else owns a field (server-side apply), or the object changed meanwhile."""
        return self.status == 409

    @property
    def is_gone(self) -> bool:
        return self.status == 404

    @property
    def is_expired(self) -> bool:
        """The server forgot that version: list anew."""
        return self.status == 410

    @property
    def is_transient(self) -> bool:
        """Worth a retry as it is: overload, time-out, server trouble."""
        return self.status in (0, 408, 425, 429) or self.status >= 500


def error_of_answer(status: int, body: bytes, retry_after: str | None) -> KubeError:
    """From an HTTP answer, which a proxy may have given; `retry_after` is its header."""
    try:
        error = error_of_status(status, json.loads(body))
    except (ValueError, AttributeError):
        error = KubeError(status, "", body[:200].decode(errors="replace"))
    # The API server gives seconds, never a date.
    if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
        error.retry_after_seconds = min(float(retry_after), RETRY_AFTER_LIMIT_SECONDS)
    return error


def error_of_status(status: int, data: Mapping[str, Any]) -> KubeError:
    """From a Status object; `status` is for one without a code."""
    causes = (data.get("details") or {}).get("causes") or []
    owners = [
        (cause.get("field", ""), _manager(cause.get("message", "")))
        for cause in causes
        if cause.get("reason") == "FieldManagerConflict"
    ]
    return KubeError(
        status or data.get("code", 0), data.get("reason", ""), data.get("message", ""), owners
    )


def _manager(message: str) -> str:
    """`conflict with "argocd" using v1` -> argocd"""
    parts = message.split('"')
    return parts[1] if len(parts) > 2 else message
