"""Copies of archives in buckets: which streams each copier has, and what is said of it.

Role: between the archives, on the event loop, and a copier for each bucket, which has a thread of
its own. Nothing here waits for a bucket.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from media_streamer.archive.copier import Copier
from media_streamer.archive.declared import Declared
from media_streamer.archive.keeper import Summary
from media_streamer.archive.ranges import Range
from media_streamer.archive.retention import StoredFile
from media_streamer.s3.address import S3Address

JsonObject = dict[str, Any]


class Copies:
    """One per server."""

    def __init__(self, hostname: Callable[[], str]) -> None:
        self._hostname = hostname
        self._copiers: dict[S3Address, Copier] = {}
        self._told: dict[S3Address, dict[str, Declared]] = {}
        self._of: dict[str, Declared] = {}
        """Streams whose archive is ours, and is copied or should be."""

    def configured(self, declared: Mapping[str, Declared], is_held: Callable[[Path], bool]) -> None:
        """What is to be copied now; `is_held`: whether a folder is ours."""
        self._of = {
            name: one
            for name, one in declared.items()
            if (one.copy is not None and is_held(one.root)) or one.copy_refused
        }
        wanted: dict[S3Address, dict[str, Declared]] = {}
        for name, one in self._of.items():
            if one.copy is not None:
                wanted.setdefault(one.copy.address, {})[name] = one
        for address in self._copiers.keys() - wanted.keys():
            self._copiers.pop(address).close(0.0)
            del self._told[address]
        for address, streams in wanted.items():
            if address not in self._copiers:
                self._copiers[address] = Copier(address, self._hostname())
            if self._told.get(address) != streams:
                self._told[address] = streams
                self._copiers[address].set_streams(streams)

    def lies(self, disk: Path, files: Sequence[StoredFile]) -> None:
        """What a disk holds, each time that somebody looked."""
        for copier in self._copiers.values():
            copier.set_local(disk, files)

    def asks(self) -> dict[str, Declared]:
        """Streams of whose copies something is due to go, once it is known what episodes keep:
        each time that this is to be answered by `keep`."""
        names: set[str] = set()
        for copier in self._copiers.values():
            asked, copier.asks = copier.asks, frozenset()
            names |= asked
        return {name: self._of[name] for name in names & self._of.keys()}

    def keep(self, episodes: Mapping[str, Sequence[Range]]) -> None:
        """What episodes keep of the streams that were asked for."""
        for address, copier in self._copiers.items():
            own = {name: kept for name, kept in episodes.items() if name in self._told[address]}
            if own:
                copier.keep(own)

    def erased(self, stream: str) -> None:
        """Something of its copies is to be erased."""
        if (copier := self._copier(stream)) is not None:
            copier.wake()

    def close(self) -> None:
        for copier in self._copiers.values():
            copier.close()
        self._copiers.clear()

    def _copier(self, stream: str) -> Copier | None:
        one = self._of.get(stream)
        copy = one.copy if one is not None else None
        return self._copiers.get(copy.address) if copy is not None else None

    # What is said

    def statistics(self, stream: str) -> JsonObject:
        """Part of `media_api.status.StreamStats`."""
        one, copier = self._of.get(stream), self._copier(stream)
        figures = copier.figures(stream) if copier is not None else None
        if one is not None and one.copy_refused:
            return {"dvr_copy": {"error": one.copy_refused}}
        if copier is None or figures is None:
            return {}
        late = time.time() - figures.oldest_ms / 1000 if figures.oldest_ms else 0.0
        found: JsonObject = {
            "url": str(copier.address),
            "copied_files": figures.files,
            "copied_bytes": figures.bytes,
            "waiting_files": figures.waiting_files,
            "waiting_bytes": figures.waiting_bytes,
            "lag": max(0, int(late)),
            "stored_files": figures.stored_files,
            "stored_bytes": figures.stored_bytes,
            "errors": figures.errors,
            "lost_files": figures.lost,
        }
        if copier.problem:
            found["error"] = copier.problem
        return {"dvr_copy": found}

    def summary(self, stream: str) -> Summary | None:
        """How far back the copies reach; what they take is not on a disk."""
        copier = self._copier(stream)
        figures = copier.figures(stream) if copier is not None else None
        if figures is None or not figures.from_ms:
            return None
        return Summary(figures.from_ms, 0, 0, 0, figures.ranges)

    def alerts(self) -> dict[str, str]:
        """For people."""
        found = {
            f"dvr_copy_{address}": f"archives are not copied to {address}: {copier.problem}"
            for address, copier in self._copiers.items()
            if copier.problem
        }
        refused = {name: one.copy_refused for name, one in self._of.items() if one.copy_refused}
        if refused:
            name, why = next(iter(refused.items()))
            found["dvr_copy"] = f"archives of {len(refused)} streams are not copied: {name}: {why}"
        return found
