"""A request that is refused, in the words of HTTP: what presentation and delivery both raise."""

from media_streamer.wire.media import Outage


class AccessDenied(Exception):  # noqa: N818 - a decision, not a fault
    """The request is refused: `status` as in HTTP, `code` for programs, `title` for people."""

    def __init__(self, status: int, code: str, title: str, location: str = "") -> None:
        super().__init__(f"{status} {code}: {title}")
        self.status = status
        self.code = code
        self.title = title
        self.location = location
        """Where a 302 sends the viewer; empty otherwise."""


def not_running(outage: Outage) -> AccessDenied:
    """The refusal of who wants a stream that gives nothing now."""
    reason = outage.reason or "its source gives no data"
    return AccessDenied(503, "no_data", f"The stream is not running now: {reason}")
