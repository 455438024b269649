"""Fields of the events, made from what the server knows; names as in the API's sessions."""

from collections.abc import Iterable
from typing import Any

import msgspec

from media_streamer.supervisor.sessions import Session
from media_streamer.wire.control import StreamEvent


def session_fields(session: Session) -> dict[str, Any]:
    """Of play_opened, play_started and play_closed: the session, its stream as `media`."""
    fields = session.info()
    fields["media"] = fields.pop("name")
    fields.pop("status")
    return {**fields, "reason": session.close_reason}


def stream_fields(told: StreamEvent, publishers: Iterable[Session]) -> dict[str, Any]:
    """Of what a media worker tells of a stream or one of its inputs."""
    fields = {"media": told.name, "reason": told.reason}
    if told.source is None:
        return fields
    fields |= msgspec.structs.asdict(told.source)
    publisher = next(iter(publishers), None)
    if told.source.type == "publish" and publisher is not None:
        # The worker sees bytes only; who sends them is known here.
        fields |= {"proto": publisher.proto, "ip": publisher.ip, "token": publisher.token}
        fields["user_agent"] = publisher.user_agent
    return fields
