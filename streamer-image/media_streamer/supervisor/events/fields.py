"""Fields of the events, made from what the server knows; names as in the API's sessions."""

from collections.abc import Iterable, Mapping
from typing import Any

from media_streamer.supervisor.sessions import Session

_OF_THE_MESSAGE = frozenset({"op", "id", "name", "event"})
"""Envelope of a media worker's message; its `source_id` is the event's `id`."""


def session_fields(session: Session) -> dict[str, Any]:
    """Of play_opened, play_started and play_closed: the session, its stream as `media`."""
    fields = session.info()
    fields["media"] = fields.pop("name")
    fields.pop("status")
    return {**fields, "reason": session.close_reason}


def stream_fields(
    name: str, message: Mapping[str, Any], publishers: Iterable[Session]
) -> dict[str, Any]:
    """Of what a media worker tells of a stream or one of its inputs."""
    fields = {key: value for key, value in message.items() if key not in _OF_THE_MESSAGE}
    if "source_id" in fields:
        fields["id"] = fields.pop("source_id")
    publisher = next(iter(publishers), None)
    if fields.get("type") == "publish" and publisher is not None:
        # The worker sees bytes only; who sends them is known here.
        fields |= {"proto": publisher.proto, "ip": publisher.ip, "token": publisher.token}
        fields["user_agent"] = publisher.user_agent
    return {"media": name, **fields}
