"""Refusals in the words and codes of RTSP."""

from media_streamer.egress.access import AccessDenied
from media_streamer.protocols.rtsp.message import HeaderFields


class Refused(Exception):  # noqa: N818 - a decision, not a fault
    """The request is answered with an error: `status` of RTSP, `reason` for people."""

    def __init__(self, status: int, reason: str, headers: HeaderFields | None = None) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.headers = headers or {}

    @classmethod
    def of(cls, denied: AccessDenied) -> "Refused":
        """The same decision in RTSP; a redirection stays one."""
        headers: HeaderFields = {"Location": denied.location} if denied.location else {}
        return cls(denied.status, denied.title, headers)
