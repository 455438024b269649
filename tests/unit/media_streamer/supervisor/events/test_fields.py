"""Fields of events: who publishes is known to the supervisor, the rest to the media worker."""

from media_streamer.supervisor.events.fields import session_fields, stream_fields
from media_streamer.supervisor.sessions import Session
from media_streamer.wire.control import SourceInfo, StreamEvent
from msgspec.structs import replace

PUBLISHED = SourceInfo("s-1", "publish", "publish", "publish://", 1, None, 9)
TOLD = StreamEvent("a", "source_opened", PUBLISHED)


def publisher() -> Session:
    return Session(
        id="p-1", name="a", kind="publish", proto="rtmp", ip="10.0.0.7", user_agent="OBS"
    )


def test_a_publisher_is_named_with_its_protocol() -> None:
    fields = stream_fields(TOLD, [publisher()])
    assert fields["media"] == "a"
    assert (fields["id"], fields["bytes"], fields["url"]) == ("s-1", 9, "publish://")
    assert (fields["proto"], fields["ip"], fields["user_agent"]) == ("rtmp", "10.0.0.7", "OBS")
    assert not {"op", "name", "event", "source_id"} & fields.keys()


def test_a_source_that_is_pulled_is_not_taken_for_the_publisher() -> None:
    pulled = replace(TOLD, source=replace(PUBLISHED, type="ingest", proto="rtsp"))
    assert stream_fields(pulled, [publisher()])["proto"] == "rtsp"
    assert stream_fields(TOLD, [])["proto"] == "publish"


def test_a_session_has_the_stream_as_media_and_says_why_it_ended() -> None:
    viewer = Session(id="v-1", name="a", kind="play", proto="hls", ip="10.0.0.8")
    viewer.close_reason = "timeout"
    fields = session_fields(viewer)
    assert (fields["media"], fields["reason"], fields["type"]) == ("a", "timeout", "play")
    assert "name" not in fields
