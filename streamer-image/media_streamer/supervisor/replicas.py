"""Archives whose gaps are filled from other servers: which those are, and what is said of them.

Role: between the archives, on the event loop, and the replicator, which has a thread of its own.
Nothing here waits for a disk or another server.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from media_streamer.archive.declared import Declared
from media_streamer.archive.ranges import Range
from media_streamer.archive.replicator import Replicator

JsonObject = dict[str, Any]


class Replicas:
    """One per server."""

    def __init__(self, kept: Callable[[str], list[Range]]) -> None:
        """`kept`: what episodes keep of a stream; for any thread."""
        self._kept = kept
        self._replicator: Replicator | None = None
        self._told: dict[str, Declared] = {}
        self._refused: dict[str, str] = {}
        """Streams that ask for it in vain, and why."""

    def configured(self, declared: Mapping[str, Declared], is_held: Callable[[Path], bool]) -> None:
        """What is to be filled now; `is_held`: whether a folder is ours."""
        self._refused = {
            n: one.replica_refused for n, one in declared.items() if one.replica_refused
        }
        wanted = {
            name: one
            for name, one in declared.items()
            if one.replica is not None and one.records and is_held(one.replica.place.disk)
        }
        if wanted == self._told:
            return
        self._told = wanted
        if self._replicator is None:
            self._replicator = Replicator(self._kept)
        self._replicator.set_streams(wanted)

    def close(self) -> None:
        if self._replicator is not None:
            self._replicator.close()

    # What is said

    def statistics(self, stream: str) -> JsonObject:
        """Part of `media_api.status.StreamStats`."""
        if words := self._refused.get(stream):
            return {"dvr_replicate": {"error": words}}
        one = self._told.get(stream)
        figures = self._replicator.figures(stream) if self._replicator is not None else None
        if one is None or one.replica is None or figures is None:
            return {}
        found: JsonObject = {
            "origin": one.replica.host,
            "filled_segments": figures.segments,
            "filled_bytes": figures.bytes,
            "filled_seconds": figures.duration_ms // 1000,
            "missing_seconds": figures.missing_ms // 1000,
            "errors": figures.errors,
        }
        if figures.error:
            found["error"] = figures.error
        whole = figures.held_ms + figures.missing_ms
        return {
            "dvr_replicate": found,
            "dvr_replication_running": figures.missing_ms > 0 and not figures.error,
            "dvr_replication": 100 * figures.held_ms // whole if whole else 100,
        }

    def alerts(self) -> dict[str, str]:
        """For people."""
        found: dict[str, str] = {}
        for name, one in self._told.items():
            figures = self._replicator.figures(name) if self._replicator is not None else None
            if one.replica is not None and figures is not None and figures.error:
                host = one.replica.host
                found.setdefault(
                    f"dvr_replicate_{host}",
                    f"gaps of archives are not filled from {host}: {name}: {figures.error}",
                )
        if self._refused:
            name, why = next(iter(self._refused.items()))
            words = f"gaps of {len(self._refused)} archives are not filled: {name}: {why}"
            found["dvr_replicate"] = words
        return found
