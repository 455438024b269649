"""What comes out of a stream whose pictures carry a clock and whose sound beeps: is it right?

The stream is the clip of `clock_clip`, over and over, by whatever ways. A real client takes some
seconds of it as they are (`take`); what it took is read here (`read`) and judged (`faults`):

- no line of complaint of the client;
- the tracks, codecs and size that were meant, and no others;
- decoding times grow; no picture is missing, none comes twice;
- the clock in the pictures goes as their time stamps go;
- there is sound all the while, it is loud, and its beep comes when the clock's second begins.
"""

import asyncio
import io
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from media_streamer.protocols.fake.picture import BEEP_HZ, TONE_HZ
from numpy.typing import NDArray

from tests.support.clock_clip import FPS, HEIGHT, LOOP_SECONDS, WIDTH
from tests.support.picture_clock import PictureClock
from tests.support.players import run

START_SECONDS = 30.0
"""How long a client may need for its first frame."""
LOUD = 0.02
"""Root mean square; the tone has 0.07."""
APART_SECONDS = 0.1
"""How far sound and picture may be apart: two and a half pictures, four frames of sound."""
SILENT_SHARE = 0.05
MAX_TOLD = 4
"""Of faults of one kind."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Ten milliseconds of sound, or one picture."""

    pts: float
    """Seconds."""
    value: float
    """Of sound: its loudness. Of a picture: what its clock says, seconds; NaN where it is not
    legible."""
    beeps: bool = False


@dataclass
class Seen:
    """What a client got."""

    errors: str = ""
    codecs: dict[str, str] = field(default_factory=dict)
    """By kind of track, `video` and `audio`."""
    size: tuple[int, int] = (0, 0)
    dts: dict[str, list[float]] = field(default_factory=dict)
    """Decoding times of the packets in seconds, by kind of track."""
    pictures: list[Moment] = field(default_factory=list)
    """In the order in which they are shown."""
    sound: list[Moment] = field(default_factory=list)
    common_clock: bool = True
    """The time stamps of picture and sound are of one clock."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is right."""

    video: str = "h264"
    audio: str = "aac"
    seconds: float = 3.0
    """There must be nearly so much."""


DATED = ("-bsf:v", r"setts=pts=if(eq(PTS\,NOPTS)\,DTS\,PTS)")
"""FFmpeg's RTSP, with pictures that refer to later ones, gives the first one no time to be shown
(also of RTP that FFmpeg sends), which NUT cannot hold: the time of decoding."""


async def take(url: str, seconds: float, directory: Path, *options: str) -> Seen:
    """What FFmpeg takes at `url`; `options` stand before the address."""
    kept = directory / f"{abs(hash((url, options))):x}.nut"
    dated = DATED if url.startswith("rtsp") else ()
    limit = ("-t", str(seconds), "-map", "0:v?", "-map", "0:a?", "-c", "copy", *dated)
    status, out, errors = await run(
        "ffmpeg", "-nostdin", "-v", "error", "-y", *options, "-i", url,
        *limit, "-f", "nut", str(kept), *limit, "-f", "framecrc", "pipe:1",
        seconds=START_SECONDS + 3 * seconds,
    )  # fmt: skip
    if status:
        return Seen(f"exit status {status}: {errors}")
    seen = whole(read([kept]))
    kept.unlink()
    seen.errors = errors
    seen.dts = times(out)
    return seen


async def take_by_library(url: str, seconds: float, directory: Path) -> Seen:
    """What the FFmpeg that PyAV brings takes, which is newer than the program."""
    kept = directory / f"{abs(hash(url)):x}.library.nut"
    await asyncio.to_thread(_keep, url, seconds, kept)
    seen = whole(read([kept]))
    kept.unlink()
    return seen


def _keep(url: str, seconds: float, kept: Path) -> None:
    """The first seconds as they are."""
    with (
        av.open(url, timeout=(START_SECONDS, START_SECONDS)) as taken,
        av.open(str(kept), "w", "nut") as file,
    ):
        out = {one.index: file.add_stream_from_template(one) for one in taken.streams}
        begin: float | None = None
        for packet in taken.demux():
            if packet.dts is None:
                continue
            at = float(packet.dts * packet.time_base)
            begin = at if begin is None else begin
            if at - begin > seconds:
                break
            packet.stream = out[packet.stream_index]
            file.mux(packet)


