"""What kind of file it is, by its first bytes, and what is in it. Blocks on the disk."""

from media_streamer.files.disk import Changed, Read
from media_streamer.files.matroska import MAGIC, read_matroska
from media_streamer.files.movie import Movie, read_movie
from media_streamer.files.tables import BadFile

ENDINGS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".ts", ".m2ts", ".mts")
"""Of names of files that are films."""


def read_film(read: Read, size: int) -> Movie:
    """What is in a file of `size` bytes; raises BadFile, OSError."""
    begin = read(0, 1024)
    if not begin.startswith(MAGIC):
        return read_movie(read, size)
    try:
        return read_matroska(read, size)
    except Changed as error:
        raise BadFile(str(error)) from None
    except (ValueError, IndexError, OverflowError) as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile("the head of the file is broken") from None
