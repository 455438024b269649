"""A viewer of HLS that takes each segment, and keeps what failed."""

import asyncio

import aiohttp

from tests.support.hls_rules import parse


class HlsViewer:
    """Asks for the playlist and each new segment; counts what failed."""

    def __init__(self, url: str) -> None:
        self.segments: list[str] = []
        self.text = ""
        """The last playlist of media."""
        self.failed: list[str] = []
        self.session_id = ""
        self.task = asyncio.create_task(self._watch(url))

    async def _watch(self, url: str) -> None:
        async with aiohttp.ClientSession() as session:
            playlist = await self._get(session, url)
            uri = next(line for line in playlist.splitlines() if line and line[0] != "#")
            media = url.rpartition("/")[0] + "/" + uri
            while True:
                text = self.text = await self._get(session, media)
                for segment in parse(text).segments if text else ():
                    if segment.uri not in self.segments:
                        self.segments.append(segment.uri)
                        await self._get(session, media.rpartition("/")[0] + "/" + segment.uri)
                await asyncio.sleep(0.2)

    async def _get(self, session: aiohttp.ClientSession, url: str) -> str:
        try:
            async with session.get(url) as answer:
                body = await answer.read()
                if answer.status == 200:
                    return body.decode("utf-8", "replace")
                self.failed.append(f"{answer.status} {url}")
        except aiohttp.ClientError as error:
            self.failed.append(f"{error} {url}")
        return ""
