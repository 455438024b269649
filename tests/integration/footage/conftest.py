"""The film, the ways in which it comes to a streamer, and the streamer itself."""

import asyncio
import contextlib
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.clips import footage
from tests.support.ports import free_port
from tests.support.process import end
from tests.support.streamer import Lender, Streamer, until

Program = asyncio.subprocess.Process
Launch = Callable[..., Awaitable[Program]]


@pytest.fixture(scope="session", autouse=True)
def _ffmpeg() -> None:
    if not shutil.which("ffmpeg"):
        pytest.skip("no ffmpeg program on this machine: apt install ffmpeg")


@pytest.fixture(scope="session")
def film() -> Path:
    """1280x720 H.264 at 25 frames a second, one key frame in 5.28 s; 5.1 AAC."""
    return footage()


@pytest.fixture
async def launch() -> AsyncIterator[Launch]:
    """Starts FFmpeg with the given words; it ends with the test."""
    started: list[Program] = []

    async def start(*words: object, pipe: bool = False) -> Program:
        process = await asyncio.create_subprocess_exec(
            "ffmpeg", "-nostdin", "-v", "error", *map(str, words),
            stdout=asyncio.subprocess.PIPE if pipe else asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        await end(process)


def live(film: Path) -> tuple[object, ...]:
    """FFmpeg's words for the film over and over, as fast as it is shown."""
    return ("-re", "-stream_loop", "-1", "-i", film, "-c", "copy")


class Station:
    """An HTTP server with the film as an endless transport stream and as live HLS."""

    def __init__(self, film: Path, directory: Path, launch: Launch) -> None:
        self._film = film
        self._directory = directory
        self._launch = launch
        self._sources: list[Program] = []
        self.on_air = True
        app = web.Application()
        app.router.add_get("/film.ts", self._transport_stream)
        app.router.add_static("/hls", directory)
        self._server = TestServer(app)

    async def __aenter__(self) -> "Station":
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.off()
        await self._server.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.port}"

    async def hls(self) -> None:
        """Begin to write segments; there is a playlist when it returns."""
        playlist = self._directory / "index.m3u8"
        await self._launch(
            *live(self._film), "-f", "hls", "-hls_time", "2", "-hls_list_size", "4",
            "-hls_flags", "delete_segments", playlist,
        )  # fmt: skip

        async def written() -> bool:
            return playlist.exists()

        await until(written, "FFmpeg writes a playlist")

    def off(self) -> None:
        """The sources die, and who calls is turned away until `on_air` is set again."""
        self.on_air = False
        self._signal(signal.SIGKILL)
        self._sources.clear()

    def hang(self) -> None:
        """The sources send nothing more; connections stay."""
        self._signal(signal.SIGSTOP)

    def _signal(self, number: signal.Signals) -> None:
        for source in self._sources:
            if source.returncode is None:
                source.send_signal(number)

    async def _transport_stream(self, request: web.Request) -> web.StreamResponse:
        if not self.on_air:
            return web.Response(status=503)
        source = await self._launch(*live(self._film), "-f", "mpegts", "pipe:1", pipe=True)
        assert source.stdout is not None
        self._sources.append(source)
        answer = web.StreamResponse(headers={"Content-Type": "video/mp2t"})
        await answer.prepare(request)
        with contextlib.suppress(ConnectionError):
            while data := await source.stdout.read(64 * 1024):
                await answer.write(data)
        return answer


@pytest.fixture
async def station(film: Path, tmp_path: Path, launch: Launch) -> AsyncIterator[Station]:
    directory = tmp_path / "hls"
    directory.mkdir()
    async with Station(film, directory, launch) as serving:
        yield serving


class FilmStreamer(Streamer):
    """A streamer with an RTMP port and the film's directory as VOD location `vod`."""

    def __init__(self, directory: Path, film: Path) -> None:
        super().__init__(directory)
        self.rtmp_port = free_port()
        self.rtmp = f"rtmp://127.0.0.1:{self.rtmp_port}"
        self._film = film

    def write(self, text: str) -> None:
        super().write(
            f"rtmp 127.0.0.1:{self.rtmp_port};\nvod vod {{ storage {self._film.parent}; }}\n{text}"
        )

    def outputs(self, name: str) -> dict[str, str]:
        """Where the stream plays."""
        files = ("index.m3u8", "index.fmp4.m3u8", "index.ll.m3u8", "mpegts")
        return {
            **{file: f"{self.base}/{name}/{file}" for file in files},
            "flv": f"{self.base}/{name}.flv",
            "rtmp": f"{self.rtmp}/{name if '/' in name else f'static/{name}'}",
        }


class Recording:
    """A viewer of the endless transport stream who keeps all that it gets."""

    def __init__(self, session: aiohttp.ClientSession, url: str, path: Path) -> None:
        self.path = path
        self._task = asyncio.create_task(self._record(session, url))

    async def _record(self, session: aiohttp.ClientSession, url: str) -> None:
        timeout = aiohttp.ClientTimeout(total=None)
        with self.path.open("wb") as file:
            async with session.get(url, timeout=timeout) as answer:
                async for data in answer.content.iter_any():
                    file.write(data)

    async def stop(self) -> None:
        assert not self._task.done(), "the server ended the viewer's connection"
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


@pytest.fixture(scope="session")
def lender(tmp_path_factory: pytest.TempPathFactory, film: Path) -> Iterator[Lender]:
    lending = Lender(lambda: FilmStreamer(tmp_path_factory.mktemp("streamer"), film))
    yield lending
    lending.close()


@pytest.fixture
async def streamer(lender: Lender) -> AsyncIterator[FilmStreamer]:
    """Lent: each test gives it a configuration of its own."""
    async with lender.lend() as one:
        yield one


@pytest.fixture
async def own_streamer(tmp_path: Path, film: Path) -> AsyncIterator[FilmStreamer]:
    """One that is started by the test, and ends with it."""
    directory = tmp_path / "streamer"
    directory.mkdir()
    one = FilmStreamer(directory, film)
    try:
        yield one
        assert "Traceback" not in one.log, one.log
    finally:
        await one.close()
