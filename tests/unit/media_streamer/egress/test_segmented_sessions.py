"""Viewers by segments of one worker: who stays when there are too many."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest
from media_streamer.egress import segmented_sessions as module
from media_streamer.egress.access import Access
from media_streamer.egress.segmented_sessions import SegmentedSessions, archive_token
from media_streamer.egress.served_sessions import ServedSessions
from media_streamer.wire.control import AccessRequest


class Hub:
    """Lets everybody in; `Cluster` is what servers show."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.opened: dict[tuple[str, bool], str] = {}
        self.sessions = ServedSessions(lambda _: None)
        self._numbers = itertools.count(1)

    async def leave(self, request: AccessRequest) -> Access:
        self.asked.append(request.ip)
        relay = request.authorization.startswith("Cluster")
        number = str(next(self._numbers))
        if request.authorization and not relay:
            number = self.opened.setdefault((request.ip, request.archive), number)
        return Access(number, request.name, Path("media"), 1, request, request.token, relay=relay)


@dataclass
class Request:
    ip: str
    name: str = "demo"
    token: str = "t"
    proof: str = ""
    is_of_server: bool = False

    def access_request(self, proto: str) -> AccessRequest:
        return AccessRequest(
            self.name, proto, "play", self.ip, token=self.token, authorization=self.proof,
            own_archive=self.is_of_server,
        )  # fmt: skip

    def note(self, access: Access) -> None:
        self.session = access.session_id


async def test_who_plays_what_is_recorded_is_asked_about_once() -> None:
    hub = Hub()
    viewers = SegmentedSessions(hub)  # type: ignore[arg-type]  # the part of a Hub that is used
    found = [await viewers.find(Request("1"), "hls", archive=True) for _ in range(3)]
    assert len(hub.asked) == 1
    assert found[0] is found[2]
    assert viewers.known(("demo", "hls archive", "1", archive_token("t", "", own=False)))
    await viewers.find(Request("1", proof="Cluster x"), "hls", archive=True)
    await viewers.find(Request("1"), "hls")
    assert len(hub.asked) == len(viewers) == 3


async def test_who_shows_a_key_shares_his_session_with_nobody() -> None:
    hub = Hub()
    viewers = SegmentedSessions(hub)  # type: ignore[arg-type]  # the part of a Hub that is used
    server = await viewers.find(Request("1", proof="Cluster x", is_of_server=True), "hls")
    viewer = await viewers.find(Request("1"), "hls")
    other = await viewers.find(Request("1", proof="Cluster y", is_of_server=True), "hls")
    assert len({server.access.session_id, viewer.access.session_id, other.access.session_id}) == 3
    assert await viewers.find(Request("1"), "hls") is viewer


@pytest.mark.parametrize("archive", [False, True])
async def test_a_key_that_is_none_makes_no_session_of_its_own(archive: bool) -> None:
    hub = Hub()
    viewers = SegmentedSessions(hub)  # type: ignore[arg-type]  # the part of a Hub that is used
    requests = [Request("1", proof=f"Bearer {n}", is_of_server=True) for n in range(5)]
    found = [await viewers.find(one, "hls", archive=archive) for one in requests]
    assert all(one is found[0] for one in found)
    assert len(viewers) == len(hub.sessions) == 1


async def test_the_idlest_goes_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 3)
    hub = Hub()
    viewers = SegmentedSessions(hub)  # type: ignore[arg-type]  # the part of a Hub that is used
    for ip in ("1", "2", "3", "1", "4", "1", "3"):
        await viewers.find(Request(ip), "hls")
    assert hub.asked == ["1", "2", "3", "4"], "2 was the idlest, though 1 came first"
    await viewers.find(Request("2"), "hls")
    await viewers.find(Request("4"), "hls")
    assert hub.asked == ["1", "2", "3", "4", "2", "4"], "4 had asked least lately"
    assert len(viewers) == len(hub.sessions) == 3
