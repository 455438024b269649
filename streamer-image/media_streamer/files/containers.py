"""What kind of file it is, by its first bytes, and what is in it. Blocks on the disk."""

from media_streamer.files.disk import Changed, Read
from media_streamer.files.matroska import MAGIC, read_matroska
from media_streamer.files.movie import Movie, read_movie
from media_streamer.files.names import Identity
from media_streamer.files.tables import BadFile
from media_streamer.files.ts_grid import find_grid

ENDINGS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".ts", ".m2ts", ".mts")
"""Of names of files that are films."""


def read_film(read: Read, size: int, identity: Identity | None = None) -> Movie:
    """What is in a file of `size` bytes; raises BadFile, OSError.

    `identity`: under which an index that has to be made is kept.
    """
    begin = read(0, 2048)
    is_matroska = begin.startswith(MAGIC)
    if not is_matroska and find_grid(begin) is None:
        return read_movie(read, size)
    try:
        if is_matroska:
            return read_matroska(read, size)
        # Loaded at first use: most egress workers need no numpy.
        from media_streamer.files.ts_film import read_transport_stream

        return read_transport_stream(read, size, identity)
    except Changed as error:
        raise BadFile(str(error)) from None
    except (ValueError, IndexError, OverflowError) as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile("the head of the file is broken") from None
