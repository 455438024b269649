"""Segments of the archive as canonical frames, for muxers and decoders. Blocks.

Times on the way out are ticks of 90 kHz since 1970, which the caller moves to a clock of its own.
"""

from collections.abc import Iterator

from media_streamer.archive.container import ArchivedTrack, Group, Head, single_init
from media_streamer.archive.copied import opened
from media_streamer.archive.library import FileContent
from media_streamer.archive.samples import Sample, read_samples
from media_streamer.wire.frame import TIME_BASE, Frame, Track

_CODECS = {
    "avc1": "h264", "avc3": "h264", "hvc1": "hevc", "hev1": "hevc", "av01": "av1",
    "opus": "opus", "Opus": "opus", "ac-3": "ac3", "ec-3": "eac3", "mp4v": "mpeg2video",
    "vp08": "vp8", "vp09": "vp9",
}  # fmt: skip
_MPEG_AUDIO = ("mp4a.6B", "mp4a.69", "mp4a.6b")
_LAYER_2 = 2


def codec_of(codecs: str, first: bytes = b"") -> str:
    """FFmpeg's name of a codec by its RFC 6381 string; raises ValueError for an unknown one.

    `first`: a sample, which tells the layers of MPEG audio apart.
    """
    if codecs.startswith(_MPEG_AUDIO):
        # ISO/IEC 11172-3 2.4.1.3: layer in two bits behind the sync word and the version.
        return "mp2" if len(first) > 1 and first[1] >> 1 & 3 == _LAYER_2 else "mp3"
    name = codecs.partition(".")[0]
    if name == "mp4a":
        return "aac"
    try:
        return _CODECS[name]
    except KeyError:
        raise ValueError(f"no codec {codecs!r} is known") from None


def tracks_of(head: Head, first: dict[int, bytes]) -> list[Track]:
    """The tracks of a file, numbered from 0; `first`: a sample of each, where there is one.

    Raises ValueError.
    """
    return [
        track_of(described, head, number, first.get(number, b""))
        for number, described in enumerate(head.tracks)
    ]


def track_of(described: ArchivedTrack, head: Head, number: int, first: bytes) -> Track:
    """One track of a file; raises ValueError."""
    if described.kind not in ("video", "audio"):
        raise ValueError(f"a track of {described.kind} cannot be played so")
    return Track(
        number=number,
        name=described.name,
        kind="video" if described.kind == "video" else "audio",
        codec=codec_of(described.codecs, first),
        init=single_init(head.init, number),
        codec_string=described.codecs,
        width=described.width,
        height=described.height,
        fps=described.fps,
        channels=described.channels,
        sample_rate=described.sample_rate,
        bit_rate=described.bandwidth,
        language=described.language,
        group=described.group,
        rank=described.rank,
    )


def read_group(content: FileContent, group: Group) -> list[list[Sample]]:
    """The samples of each track of a segment; raises OSError or ValueError."""
    with opened(content.file.path, content.copied) as read:
        data = read(group.offset, group.size)
    if len(data) != group.size:
        raise ValueError("the file is shorter than it was")
    found, at = [], 0
    for piece in group.pieces:
        part = data[at : at + piece.size]
        found.append(list(read_samples(part)))
        at += piece.size
    return found


def frames_of(head: Head, samples: list[list[Sample]]) -> list[Frame]:
    """The samples of a segment as frames in the order of their decode times."""
    frames = [
        frame
        for number, (described, own) in enumerate(zip(head.tracks, samples, strict=True))
        for frame in _frames(number, described.timescale, own)
    ]
    frames.sort(key=lambda frame: frame.dts)
    return frames


def _frames(number: int, timescale: int, samples: list[Sample]) -> Iterator[Frame]:
    for time, offset, duration, key, data in samples:
        dts = time * TIME_BASE // timescale
        yield Frame(
            track=number,
            dts=dts,
            pts=(time + offset) * TIME_BASE // timescale,
            duration=duration * TIME_BASE // timescale,
            key=key,
            data=data,
            utc_ms=time * 1000 // timescale,
        )
