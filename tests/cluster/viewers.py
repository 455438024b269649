"""Viewers that watch in the background while a test breaks things.

Role: measure what a viewer notices. `SegmentViewer` plays HLS as players do (playlist, new
segments, again) and keeps the longest time without a new segment, and what it was refused;
`watched` adds viewers of HLS, LL-HLS and RTMP that keep their connections.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from appliance import fetch
from local_cluster import wait_until

from tests.support.fault_viewers import Viewer

POLL_S = 0.5
FETCH_TIMEOUT_S = 10.0
"""As long as hls.js waits for the first byte of a playlist (`maxTimeToFirstByteMs`)."""
END_TIMEOUT_S = 15.0
RTMP_PORT = 1935
"""Of a pool's Service."""


class SegmentViewer:
    """``with SegmentViewer(url) as viewer: ...; viewer.longest_gap``: an HLS viewer.

    `url`: of a master or media playlist. Every request is a connection of its own, so that each is
    sent to a pod anew.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._seen: set[str] = set()
        self._times: list[float] = []
        self.failed: list[str] = []
        """Requests without a good answer, and why."""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="viewer", daemon=True)

    def __enter__(self) -> SegmentViewer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join(END_TIMEOUT_S)

    @property
    def segments(self) -> int:
        """Segments received."""
        return len(self._times)

    @property
    def longest_gap(self) -> float:
        """Seconds between two new segments at most, also until now."""
        times = [*self._times, time.monotonic()]
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    def _watch(self) -> None:
        while not self._end.wait(POLL_S):
            try:
                segments = self._segments()
            except OSError as error:  # what players do: try again
                self._note(self._url, error)
                continue
            for segment in segments:
                if segment not in self._seen:
                    self._fetch(segment)

    def _segments(self) -> list[str]:
        url, lines = self._url, self._lines(self._url)
        if any(line.startswith("#EXT-X-STREAM-INF") for line in lines):
            variant = next(line for line in lines if line and not line.startswith("#"))
            url = urllib.parse.urljoin(url, variant)
            lines = self._lines(url)
        return [urllib.parse.urljoin(url, line) for line in lines if line and line[0] != "#"]

    def _fetch(self, segment: str) -> None:
        try:
            fetch(segment, FETCH_TIMEOUT_S)
        except OSError as error:
            self._note(segment, error)
        else:
            self._seen.add(segment)
            self._times.append(time.monotonic())

    def _note(self, url: str, error: OSError) -> None:
        self.failed.append(f"{time.strftime('%X')} {url}: {error}")

    def _lines(self, url: str) -> list[str]:
        return fetch(url, FETCH_TIMEOUT_S).decode().splitlines()


PROTOCOLS = ("hls", "llhls", "rtmp")


@dataclass
class Audience:
    """Viewers of a pool by every way that matters in an upgrade; see `watched`."""

    segments: list[SegmentViewer]
    """Of HLS, each request a connection of its own."""
    players: dict[str, Viewer]
    """By `PROTOCOL:STREAM`: HLS, LL-HLS and RTMP as players do, who keep their connection."""

    def wait_for_more(self) -> None:
        """Wait until each has got further media."""
        counts = [(viewer, viewer.segments) for viewer in self.segments]
        pieces = [(player, player.pieces) for player in self.players.values()]
        wait_until(
            lambda: (
                all(viewer.segments > seen + 2 for viewer, seen in counts)
                and all(player.pieces > seen + 2 for player, seen in pieces)
            ),
            "all viewers watch on",
            60,
        )

    def figures(self) -> dict[str, Any]:
        """What they noticed: longest gaps in s by protocol, requests, what failed, and reconnects
        of RTMP. Ends the count."""
        told = {name: player.ask() for name, player in self.players.items()}

        def longest(protocol: str) -> float:
            return max(one["gap"] for name, one in told.items() if name.startswith(f"{protocol}:"))

        return {
            "new_connections_gap": round(max(one.longest_gap for one in self.segments), 2),
            **{f"{name}_gap": round(longest(name), 2) for name in PROTOCOLS},
            "rtmp_reconnects": sum(
                int(one["lost"]) for name, one in told.items() if name.startswith("rtmp:")
            ),
            "requests": sum(one.segments for one in self.segments)
            + sum(int(one["got"]) for name, one in told.items() if "hls:" in name),
            "failed": [
                *(reason for viewer in self.segments for reason in viewer.failed),
                *(reason for player in self.players.values() for reason in player.reasons),
            ],
        }


@contextlib.contextmanager
def watched(url: str, streams: Iterable[str], rtmp_port: int = RTMP_PORT) -> Iterator[Audience]:
    """An audience of each stream at the base URL `url` of a pool's Service."""
    place = urllib.parse.urlsplit(url)
    ports = {"http": place.port or 80, "rtmp": rtmp_port}
    with contextlib.ExitStack() as stack:
        segments = [
            stack.enter_context(SegmentViewer(f"{url}/{name}/index.m3u8")) for name in streams
        ]
        players = {
            f"{protocol}:{name}": Viewer(protocol, name, ports, place.hostname or "")
            for name in streams
            for protocol in PROTOCOLS
        }
        threads = [
            threading.Thread(target=player.watch, name=name, daemon=True)
            for name, player in players.items()
        ]
        for thread, player in zip(threads, players.values(), strict=True):
            thread.start()
            stack.callback(thread.join, END_TIMEOUT_S)
            stack.callback(player.ended.set)
        audience = Audience(segments, players)
        audience.wait_for_more()
        for player in players.values():
            player.ask()  # what was before does not count
            player.reasons.clear()
        for viewer in segments:
            viewer.failed.clear()
        yield audience
