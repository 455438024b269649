"""Times as Kubernetes writes them (`metav1.Time`): RFC 3339 in UTC with whole seconds."""

from datetime import UTC, datetime

FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(FORMAT)


def parse_timestamp(text: str) -> datetime:
    """Raises ValueError."""
    return datetime.strptime(text, FORMAT).replace(tzinfo=UTC)
