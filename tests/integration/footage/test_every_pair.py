"""Every way in with every way out: a clip with a clock comes by each and is judged at each.

One streamer serves all ways out of a stream at once; each is watched by a client that is not ours
where there is one: FFmpeg, aiortc, and for MSE a WebSocket whose fragments FFmpeg reads. What is
right says `support/judging`.
"""

import asyncio
import base64
import io
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest

from tests.support import clock_clip
from tests.support.judging import (
    Moment,
    Seen,
    Wanted,
    clock_of,
    faults,
    moments,
    read,
    take,
    take_by_library,
)
from tests.support.ports import free_port

from .conftest import FilmStreamer, Launch
from .test_webrtc import Watcher

SECONDS = 3.0
AT_ONCE = 2
"""Clients beside each other."""
CLIENT_SECONDS = 60.0
BURST_SECONDS = 1.2
"""What was there before a viewer by WebRTC comes faster than it is shown: a group of pictures."""

pytestmark = [pytest.mark.long, pytest.mark.timeout(280)]

PULLED = {
    "file": "file://clips/{clip}.mp4",
    "copy": "copy://base",
    "m4f": "m4f://{http}/base cluster_key=secret",
    "m4s": "m4s://{http}/base cluster_key=secret",
    "tshttp": "tshttp://{http}/base/mpegts",
    "hls": "hls://{http}/base/index.m3u8",
    "llhls": "llhls://{http}/base/index.ll.m3u8",
    "cmaf": "cmaf://{http}/base/index.fmp4.m3u8",
    "rtmp": "rtmp://{rtmp}/static/base",
    "rtsp": "rtsp://{rtsp}/base",
    "rtsp-udp": "rtsp-udp://{rtsp}/base",
    "srt": "srt://{srt}?streamid=%23!::r%3Dbase,m%3Drequest",
    "whep": "whep://{http}/base/whep",
}
PUSHED = {
    "rtmp": "rtmp://{rtmp}/static/way",
    "rtsp": "rtsp://{rtsp}/way",
    "srt": 'srt://{srt} streamid="#!::r=way,m=publish"',
    "tshttp": "tshttp://{http}/way/mpegts",
    "whip": "whip://{http}/way/whip",
}
SENT = {"udp": "udp://127.0.0.1:{udp}", "rtp": "rtp://127.0.0.1:{udp}"}
"""By datagrams to an address that a source listens on."""
PUBLISHED = {
    "rtmp": ("-f", "flv", "rtmp://{rtmp}/static/way"),
    "rtsp": ("-f", "rtsp", "-rtsp_transport", "tcp", "rtsp://{rtsp}/way"),
    "rtsp-udp": ("-f", "rtsp", "-rtsp_transport", "udp", "rtsp://{rtsp}/way"),
    "srt": ("-f", "mpegts", "srt://{srt}?streamid=#!::r=way,m=publish&pkt_size=1316"),
    "tshttp": ("-f", "mpegts", "-method", "POST", "http://{http}/way/mpegts"),
    "udp": ("-f", "mpegts", "udp://127.0.0.1:{udp}?pkt_size=1316"),
}
"""By FFmpeg."""
CODECS = {"h264": ("h264", 0), "h264-b": ("h264", 2), "hevc": ("hevc", 0), "hevc-b": ("hevc", 2)}
"""Codec and pictures between references that come later than they are shown."""


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("clips")
    for name, (codec, b_frames) in CODECS.items():
        clock_clip.make(directory / f"{name}.mp4", codec, b_frames=b_frames)
    return directory


@dataclass
class Doors:
    """The ports of the streamer."""

    streamer: FilmStreamer
    clips: Path
    kept: Path
    rtsp: int
    srt: int
    udp: int
    clip: str = "h264"

    def put(self, text: str) -> str:
        """`{http}` and the like become addresses."""
        known = {
            "http": self.streamer.base.removeprefix("http://"),
            "rtmp": self.streamer.rtmp.removeprefix("rtmp://"),
            "rtsp": f"127.0.0.1:{self.rtsp}",
            "srt": f"127.0.0.1:{self.srt}",
            "udp": str(self.udp),
            "clip": self.clip,
        }
        return re.sub(r"\{(\w+)\}", lambda found: known[found[1]], text)

    async def serve(self, text: str) -> None:
        self.streamer.write(
            f"rtsp 127.0.0.1:{self.rtsp};\nsrt 127.0.0.1:{self.srt};\ncluster_key secret;\n"
            f"vod clips {{ storage {self.clips}; }}\n{self.put(text)}"
        )
        await self.streamer.serve()

    @property
    def base(self) -> str:
        """The stream that ways out of this server are taken from."""
        return "input file://clips/{clip}.mp4; segment_duration 2;"


