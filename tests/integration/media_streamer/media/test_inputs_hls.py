"""HLS sources of every form, and hostile ones, read by the input itself in this process."""

import asyncio
import contextlib
import gzip
import http.server
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from media_api.input import InputConfig
from media_streamer.media.inputs.base import Limits, Receiver, Stored
from media_streamer.media.inputs.factory import create_input
from media_streamer.media.inputs.pacer import Pacer

from tests.support import garbage
from tests.support.memory import forget_peak, memory


class Frames(Receiver):
    """Counts what an input reads."""

    def __init__(self) -> None:
        self.frames = self.bytes = 0
        self.codecs: list[str] = []
        self.kinds: list[str] = []
        self.made_at = 0.0
        self.keys: list[float] = []
        """When key frames were made, by their source."""
        self.error: str | None = ""
        self.done = threading.Event()

    def describe(self, tracks: Any, time_bases: Any) -> None:
        self.codecs = [track.codec for track in tracks]
        self.kinds = [track.kind for track in tracks]

    def on_age(self, seconds: float) -> None:
        self.made_at = time.time() - seconds if seconds else 0.0

    def frame(self, track: int, dts: Any, pts: Any, duration: Any, key: bool, data: bytes) -> None:
        self.frames += 1
        self.bytes += len(data)
        if key and self.kinds[track] == "video":
            self.keys.append(self.made_at)

    def ended(self, error: str | None) -> None:
        self.error = error
        self.done.set()


class Unpaced(Pacer):
    """Films of the test need not last as long."""

    def delay(self, position: float, now: float) -> float:
        return 0.0


def read(url: str, seconds: float = 30.0, **options: Any) -> Frames:
    """What comes of a source, up to its end."""
    frames = Frames()
    config = InputConfig.model_validate({"url": url, **options})
    limits = Limits(open_seconds=3, read_seconds=3)
    one = create_input("test", config, frames, limits, Stored())
    one._pacer = Unpaced()  # type: ignore[attr-defined]
    one.on_age = frames.on_age

    async def run() -> None:
        one.start()
        assert await asyncio.to_thread(frames.done.wait, seconds), "it does not end"

    asyncio.run(run())  # some sources are threads, others tasks
    return frames


