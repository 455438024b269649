"""`push hls://HOST/PATH/index.m3u8`, `hlss://…`: HLS for a server that takes files by HTTP PUT.

Each segment of MPEG-TS is put beside the playlist, then the playlist; what has left the window is
deleted, as long as the server lets us. The text is that of viewers. A stream with several videos is
a multivariant playlist at the address, and what it names in folders beside it; `tracks` chooses
one. A receiver that is slower than the stream misses segments, which is counted; it never holds
anything up.
"""

from collections import defaultdict
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.egress.http.segments import TS_TYPE
from media_streamer.egress.http.text import QUERY
from media_streamer.egress.jobs import JobFailed, Work
from media_streamer.egress.push import Push, http_refusal
from media_streamer.egress.ts_service import Relabeler, TsService, frames_of
from media_streamer.outgoing.addresses import reach_of_process
from media_streamer.outgoing.connector import guarded_connector
from media_streamer.outgoing.target import HttpError, Target
from media_streamer.outgoing.wire import words
from media_streamer.presentation.live import LiveIndex
from media_streamer.presentation.track_index import Segment, TrackIndex
from media_streamer.protocols.hls.playlist import render_master, render_media

MEDIA_FILE = "index.m3u8"
PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
CONNECTIONS = 2
_COUNTED = frozenset({401, 403, 404, 409})


class HlsPusher:
    """Puts what an index lists to one server."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        target: Target,
        work: Work,
        service: TsService | None = None,
    ) -> None:
        self._session = session
        self._work = work
        self._relabelers: defaultdict[str, Relabeler] | None = None
        """By folder: the counters of its tables go on from segment to segment."""
        if service is not None:
            self._relabelers = defaultdict(lambda: Relabeler(service))
        base = f"{target.scheme}://{target.host_header}"
        path = target.path if urlsplit(target.path).path.endswith(".m3u8") else (
            f"{target.path.rstrip('/')}/{MEDIA_FILE}"
        )  # fmt: skip
        file, _, query = path.partition("?")
        self._playlist = base + file
        self._folder = self._playlist.rpartition("/")[0]
        self._suffix = f"?{query}" if query else ""
        self._there: list[str] = []
        """Names of segments that the server has."""
        self._master = ""
        """The multivariant playlist that the server has."""
        self._deletes = True

    async def update(self, index: LiveIndex) -> int:
        """Let the server have what the index lists now; the number of the next segment.

        Raises JobFailed, OSError, aiohttp.ClientError, TimeoutError.
        """
        tracks: list[TrackIndex] = list(index.tracks.values())
        following = tracks[0].next_msn
        listed: set[str] = set()
        for track in tracks:
            folder = f"tracks-{track.name}/" if len(tracks) > 1 else ""
            url = f"{self._folder}/{folder}{MEDIA_FILE}" if folder else self._playlist
            listed |= await self._put_track(index, track, folder, url)
        if len(tracks) > 1:
            await self._put_master(tracks)
        for name in [name for name in self._there if name not in listed]:
            self._there.remove(name)
            await self._delete(name)
        return following

    async def _put_track(
        self, index: LiveIndex, track: TrackIndex, folder: str, url: str
    ) -> set[str]:
        """The names of what is listed there now."""
        text = render_media(track, index.timing, "ts").replace(QUERY, "")
        listed: set[str] = set()
        for segment in list(track.segments):
            name = folder + segment.name
            listed.add(name)
            if name not in self._there:
                await self._put_segment(segment, name)
        await self._ask("PUT", url + self._suffix, text.encode(), PLAYLIST_TYPE)
        return listed

    async def _put_master(self, tracks: list[TrackIndex]) -> None:
        text = render_master(tracks, MEDIA_FILE, separate=False).replace(QUERY, "")
        if text != self._master:
            await self._ask("PUT", self._playlist + self._suffix, text.encode(), PLAYLIST_TYPE)
            self._master = text

    async def _put_segment(self, segment: Segment, name: str) -> None:
        body = _read(segment)
        if body is None:
            self._work.count("errors_dropped_segments")
            return
        if self._relabelers is not None:
            body = self._relabelers[name.rpartition("/")[0]](body)
        await self._ask("PUT", self._url(name), body, TS_TYPE)
        self._work.count("segments")
        self._work.account.frames += frames_of(body)
        self._there.append(name)

    async def _delete(self, name: str) -> None:
        if not self._deletes:
            return
        async with self._session.delete(self._url(name), allow_redirects=False) as answer:
            self._deletes = answer.status < 400 or answer.status == 404

    async def _ask(self, method: str, url: str, body: bytes, kind: str) -> None:
        headers = {"Content-Type": kind}
        async with self._session.request(
            method, url, data=body, headers=headers, allow_redirects=False
        ) as answer:
            status = answer.status
        if status >= 300:
            counter = f"errors_{status}" if status in _COUNTED else "errors_connection_lost"
            if status >= 500:
                counter = "errors_500"
            raise JobFailed(http_refusal(status, method), counter)
        self._work.account.bytes += len(body)

    def _url(self, name: str) -> str:
        return f"{self._folder}/{name}.ts{self._suffix}"


def _read(segment: Segment) -> bytes | None:
    """Its bytes, which lie in memory; None if it has left the window."""
    try:
        return Path(segment.path).read_bytes()
    except FileNotFoundError:
        return None


async def run(egress: Egress, work: Work) -> None:
    """See `egress/jobs.py`."""
    push = Push(egress, work)
    try:
        target = Target.of("http" + push.config.url.removeprefix("hls"))
    except (HttpError, UnicodeError):
        text = "the URL cannot be read: write hls://HOST/PATH/index.m3u8"
        raise JobFailed(text, hopeless=True) from None
    user, _, password = target.login.partition(":")
    work.waits()
    index = await egress.hub.standing_index(work.stream, "ts", push.tracks)
    seconds = aiohttp.ClientTimeout(total=push.idle_seconds, connect=push.connect_seconds)
    async with aiohttp.ClientSession(
        headers={"Authorization": aiohttp.encode_basic_auth(user, password)} if user else None,
        connector=guarded_connector(reach_of_process(), CONNECTIONS),
        timeout=seconds,
    ) as session:
        pusher = HlsPusher(session, target, work, push.service)
        try:
            await index.wait_ready()
            if index.carries_nothing:
                raise JobFailed("MPEG-TS can carry none of the stream's tracks")
            work.begins()
            following = await pusher.update(index)
            work.works()
            while True:
                index.touch()
                await index.wait_for(next(iter(index.tracks.values())), following, None)
                await index.wait_ready()  # its tracks may be others now
                following = await pusher.update(index)
        except AccessDenied as denied:
            raise JobFailed(denied.title) from None
        except TimeoutError:
            text = f"no answer within {push.idle_seconds:g} s"
            raise JobFailed(text, "errors_connection_lost") from None
        except aiohttp.ClientConnectorDNSError:
            raise JobFailed(f"{target.host} is not found", "errors_no_destination") from None
        except (OSError, aiohttp.ClientError) as error:
            cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
            raise JobFailed(words(cause), "errors_connection_lost") from None