def whole(seen: Seen) -> Seen:
    """Without what lies behind the place where the client stopped.

    It stops in the order of decoding: a picture that is shown after all that were taken had its
    predecessors still to come.
    """
    if stamps := seen.dts.get("video"):
        last = max(stamps) + 0.5 / FPS
        seen.pictures = [picture for picture in seen.pictures if picture.pts <= last]
    return seen


def times(framecrc: str) -> dict[str, list[float]]:
    """Decoding times out of FFmpeg's `framecrc` format, by kind of track."""
    kinds = dict(re.findall(r"^#media_type (\d+): (\w+)$", framecrc, re.MULTILINE))
    bases = {
        number: int(above) / int(below)
        for number, above, below in re.findall(r"^#tb (\d+): (\d+)/(\d+)$", framecrc, re.MULTILINE)
    }
    found: dict[str, list[float]] = {}
    for number, dts in re.findall(r"^(\d+), *(-?\d+),", framecrc, re.MULTILINE):
        found.setdefault(kinds[number], []).append(int(dts) * bases[number])
    return found


def read(files: Sequence[Path | io.BytesIO]) -> Seen:
    """Everything that some files have together: a track of each kind at most."""
    seen = Seen()
    for file in files:
        with av.open(file if isinstance(file, io.BytesIO) else str(file)) as container:
            for stream in container.streams:
                kind = stream.type
                name = stream.codec_context.name
                if kind in seen.codecs:
                    name = f"{seen.codecs[kind]}+{name}"
                seen.codecs[kind] = name
            for packet in container.demux():
                if packet.dts is not None:
                    at = float(packet.dts * packet.time_base)
                    seen.dts.setdefault(packet.stream.type, []).append(at)
                try:
                    frames = packet.decode()
                except av.error.FFmpegError as error:
                    seen.errors += f"{packet.stream.type} at {packet.dts}: {error}\n"
                    continue
                add(seen, frames)
    return seen


def add(seen: Seen, frames: Iterable[object]) -> None:
    """What was decoded, in the order of presentation."""
    for frame in frames:
        if frame.pts is None or frame.time_base is None:
            seen.errors += f"a decoded frame of {type(frame).__name__} has no time\n"
        elif isinstance(frame, av.VideoFrame):
            seen.size = frame.width, frame.height
            seen.pictures.append(Moment(float(frame.pts * frame.time_base), clock_of(frame)))
        elif isinstance(frame, av.AudioFrame):
            seen.sound += moments(frame)


_CLOCKS: dict[tuple[int, int], PictureClock] = {}


def clock_of(frame: av.VideoFrame) -> float:
    """Seconds, NaN where there is no clock."""
    size = frame.width, frame.height
    clock = _CLOCKS.setdefault(size, PictureClock(*size))
    luma: NDArray[np.uint8] = frame.reformat(format="gray").to_ndarray()
    try:
        return clock.read(luma[: frame.height, : frame.width])
    except ValueError:
        return float("nan")


def moments(frame: av.AudioFrame) -> list[Moment]:
    """The sound of a frame in tens of milliseconds."""
    # A new one for each frame: one that goes on holds samples back.
    resampler = AudioResampler(format="flt", layout="mono", rate=frame.sample_rate)
    plain = [one.to_ndarray()[0] for one in resampler.resample(frame)]
    samples = np.concatenate(plain) if plain else np.zeros(0, np.float32)
    begins, rate = float(frame.pts * frame.time_base), frame.sample_rate
    size = rate // 100
    found = []
    for at in range(0, len(samples) - size + 1, size):
        piece = samples[at : at + size]
        loud = float(np.sqrt(np.mean(piece**2)))
        high, low = power(piece, BEEP_HZ, rate), power(piece, TONE_HZ, rate)
        found.append(Moment(begins + at / rate, loud, high > low and loud > LOUD))
    return found


def power(samples: NDArray[np.float32], hertz: int, rate: int) -> float:
    """How much of one tone there is."""
    turns = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / rate)
    return float(abs(np.dot(samples, turns))) / len(samples)


