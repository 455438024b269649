"""Viewers that watch in the background while a test breaks things.

Role: measure what a viewer notices. `SegmentViewer` plays HLS as players do (playlist, new
segments, again) and keeps the longest time without a new segment, and what it was refused.
"""

from __future__ import annotations

import itertools
import threading
import time
import urllib.parse
from types import TracebackType

from appliance import fetch

POLL_S = 0.5
FETCH_TIMEOUT_S = 3.0
END_TIMEOUT_S = 15.0


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
