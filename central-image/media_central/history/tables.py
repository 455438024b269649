"""The tables of history: their columns, and how long their rows are kept."""

from dataclasses import dataclass

COLUMNS: dict[str, tuple[str, ...]] = {
    "event": ("at", "event_id", "server", "media", "event", "body"),
    "layout_event": ("at", "stream", "layout"),
    "audit": (
        "at", "originator", "role", "ip", "method", "path", "entity_type", "entity_id", "before",
        "after",
    ),
    "session": (
        "at", "id", "streamer", "stream", "type", "proto", "ip", "opened_at", "closed_at", "bytes",
        "country", "user_agent",
    ),
    "stream_sample": (
        "at", "stream", "streamer", "status", "bitrate_kbit", "clients_avg", "clients_max",
        "bytes_in", "bytes_out", "alive",
    ),
    "streamer_sample": (
        "at", "streamer", "online", "cpu", "memory", "streams", "clients", "clients_max",
        "input_kbit", "output_kbit",
    ),
}  # fmt: skip
"""What is queued and written by COPY, and partitioned by day."""

PARTITIONED = (*COLUMNS, "stream_hour")
HOURS_KEPT_DAYS = 62
"""Of hourly figures: two months, a graph of 30 days beside that of the 30 before."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Days that rows are kept: each event, session and minute; and what is small, for long."""

    rows: int
    rollups: int

    def days(self, table: str) -> int:
        """How long a table keeps its rows."""
        if table in ("audit", "layout_event", "stream_day", "streamer_day", "session_day"):
            return max(self.rows, self.rollups)
        if table in ("stream_hour", "streamer_hour"):
            return max(self.rows, min(HOURS_KEPT_DAYS, self.rollups))
        return self.rows
