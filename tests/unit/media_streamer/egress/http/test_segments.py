"""What a copy of a stream has not is asked of the server that it is taken from."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from media_streamer.egress.access import Access, AccessDenied, PassOn
from media_streamer.egress.http.segments import passed_on
from media_streamer.egress.segmented_sessions import SegmentedSession
from media_streamer.wire.control import AccessRequest, DeliveryConfig, Passage

SOURCE = Passage("http://pod-1:8080", "news", "k", chain=False)
COPY = Access(
    "1", "a", Path("media"), 1, AccessRequest("a", "hls", "play", "1"),
    config=DeliveryConfig(taken_from=SOURCE),
)  # fmt: skip
MISSING = AccessDenied(404, "not_found", "There is no such segment, or it is too old")


def viewer(access: Access) -> SegmentedSession:
    session: Any = SimpleNamespace(bytes=0)
    return SegmentedSession(access, session, ("a", "hls", "1", ""), 0.0)


def look(access: Access, *, ready: bool = True, denied: AccessDenied | None = MISSING) -> None:
    index: Any = SimpleNamespace(is_ready=lambda: ready)
    with passed_on(viewer(access), index):
        if denied is not None:
            raise denied


def test_what_is_missing_is_asked_of_the_source_in_the_name_of_the_session() -> None:
    with pytest.raises(PassOn) as passing:
        look(COPY)
    assert passing.value.access.config.passage == SOURCE
    assert passing.value.account is not None


def test_a_copy_that_has_nothing_yet_is_not_waited_for() -> None:
    with pytest.raises(PassOn):
        look(COPY, ready=False, denied=None)


def test_what_is_there_or_fails_otherwise_is_answered_here() -> None:
    look(COPY, denied=None)
    with pytest.raises(AccessDenied, match="503"):
        look(COPY, denied=AccessDenied(503, "no_data", "The stream is not running now"))


@pytest.mark.parametrize(
    "access",
    [replace(COPY, relay=True), replace(COPY, config=DeliveryConfig())],
    ids=["asked by a server: rings end", "no copy"],
)
def test_nobody_else_is_asked(access: Access) -> None:
    with pytest.raises(AccessDenied, match="404"):
        look(access)
    look(access, ready=False, denied=None)