@pytest.fixture
def doors(streamer: FilmStreamer, clips: Path, tmp_path: Path) -> Doors:
    return Doors(streamer, clips, tmp_path, free_port(), free_port(), free_port())


Client = Callable[[Doors], Awaitable[Seen]]
"""Takes the stream `way` by one way out."""


def ffmpeg(path: str, *options: str) -> Client:
    async def client(doors: Doors) -> Seen:
        seen = await take(doors.put(path), SECONDS, doors.kept, *options)
        if path.startswith("rtsp"):
            # RTP has no decoding times: before FFmpeg knows how pictures are ordered it guesses
            # one, and gives the first picture that one for its own.
            seen.dts.get("video", [])[:1] = []
            seen.pictures[:1] = []
        return seen

    return client


def library(path: str) -> Client:
    async def client(doors: Doors) -> Seen:
        return await take_by_library(doors.put(path), SECONDS, doors.kept)

    return client


async def whep(doors: Doors) -> Seen:
    """aiortc has a clock for each track, and shows what comes as it comes."""
    watcher = Watcher(doors.streamer.session)
    try:
        await watcher.watch(doors.streamer.base, "/way/whep")
        await watcher.sees("video", round((SECONDS + BURST_SECONDS) * clock_clip.FPS))
        await watcher.sees("audio", 50)
        shown, heard = (list(watcher.frames[kind]) for kind in ("video", "audio"))
        description = watcher.peer.remoteDescription.sdp
    finally:
        await watcher.close()
    found = {name.lower() for name in re.findall(r"a=rtpmap:\d+ (H264|H265|VP8|opus)", description)}
    seen = Seen(common_clock=False, size=(shown[0].width, shown[0].height))
    seen.codecs = {"audio" if name == "opus" else "video": name for name in found}
    skipped = round(BURST_SECONDS * clock_clip.FPS)
    for frame in shown[skipped:]:
        seen.pictures.append(Moment(float(frame.pts * frame.time_base), clock_of(frame)))
    for frame in heard[skipped:]:
        seen.sound += moments(frame)
    return seen


async def mse(doors: Doors) -> Seen:
    inits: dict[int, bytes] = {}
    data: dict[int, bytes] = {}
    pictures = 0
    address = f"{doors.streamer.base}/way/mse_ld"
    async with doors.streamer.session.ws_connect(address) as socket:
        while pictures < SECONDS * clock_clip.FPS:
            message = await socket.receive(timeout=CLIENT_SECONDS)
            if message.type is aiohttp.WSMsgType.TEXT:
                for track in json.loads(message.data).get("tracks", ()):
                    inits[track["id"]] = base64.b64decode(track["payload"])
            elif message.type is aiohttp.WSMsgType.BINARY:
                number = message.data[47]
                data[number] = data.get(number, b"") + message.data
                pictures += number == 1
            else:
                return Seen(f"the WebSocket ends: {message}")
    return read([io.BytesIO(init + data.get(number, b"")) for number, init in inits.items()])


HTTP = {
    "hls": "/index.m3u8",
    "fmp4": "/index.fmp4.m3u8",
    "llhls": "/index.ll.m3u8",
    "dash": "/index.mpd",
    "lldash": "/index.ll.mpd",
    "tshttp": "/mpegts",
}
FLV = {"flv": "http://{http}/way.flv", "rtmp": "rtmp://{rtmp}/static/way"}
OUTPUTS: Mapping[str, Client] = {
    **{name: ffmpeg("http://{http}/way" + path) for name, path in HTTP.items()},
    **{name: ffmpeg(path) for name, path in FLV.items()},
    "rtsp": ffmpeg("rtsp://{rtsp}/way", "-rtsp_transport", "tcp"),
    "rtsp-udp": ffmpeg("rtsp://{rtsp}/way", "-rtsp_transport", "udp"),
    "srt": ffmpeg("srt://{srt}?streamid=way"),
    "mseld": mse,
    "webrtc": whep,
}


