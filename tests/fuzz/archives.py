"""Files of an archive, which a disk, a bucket or another server may give back as anything."""

import json
import tempfile
from collections.abc import Callable, Hashable
from functools import cache
from pathlib import Path

from media_streamer.archive.container import (
    MARK_UUID,
    TRACKS_UUID,
    ArchivedTrack,
    Group,
    Piece,
    make_head,
    make_mark,
    mark_bytes,
)
from media_streamer.archive.copied import opened
from media_streamer.archive.episodes import EPISODES_FILE, read_book
from media_streamer.archive.film import film_bytes, moved_segment, starts
from media_streamer.archive.frames import frames_of, read_group, tracks_of
from media_streamer.archive.library import Entry, FileContent, Library, read_file
from media_streamer.archive.locks import read_locks
from media_streamer.archive.places import LOCKS_FILE, RecordedFile, index_path
from media_streamer.archive.transport import ts_segment
from media_streamer.media.frame import Frame, Track
from media_streamer.media.mux.fmp4 import Fmp4Track
from media_streamer.wire.relay import RelayError, RelayReader, frame_record, tracks_record

from tests.fuzz.engine import Target
from tests.support.recordings import START_MS, track_init

_BROKEN = (ValueError, OSError)
"""What the readers of archives promise."""
_VIDEO = ArchivedTrack("v1", "video", "avc1.42c01e", 90_000, width=640, height=360)
_AUDIO = ArchivedTrack("a1", "audio", "mp4a.6B", 48_000, channels=2)
_INITS = (track_init(90_000), track_init(48_000, b"soun"))
_TRACKS = (_VIDEO, _AUDIO)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Removed as the process ends."""
    return tempfile.TemporaryDirectory(prefix="fuzz-")


def _file(data: bytes, index: bytes | None = None) -> RecordedFile:
    """A file of the archive, whose index may lie beside it."""
    path = Path(_folder().name) / "00-00-000.mp4"
    path.write_bytes(data)
    if index is None:
        index_path(path).unlink(missing_ok=True)
    else:
        index_path(path).write_bytes(index)
    return RecordedFile(START_MS, path)


def archive_file(data: bytes) -> Hashable:
    """A file without its index: its segments, and the first ones of them in every form."""
    file = _file(data)
    content = read_file(file, len(data))
    groups = content.groups[:2]
    forms = [_form(make, content, group) for make in (_frames, _ts, _film) for group in groups]
    times = Library().times(file)
    return len(content.head.tracks), len(content.groups).bit_length(), times is None, *forms


def _form(
    make: Callable[[FileContent, Group], Hashable], content: FileContent, group: Group
) -> Hashable:
    """One form of a segment, or the promised refusal of it: the others are tried all the same."""
    try:
        return make(content, group)
    except _BROKEN as error:
        return f"{type(error).__name__}: {str(error)[:12]}"


def _frames(content: FileContent, group: Group) -> Hashable:
    samples = read_group(content, group)
    first = {number: own[0].data for number, own in enumerate(samples) if own}
    frames = frames_of(content.head, samples)
    assert sum(len(frame.data) for frame in frames) <= 64 * content.size
    return len(tracks_of(content.head, first)), len(frames).bit_length()


def _ts(content: FileContent, group: Group) -> Hashable:
    made = ts_segment(content, group, [track.name for track in content.head.tracks])
    assert len(made) % 188 == 0
    return len(made).bit_length()


def _film(content: FileContent, group: Group) -> Hashable:
    entry = Entry(group, content, False)
    (zero,) = starts([entry])
    with opened(content.file.path, None) as read:
        made = moved_segment(entry, 0, zero, read)
    assert len(made) + len(content.head.init) == film_bytes([entry])
    return len(made).bit_length()


def archive_index(data: bytes) -> Hashable:
    """An index beside a good file: nothing is told that the file has not."""
    media = _media()
    content = read_file(_file(media, data), len(media))
    for group in content.groups:
        assert 0 <= group.offset <= group.offset + group.size <= len(media)
    times = Library().times(RecordedFile(START_MS, content.file.path))
    return len(content.groups), len(content.head.tracks), times and len(times)


def archive_notes(data: bytes) -> Hashable:
    """Locks and episodes, of which what cannot be read is never taken for nothing."""
    folder = Path(_folder().name)
    (folder / LOCKS_FILE).write_bytes(data)
    (folder / EPISODES_FILE).write_bytes(data)
    found = []
    for read in (read_locks, read_book):
        try:
            found.append(len(read(folder)))
        except ValueError:
            found.append(-1)
    return tuple(found)


def relayed_frames(data: bytes) -> Hashable:
    """What another server sends as `m4f`."""
    reader, tracks, frames = RelayReader(), 0, 0
    for at in range(0, len(data), 700):
        for one in reader.feed(data[at : at + 700]):
            tracks += isinstance(one, list)
            frames += isinstance(one, Frame)
    return tracks, frames, reader.held.bit_length()


@cache
def _media() -> bytes:
    """Two segments of a picture and a sound, as they are recorded."""
    data = make_head(_INITS, _TRACKS)
    for number in range(2):
        start_ms = START_MS + 1000 * number
        parts, pieces = [], []
        for place, (described, init) in enumerate(zip(_TRACKS, _INITS, strict=True)):
            codec = ("h264", "mp3")[place]
            track = Track(place, described.name, described.kind, codec, init, described.codecs)
            writer = Fmp4Track(track, 500)
            at = start_ms * 90
            frames = [
                Frame(place, at + n * 3600, at + n * 3600, 3600, n == 0, bytes(40))
                for n in range(5)
            ]
            made = [part.data for frame in frames for part in writer.add(frame)]
            last, _ = writer.finish(None)
            parts.append(b"".join([*made, last.data if last is not None else b""]))
            time = start_ms * described.timescale // 1000
            pieces.append(Piece(len(parts[-1]), time, 1_000_000))
        data += make_mark(start_ms, 1_000_000, False, pieces) + b"".join(parts)
    return data


def _index() -> bytes:
    """That of `_media`."""
    media, length = _media(), mark_bytes(len(_TRACKS))
    head = make_head(_INITS, _TRACKS)
    places = [at for at in range(len(media)) if media.startswith(MARK_UUID, at)]
    return head + b"".join(media[at - 8 : at - 8 + length] for at in places)


def targets() -> list[Target]:
    tracks = [Track(0, "v1", "video", "h264", _INITS[0], "avc1.42c01e")]
    locks = json.dumps([{"from_ms": 1, "to_ms": 2}, {"from_ms": 5, "to_ms": 9}]).encode()
    episodes = [{"episode_id": 1, "media": "a", "opened_at": 5, "updated_at": 9}]
    return [
        Target(
            "archive_files",
            archive_file,
            [_media()],
            _BROKEN,
            (
                MARK_UUID,
                TRACKS_UUID,
                b"moov",
                b"moof",
                b"traf",
                b"trun",
                b"tfdt",
                b"tfhd",
                b"tkhd",
                b"\0\0\0\x08tfdt",
                b"\0\0\0\x08tkhd",
                b"\xff" * 8,
                bytes(8),
            ),
        ),
        Target(
            "archive_indexes",
            archive_index,
            [_index()],
            _BROKEN,
            (MARK_UUID, TRACKS_UUID, b"\xff\xff\xff\xff", bytes(8), b"\0\0\0\1"),
        ),
        Target(
            "archive_notes",
            archive_notes,
            [locks, json.dumps(episodes).encode()],
            (),
            (b"[", b"{", b'"from_ms":', b"1e999", b"-1", b"null", b"NaN", b"\xff", b"[" * 2000),
        ),
        Target(
            "relayed_frames",
            relayed_frames,
            [tracks_record(tracks) + frame_record(Frame(0, 1, 2, 3, True, b"abc")) * 3],
            (RelayError,),
            (b"T\0\0\0", b"F\0\0\0", b"\xc0", b"\xcf" + b"\xff" * 8, b"\xc6\xff\xff\xff\xff"),
        ),
    ]