class Web:
    """Files of a directory, answers of a table, and who asked for what."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.answers: dict[str, Callable[[http.server.BaseHTTPRequestHandler], None]] = {}
        self.asked: list[str] = []
        web = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def __init__(self, *args: Any) -> None:
                super().__init__(*args, directory=str(directory))

            def do_GET(self) -> None:
                web.asked.append(self.path)
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    if (answer := web.answers.get(self.path)) is not None:
                        answer(self)
                    else:
                        super().do_GET()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def say(self, path: str, body: bytes, **headers: str) -> None:
        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.end_headers()
            handler.wfile.write(body)

        self.answers[path] = answer

    def send_to(self, path: str, location: str) -> None:
        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(302)
            handler.send_header("Location", location)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        self.answers[path] = answer


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    one = Web(tmp_path)
    yield one
    one.server.shutdown()
    one.thread.join()
    one.server.server_close()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, ffmpeg: str, bunny: Path) -> Path:
    """Three segments of a second in every form."""
    directory = tmp_path_factory.mktemp("film")
    (directory / "key").write_bytes(b"0123456789abcdef")
    (directory / "keyinfo").write_text(f"key\n{directory / 'key'}\n")
    forms = {
        "ts": [],
        "fmp4": ["-hls_segment_type", "fmp4"],
        "single": ["-hls_flags", "single_file+program_date_time"],
        "enc": ["-hls_key_info_file", str(directory / "keyinfo")],
    }
    for form, options in forms.items():
        subprocess.run(
            [ffmpeg, "-v", "error", "-t", "3", "-i", str(bunny), "-vf", "scale=320:180",
             "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-sc_threshold", "0",
             "-c:a", "aac", "-f", "hls", "-hls_time", "1", "-hls_list_size", "0",
             "-hls_flags", "+program_date_time", *options,
             f"{form}.m3u8"],
            check=True, cwd=directory, timeout=60,
        )  # fmt: skip
    master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000\nts.m3u8\n"
    (directory / "master.m3u8").write_text(master)
    return directory


@pytest.fixture
def films(film: Path) -> Iterator[Web]:
    one = Web(film)
    yield one
    one.server.shutdown()
    one.thread.join()
    one.server.server_close()


def date_of(line: str) -> float:
    return datetime.fromisoformat(line.partition(":")[2]).timestamp()


@pytest.mark.parametrize("form", ["ts", "fmp4", "single", "enc", "master", "moved/ts"])
def test_every_form(films: Web, form: str) -> None:
    films.send_to("/moved/ts.m3u8", f"http://{films.address}/ts.m3u8")
    found = read(f"hls://{films.address}/{form}.m3u8")
    assert found.codecs == ["h264", "aac"]
    video, audio = 72, 130
    assert found.frames >= video + audio
    playlist = "ts" if form in ("master", "moved/ts") else form
    listed = (films.directory / f"{playlist}.m3u8").read_text()
    dates = [date_of(line) for line in listed.splitlines() if "PROGRAM-DATE-TIME" in line]
    assert found.keys == pytest.approx(dates, abs=0.3)  # a busy machine
    if form == "single":
        assert films.asked.count("/single.ts") >= 3


def test_a_login_is_sent_to_every_part(films: Web) -> None:
    seen: list[str | None] = []
    plain = (films.directory / "ts.m3u8").read_bytes()

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        seen.append(handler.headers["Authorization"])
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(plain)))
        handler.end_headers()
        handler.wfile.write(plain)

    films.answers["/ts.m3u8"] = answer
    assert read(f"hls://user:pass@{films.address}/ts.m3u8").frames > 100
    assert seen == ["Basic dXNlcjpwYXNz"]


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n")
    while True:
        handler.wfile.write(b"#EXTINF:1,\nx.ts\n" * 4096)


@pytest.mark.parametrize("which", ["endless", "bomb", "fat", "children", "page"])
def test_playlists_have_bounds(web: Web, which: str) -> None:
    bomb = gzip.compress(b"#EXTM3U\n" + b"#EXTINF:1,\nx.ts\n" * 20_000_000, 1)
    web.answers["/endless.m3u8"] = endless
    web.say("/bomb.m3u8", bomb, Content_Encoding="gzip")
    web.say("/fat.m3u8", b"#EXTM3U\n" + b"x\n" * 1_000_000)
    children = b"".join(b"#EXT-X-STREAM-INF:BANDWIDTH=1\n%d.m3u8\n" % n for n in range(1000))
    web.say("/children.m3u8", b"#EXTM3U\n" + children)
    web.say("/page.m3u8", b"<html>" * 100_000)
    before = peak_mib()
    found = read(f"hls://{web.address}/{which}.m3u8")
    assert found.error
    assert "playlist" in found.error
    assert len(web.asked) == 1
    assert peak_mib() - before < 50


@pytest.mark.parametrize("each", [800, 15])
def test_tables_of_segments_have_bounds(web: Web, each: int) -> None:
    """FFmpeg took 1,000 streams of them: at once, or by and by."""
    names = [f"{n}.ts" for n in range(900 // each + 1)]
    listed = "".join(f"#EXTINF:1,\n{name}\n" for name in names)
    web.say("/x.m3u8", f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{listed}#EXT-X-ENDLIST\n".encode())
    out = garbage.Packets()
    for number, name in enumerate(names):
        programs = [(1 + n, 0x1000 + n) for n in range(max(1, each // 40))]
        data, pids = out.of(0, garbage.pat(programs, number), table=True), []
        for nth, (program, pmt) in enumerate(programs):
            some = [0x20 + each * number + 40 * nth + n for n in range(min(each, 40))]
            streams = [(0x1B, pid, b"") for pid in some]
            data += out.of(pmt, garbage.pmt(streams, program, number), table=True)
            pids += some
        for at in range(90_000, 140_000, 3600):
            data += b"".join(
                out.of(pid, garbage.pes(at, at, garbage.access_unit())) for pid in pids
            )
        web.say(f"/{name}", data)
    before = forget_peak()
    found = read(f"hls://{web.address}/x.m3u8")
    assert "name more than" in str(found.error)
    assert memory("VmHWM") - before < 150


@pytest.mark.parametrize("which", ["segments", "master", "loop"])
def test_a_playlist_that_names_itself(web: Web, which: str) -> None:
    head = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n"
    web.say("/segments.m3u8", head + b"#EXTINF:0.001,\nsegments.m3u8?x\n" * 5000)
    web.say("/segments.m3u8?x", head + b"#EXTINF:0.001,\nsegments.m3u8?x\n" * 5000)
    web.say("/master.m3u8", b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nmaster.m3u8?2\n")
    web.say("/master.m3u8?2", b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nmaster.m3u8\n")
    web.say("/loop.m3u8", b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nloop.m3u8\n")
    found = read(f"hls://{web.address}/{which}.m3u8")
    assert found.error
    assert len(web.asked) <= 8


def test_segments_that_cannot_be_had_are_not_asked_for_without_end(web: Web) -> None:
    head = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n"
    web.say("/gone.m3u8", head + b"".join(b"#EXTINF:0.01,\n%d.ts\n" % n for n in range(5000)))
    began = time.monotonic()
    found = read(f"hls://{web.address}/gone.m3u8", seconds=60)
    assert found.error
    rate = len(web.asked) / max(time.monotonic() - began, 12)
    assert rate < 10, "1,900 in 12 s is what it was"
    assert len(web.asked) < 60


def test_a_playlist_that_is_never_done_is_not_read_all_the_time(web: Web) -> None:
    web.say("/busy.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:0\n#EXTINF:0,\nempty.ts\n")
    web.say("/empty.ts", b"")
    found = read(f"hls://{web.address}/busy.m3u8", seconds=60)
    assert found.error == "the playlist has named nothing new for 3 s"
    assert web.asked.count("/busy.m3u8") < 15


@pytest.mark.parametrize("scheme", ["tshttp", "hls"])
@pytest.mark.parametrize("where", ["first", "redirect", "segment"])
def test_metadata_addresses_are_not_asked(web: Web, scheme: str, where: str) -> None:
    metadata = "http://169.254.169.254/latest/meta-data/"
    web.send_to("/redirect", metadata)
    web.say("/segment", f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{metadata}\n".encode())
    if where == "segment" and scheme == "tshttp":
        pytest.skip("a transport stream names no addresses")
    host = "169.254.169.254/x" if where == "first" else f"{web.address}/{where}"
    found = read(f"{scheme}://{host}")
    assert found.error
    assert "STREAMER_LINK_LOCAL_ALLOWED" in found.error or where == "segment"
    assert found.frames == 0


@pytest.mark.parametrize("scheme", ["rtmp", "rtsp"])
def test_nor_by_other_protocols(scheme: str) -> None:
    found = read(f"{scheme}://169.254.169.254/app/name")
    assert "STREAMER_LINK_LOCAL_ALLOWED" in (found.error or "")