async def all_play(
    doors: Doors, wanted: Wanted, but: Mapping[str, str | None] | None = None
) -> None:
    """By every way out; the error names every fault of each.

    `but`: what is right by some ways out. Words: what such a client gets in place of the stream;
    None: no client here can tell.

    FLV with anything but H.264 and AAC (Enhanced RTMP) is read by the FFmpeg that PyAV brings: 5.1,
    which is installed, knows HEVC there no more than Opus and waits for pictures that it can read.
    """
    outputs = dict(OUTPUTS)
    if (wanted.video, wanted.audio) != ("h264", "aac"):
        outputs |= {name: library(path) for name, path in FLV.items()}
    await doors.streamer.running("way")
    room = asyncio.Semaphore(AT_ONCE)
    meant: dict[str, Wanted | str | None] = dict.fromkeys(OUTPUTS, wanted)
    meant["webrtc"] = replace(wanted, audio="opus")
    meant |= but or {}

    async def one(name: str) -> list[str]:
        right = meant[name]
        if right is None:
            return []
        async with room:
            try:
                async with asyncio.timeout(CLIENT_SECONDS):
                    seen = await outputs[name](doors)
            except Exception as error:  # of whatever client
                seen = Seen(f"{type(error).__name__}: {error}")
        if isinstance(right, str):
            return [] if right in seen.errors else [f"{seen.errors!r} in place of {right!r}"]
        return await asyncio.to_thread(faults, seen, right)

    found = await asyncio.gather(*map(one, OUTPUTS))
    wrong = {name: words for name, words in zip(OUTPUTS, found, strict=True) if words}
    assert not wrong, f"{json.dumps(wrong, indent=1)}\n{doors.streamer.log}"


def heard(way: str) -> Wanted:
    """What a way in that carries no AAC makes of the sound."""
    return Wanted(audio="opus" if way in ("whep", "whip") else "aac", seconds=SECONDS)


@pytest.mark.parametrize("way", PULLED)
async def test_pulled(doors: Doors, way: str) -> None:
    await doors.serve(
        f"stream base {{ {doors.base} }}\n"
        f"stream way {{ input {PULLED[way]}; segment_duration 2; }}\n"
    )
    await all_play(doors, heard(way))


@pytest.mark.parametrize("way", PUSHED)
async def test_pushed(doors: Doors, way: str) -> None:
    await doors.serve(
        f"stream base {{ {doors.base} push {PUSHED[way]}; }}\n"
        "stream way { input publish://; segment_duration 2; }\n"
    )
    await all_play(doors, heard(way))


@pytest.mark.parametrize("way", SENT)
async def test_sent(doors: Doors, way: str) -> None:
    await doors.serve(
        f"stream base {{ {doors.base} push {SENT[way]}; }}\n"
        f"stream way {{ input {SENT[way]}; segment_duration 2; }}\n"
    )
    await all_play(doors, heard(way))


@pytest.mark.parametrize("way", PUBLISHED)
async def test_published(doors: Doors, clips: Path, launch: Launch, way: str) -> None:
    source = "udp://127.0.0.1:{udp}" if way == "udp" else "publish://"
    await doors.serve(f"stream way {{ input {source}; segment_duration 2; }}\n")
    words = [doors.put(word) for word in PUBLISHED[way]]
    film = clips / "h264.mp4"
    await launch("-re", "-stream_loop", "-1", "-i", film, "-c", "copy", *words)
    await all_play(doors, heard(way))


NO_HEVC = "codec_not_offered"
"""What aiortc is answered, which has none."""
BUT: dict[str, dict[str, str | None]] = {
    "h264-b": {"webrtc": None},  # aiortc shows pictures as they come, not as they are ordered
    "hevc": {"webrtc": NO_HEVC},
    "hevc-b": {"webrtc": NO_HEVC},
}


@pytest.mark.parametrize("clip", BUT)
async def test_other_pictures(doors: Doors, clip: str) -> None:
    """Pictures that refer to later ones, and another codec."""
    doors.clip = clip
    await doors.serve(f"stream way {{ {doors.base} }}\n")
    video, _ = CODECS[clip]
    await all_play(doors, Wanted(video=video, seconds=SECONDS), BUT[clip])