def faults(seen: Seen, wanted: Wanted) -> list[str]:
    """What is wrong, in words; empty if all is right."""
    meant = {"video": wanted.video, "audio": wanted.audio}
    meant = {kind: codec for kind, codec in meant.items() if codec}
    found = [seen.errors.strip()] if seen.errors.strip() else []
    if seen.codecs != meant:
        return [*found, f"tracks {seen.codecs} instead of {meant}"]
    for kind, stamps in seen.dts.items():
        steps = [f"{a:.3f} then {b:.3f}" for a, b in pairwise(stamps) if b <= a]
        found += some(f"decoding times of {kind}", steps)
    if wanted.video:
        found += _faults_of_pictures(seen, wanted)
    if wanted.audio:
        found += _faults_of_sound(seen, wanted)
    if wanted.video and wanted.audio and seen.common_clock and not found:
        found += _faults_of_both(seen)
    return found


def some(what: str, single: Sequence[str]) -> list[str]:
    """One line for faults of one kind."""
    if not single:
        return []
    more = f" and {len(single) - MAX_TOLD} more" if len(single) > MAX_TOLD else ""
    return [f"{what}: {', '.join(single[:MAX_TOLD])}{more}"]


def _faults_of_pictures(seen: Seen, wanted: Wanted) -> list[str]:
    found, one = [], 1 / FPS
    if seen.size != (WIDTH, HEIGHT):
        found.append(f"pictures of {seen.size} instead of {(WIDTH, HEIGHT)}")
    shown = seen.pictures
    if len(shown) < 2 or shown[-1].pts - shown[0].pts < 0.8 * wanted.seconds:
        return [*found, f"{len(shown)} pictures in {wanted.seconds} s"]
    steps = [(a.pts, b.pts - a.pts) for a, b in pairwise(shown)]
    wrong = [f"{gap:.3f} s at {at:.3f}" for at, gap in steps if not 0.4 * one < gap < 1.8 * one]
    found += some("from picture to picture", wrong)
    dark = [f"{picture.pts:.3f}" for picture in shown if picture.value != picture.value]
    if dark:
        return [*found, *some("no legible clock", dark)]
    usual = offset(shown)
    wrong = [
        f"{apart:+.3f} s at {picture.pts:.3f}"
        for picture in shown
        if abs(apart := around(picture.value - picture.pts - usual, LOOP_SECONDS)) > 1.2 * one
    ]
    return found + some("the picture's clock is off", wrong)


def _faults_of_sound(seen: Seen, wanted: Wanted) -> list[str]:
    heard = seen.sound
    if not heard or heard[-1].pts - heard[0].pts < 0.8 * wanted.seconds:
        return [f"{len(heard) / 100} s of sound in {wanted.seconds} s"]
    found = []
    gaps = [f"{b.pts - a.pts:.3f} s at {a.pts:.3f}" for a, b in pairwise(heard)
            if not -0.005 < b.pts - a.pts < 0.06]  # fmt: skip
    found += some("sound from moment to moment", gaps)
    silent = sum(moment.value < LOUD for moment in heard) / len(heard)
    if silent > SILENT_SHARE:
        found.append(f"{100 * silent:.0f} % of the sound is silence")
    beeping = sum(moment.beeps for moment in heard) / len(heard)
    if not 0.05 < beeping < 0.16:
        found.append(f"{100 * beeping:.0f} % of the sound is the beep, not a tenth")
    return found


def _faults_of_both(seen: Seen) -> list[str]:
    usual = offset(seen.pictures)
    begins = [b.pts for a, b in pairwise(seen.sound) if b.beeps and not a.beeps]
    apart = [around(at + usual, 1.0) for at in begins]
    if not apart:
        return ["no beep begins"]
    middle = statistics.median(apart)
    if abs(middle) > APART_SECONDS:
        return [f"the sound is {1000 * middle:+.0f} ms behind the picture"]
    return []


def offset(pictures: Sequence[Moment]) -> float:
    """What has to be added to a time stamp for the time that the picture shows, as most say."""
    first = pictures[0].value - pictures[0].pts
    return first + statistics.median(
        around(one.value - one.pts - first, LOOP_SECONDS) for one in pictures
    )


def around(seconds: float, period: float) -> float:
    """The same modulo `period`, nearest to 0."""
    return (seconds + period / 2) % period - period / 2
