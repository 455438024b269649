"""What the API needs of the server behind it.

The handlers depend on these protocols alone, so that the supervisor knows no HTTP and the API no
processes. Objects of the catalog and of the session registry are read here and never changed.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Protocol

from media_api.base import ApiModel, JsonObject
from media_api.episodes import DvrEpisode
from media_api.server import ServerConfig
from media_api.vod import VodConfig
from media_rest.guessing import GuessLimiter

from media_streamer.archive.exports import ExportJob
from media_streamer.archive.ranges import Range
from media_streamer.config import ConfigProblem
from media_streamer.files.folders import Item
from media_streamer.pulse.points import Kind
from media_streamer.pulse.span import Span
from media_streamer.supervisor.catalog import Stream
from media_streamer.supervisor.sessions import Session


class Configuration(Protocol):
    """The configuration in force and its file. Changes raise EditError or OSError, or hold."""

    @property
    def current(self) -> ServerConfig: ...

    async def reload(self) -> list[ConfigProblem]:
        """Read the file again; returns its errors, and then the old configuration holds."""
        ...

    async def text(self) -> str:
        """The main file as it is."""
        ...

    async def save_text(self, text: str) -> list[ConfigProblem]:
        """Replace the main file; with errors in `text` nothing happens and they are returned."""
        ...

    async def check_text(self, text: str) -> list[ConfigProblem]:
        """Errors of a text that somebody would like to save."""
        ...

    async def save_object(self, key: str, name: str, item: ApiModel | None) -> None:
        """Save, rename or (None) delete one object of the list `key`."""
        ...

    async def save_globals(self, changes: Mapping[str, Any]) -> list[ConfigProblem]:
        """Save global keys (JSON values, None deletes) and lists of objects."""
        ...


class Streams(Protocol):
    """The streams that this server knows, whoever named them."""

    def get(self, name: str) -> Stream | None: ...

    def all(self) -> list[Stream]: ...

    def forget(self, name: str) -> None:
        """End a stream that was made from a template."""

    async def restart(self, name: str) -> None:
        """Stop it; a static stream starts again by itself. Raises CommandError."""

    async def select_input(self, name: str, index: int) -> None:
        """Show this input now. Raises CommandError."""


class Sessions(Protocol):
    """Open sessions of viewers and publishers."""

    def __iter__(self) -> Iterator[Session]: ...

    def get(self, session_id: str) -> Session | None: ...

    def close(self, session_id: str, reason: str) -> bool:
        """End one; False if there is none of that name."""
        ...


class Archives(Protocol):
    """What is recorded. All raise `supervisor.archives.ArchiveError`."""

    def disks(self) -> list[JsonObject]:
        """Rows of `media_api.server_status.PartitionStats`."""
        ...

    async def ranges(self, name: str) -> list[Range]:
        """Parts of a stream's archive without gaps."""
        ...

    async def locks(self, name: str) -> list[Range]:
        """Parts that are kept from deletion."""
        ...

    async def lock(self, name: str, from_seconds: int, duration_seconds: int) -> None:
        """Keep a part from deletion."""

    async def unlock(self, name: str, from_seconds: int, duration_seconds: int) -> None:
        """Keep a part no longer."""

    async def erase(self, name: str, from_seconds: int, duration_seconds: int) -> None:
        """Delete a part; raises `ArchiveLocked` where something of it is locked."""

    def export(self, name: str, from_seconds: int, duration_seconds: int) -> ExportJob:
        """Order a film of a part."""
        ...

    def export_jobs(self) -> list[ExportJob]:
        """All orders that are remembered, the oldest first."""
        ...

    async def remove_export(self, name: str) -> bool:
        """Cancel one or delete its film; False if there is none."""
        ...

    async def all_episodes(self) -> list[DvrEpisode]:
        """What is kept, oldest first."""
        ...

    async def save_episode(self, episode: DvrEpisode) -> None:
        """Make or replace one; raises ValueError if there are too many."""

    async def remove_episode(self, episode_id: int) -> bool:
        """False if there is none."""
        ...


class Files(Protocol):
    """Files of locations; storages are counted from 0. All raise `files.folders.Refused`."""

    async def list(self, vod: VodConfig, storage: int, folder: str) -> list[Item]:
        """What lies in a folder."""
        ...

    async def find(self, vod: VodConfig, storage: int, path: str) -> Item: ...

    async def delete(self, vod: VodConfig, storage: int, path: str) -> None:
        """A file, or a folder that is empty."""

    async def put(
        self, vod: VodConfig, storage: int, path: str, size: int | None, body: AsyncIterator[bytes]
    ) -> Item:
        """A new file, or another content of one."""


class StatisticsHistory(Protocol):
    """Figures over time (`pulsedb`)."""

    @property
    def is_kept(self) -> bool: ...

    async def points(self, kind: Kind, name: str, span: Span) -> list[JsonObject]:
        """`at` in Unix ms and figures, the oldest first.

        Raises `supervisor.pulse.HistoryUnavailable`.
        """
        ...

    async def knows(self, name: str) -> bool:
        """Whether a stream has figures, though it may be gone."""
        ...


class EndedSessions(Protocol):
    """Sessions that have ended (`session_log`)."""

    @property
    def is_kept(self) -> bool: ...

    async def search(
        self, since_ms: int, until_ms: int, wanted: Callable[[JsonObject], bool]
    ) -> tuple[list[JsonObject], bool]:
        """Those that ended in a time, the newest first, and whether these are all of them.

        Raises `supervisor.session_log.SessionLogUnavailable`.
        """
        ...


class Server(Protocol):
    """The whole server."""

    @property
    def configuration(self) -> Configuration: ...

    @property
    def streams(self) -> Streams: ...

    @property
    def sessions(self) -> Sessions: ...

    @property
    def archives(self) -> Archives: ...

    @property
    def files(self) -> Files: ...

    @property
    def history(self) -> StatisticsHistory: ...

    @property
    def ended(self) -> EndedSessions: ...

    @property
    def guesses(self) -> GuessLimiter:
        """Who gave wrong passwords."""
        ...

    @property
    def ready(self) -> bool:
        """True from the moment that the public ports are open until the server stops."""
        ...

    @property
    def id(self) -> str:
        """The same after a restart (`server_id`)."""
        ...

    @property
    def hostname(self) -> str: ...

    @property
    def instance(self) -> str:
        """What this run of the server calls itself to other servers."""
        ...

    def cluster_statistics(self, collection: str, key: str) -> JsonObject | None:
        """`stats` of an item of `/cluster/sources` or `/cluster/peers`; None: it has none."""
        ...

    def whoami(self) -> JsonObject:
        """`media_api.server_status.WhoAmI`, the body of the probes."""
        ...

    def statistics(self) -> JsonObject:
        """`media_api.server_status.ServerStats`."""
        ...

    def stream_statistics(self, stream: Stream) -> JsonObject:
        """`stats` of `media_api.status.StreamState`."""
        ...

    def push_statistics(self, stream: Stream) -> list[JsonObject | None]:
        """`stats` of each push of a stream, in their order; None: nothing is known of it."""
        ...

    def recent_events(self, sink: str) -> list[JsonObject]:
        """What a sink was given last, the oldest first."""
        ...

    def play_token(self, name: str) -> str:
        """By it whoever asked plays the stream, whatever its viewers need (`play_tokens`)."""
        ...

    async def reauthorize(self, name: str) -> int:
        """Ask anew about all sessions of a stream; returns how many."""
        ...
