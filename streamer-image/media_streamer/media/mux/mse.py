"""MSE-LD writer: WebSocket messages of fragmented MP4, a fragment each frame.

A server's WebSocket frames are not masked (RFC 6455 5.1), so the framed bytes serve all viewers as
they are: the header is the text message that describes the tracks, each frame is a binary one.

Clients of Flussonic's protocol read the number of the track at byte 47 of a fragment and its wall
clock at bytes 92 to 99, so the boxes before `trun` have fixed sizes: all about the one sample
stands in `tfhd`, and a box `futc` (seconds, microseconds) follows `tfdt`. These clients show one
video and one audio track.
"""

import json
import struct
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from media_streamer.media.frame import Frame, Track
from media_streamer.media.mux.fmp4 import NOT_CARRIED, SampleClock
from media_streamer.syntax import boxes

TEXT, BINARY = 0x81, 0x82
"""First byte of a whole message: FIN and opcode (RFC 6455 5.2)."""

_SYNC_SAMPLE = 0x02000000
_OTHER_SAMPLE = 0x01010000
_SAMPLE_IN_TFHD = 0x020038
"""default-base-is-moof, and duration, size and flags of the sample (8.8.7.1)."""
_OFFSETS = 0x000801
"""data-offset and the composition offset (8.8.8.1)."""
_FRAGMENT = struct.Struct(">I4sI4sIII4sI4sIIIIII4sIQI4sIIII4sIIIiI4s")
_MDAT_BYTES = 8
REMEMBERED_SECONDS = 5
_ANY = 1 << 62
_MOOF_BYTES = _FRAGMENT.size - _MDAT_BYTES


def message(opcode: int, payload: bytes) -> bytes:
    """A whole unmasked WebSocket message."""
    size = len(payload)
    if size < 126:
        return bytes((opcode, size)) + payload
    if size < 1 << 16:
        return struct.pack(">BBH", opcode, 126, size) + payload
    return struct.pack(">BBQ", opcode, 127, size) + payload


class Lasting:
    """How long a picture is said to last, whose successor is not known yet.

    A browser takes a successor that comes later than twice of that for a new beginning and drops
    all up to the next key frame (Media Source Extensions, "coded frame processing"): cameras of
    browsers give 50, 50 and 100 ms by turns, and a shared screen what it likes. What is said too
    long is cut by what comes.
    """

    def __init__(self) -> None:
        self._since = 0
        self._steps: tuple[int, int] = (_ANY, 0)
        self._before: tuple[int, int] = (_ANY, 0)

    def of(self, time: int, step: int, timescale: int) -> int:
        """`step`: from the picture before it to the one at `time`; all in ticks of the track."""
        if not 0 <= time - self._since < REMEMBERED_SECONDS * timescale:
            self._since, self._before, self._steps = time, self._steps, (_ANY, 0)
        self._steps = min(self._steps[0], step), max(self._steps[1], step)
        shortest = min(self._steps[0], self._before[0])
        longest = max(self._steps[1], self._before[1])
        varies = 2 * longest > 3 * shortest
        return max(step, min(2 * longest if varies else longest, timescale))


class _Writer:
    """One track."""

    def __init__(self, track: Track, number: int, previous: "_Writer | None") -> None:
        self.track = track
        self.number = number
        self.clock = SampleClock(track)
        self.sequence: int = previous.sequence if previous else 0
        self._lasting = Lasting()

    def write(self, frame: Frame) -> bytes:
        clock = self.clock
        time, duration = clock.place(frame)
        clock.expected = time + duration
        if clock.video:
            duration = self._lasting.of(time, duration, clock.timescale)
        self.sequence += 1
        size = len(frame.data)
        seconds, ms = divmod(frame.utc_ms, 1000)
        flags = _SYNC_SAMPLE if frame.key or not clock.video else _OTHER_SAMPLE
        head = _FRAGMENT.pack(
            _MOOF_BYTES, b"moof", 16, b"mfhd", 0, self.sequence & 0xFFFFFFFF,
            _MOOF_BYTES - 24, b"traf",
            28, b"tfhd", _SAMPLE_IN_TFHD, self.number, duration, size, flags,
            20, b"tfdt", 1 << 24, time,
            20, b"futc", 0, seconds & 0xFFFFFFFF, ms * 1000,
            24, b"trun", 1 << 24 | _OFFSETS, 1, _MOOF_BYTES + _MDAT_BYTES, clock.offset(frame),
            _MDAT_BYTES + size, b"mdat",
        )  # fmt: skip
        return message(BINARY, head + frame.data)


class MseMuxer:
    """Writes the first video and the first audio track."""

    def __init__(self, tracks: Sequence[Track], previous: "MseMuxer | None" = None) -> None:
        """`previous` wrote the same output for other tracks."""
        self.reasons: dict[int, str] = {}
        self.left_out: list[Track] = [track for track in tracks if track.codec in NOT_CARRIED]
        before: dict[str, _Writer] = previous._names if previous is not None else {}
        chosen = [
            next(
                (one for one in tracks if one.kind == kind and one not in self.left_out),
                None,
            )
            for kind in ("video", "audio")
        ]
        writers = [
            _Writer(track, number, before.get(track.name))
            for number, track in enumerate(filter(None, chosen), 1)
        ]
        self._writers = {writer.track.number: writer for writer in writers}
        self._names: dict[str, _Writer] = {writer.track.name: writer for writer in writers}
        self.header = message(TEXT, _description(writers)) if writers else b""
        """The description of the tracks; empty until there are any."""

    def discontinuity(self) -> None:
        for writer in self._writers.values():
            writer.clock.expected = None

    def mux(self, frame: Frame, boundary: bool) -> bytes:
        """A message with a frame; b"" for a track that is not chosen."""
        writer = self._writers.get(frame.track)
        return writer.write(frame) if writer is not None else b""


def _description(writers: Sequence[_Writer]) -> bytes:
    video = next((w.track for w in writers if w.track.kind == "video"), None)
    told: dict[str, Any] = {"tracks": [_info(writer.track) for writer in writers]}
    if video is not None:
        told |= {"width": video.width, "height": video.height}
    return json.dumps(
        {
            "type": "mse_init_segment",
            "metadata": told,
            "tracks": [
                {
                    "id": writer.number,
                    "track_id": writer.track.name,
                    "content": writer.track.kind,
                    "mime_type": f'{writer.track.kind}/mp4; codecs="{writer.track.codec_string}"',
                    "payload": b64encode(
                        boxes.with_track_id(writer.track.init, writer.number)
                    ).decode(),
                }
                for writer in writers
            ],
        }
    ).encode()


def _info(track: Track) -> dict[str, Any]:
    """As `track_info` of the API; rates in kbit/s, what is not known is left out."""
    info = {
        "track_id": track.name,
        "content": track.kind,
        "codec": track.codec,
        "width": track.width,
        "height": track.height,
        "fps": track.fps,
        "channels": track.channels,
        "sample_rate": track.sample_rate,
        "language": track.language,
        "bitrate": round(track.bit_rate / 1000),
    }
    return {key: value for key, value in info.items() if value}
