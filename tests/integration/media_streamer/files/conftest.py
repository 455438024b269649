"""A streamer with films that ffmpeg made, in a location `vod`."""

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.streamer import Lender, Streamer

SECONDS = 6
PICTURE = f"testsrc2=size=320x180:rate=25:duration={SECONDS}"
SOUND = f"sine=frequency=440:sample_rate=48000:duration={SECONDS}"
ENCODE = (
    "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p",
    "-c:a", "aac",
)  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def _ffmpeg() -> None:
    if not shutil.which("ffmpeg"):
        pytest.skip("no ffmpeg program on this machine: apt install ffmpeg")


def ffmpeg(*words: str) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *words], check=True, timeout=60)


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of films, all with the same 150 pictures that are decoded in another order than
    they are shown."""
    folder = tmp_path_factory.mktemp("films")
    (folder / "new").mkdir()
    first = str(folder / "film.mp4")
    ffmpeg("-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", SOUND, *ENCODE, first)
    copy = ("-i", first, "-c", "copy")
    ffmpeg(*copy, "-movflags", "+faststart", str(folder / "new" / "fast.mp4"))
    ffmpeg(*copy, str(folder / "film.mov"))
    fragments = "frag_keyframe+empty_moov+default_base_moof"
    ffmpeg(*copy, "-movflags", fragments, str(folder / "fragments.mp4"))
    ffmpeg(*copy, str(folder / "film.mkv"))
    ffmpeg(*copy, str(folder / "film.ts"))
    ffmpeg(*copy, "-t", "3", str(folder / "short.mp4"))
    ffmpeg(*copy, "-t", "3", str(folder / "short.mkv"))
    ffmpeg(*copy, "-t", "3", str(folder / "short.ts"))
    return folder


class FilmStreamer(Streamer):
    """It has a directory of films."""

    def __init__(self, directory: Path, films: Path) -> None:
        super().__init__(directory)
        self.films = films

    async def show(self, options: str = "", more: str = "") -> None:
        """Serve the films as `vod`."""
        self.write(f"vod vod {{ storage {self.films}; segment_duration 2; {options} }}\n{more}")
        await self.serve()

    async def get(self, path: str, **options: Any) -> tuple[int, bytes]:
        async with self.session.get(f"{self.base}/{path}", **options) as answer:
            return answer.status, await answer.read()


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory, films: Path) -> Iterator[Lender]:
    lending = Lender(lambda: FilmStreamer(tmp_path_factory.mktemp("streamer"), films))
    yield lending
    lending.close()


@pytest.fixture
async def streamer(lender: Lender) -> AsyncIterator[FilmStreamer]:
    async with lender.lend() as one:
        yield one
