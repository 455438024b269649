"""Files of storages that are buckets (S3): read by the same blocks as those by HTTP, and listed."""

from media_streamer.files.names import check_path
from media_streamer.files.remote import Answer, Unreachable
from media_streamer.s3.address import BadAddress, parse_address
from media_streamer.s3.bucket import Bucket, S3Error

MAX_LISTED = 20_000


class ObjectStorage:
    """`s3://KEY:SECRET@HOST/BUCKET/FOLDER`; a `remote.Fetch`."""

    def __init__(self, url: str) -> None:
        """Raises BadAddress."""
        self._bucket = Bucket(parse_address(url))

    def __call__(self, path: str, first: int, end: int) -> Answer | None:
        try:
            found = self._bucket.read(path, first, end)
        except (S3Error, ValueError) as error:
            raise Unreachable(_words(error)) from None
        if found is None:
            return None
        return Answer(found.data, found.of.size, (found.of.tag, found.of.modified.isoformat()))


def listed(url: str, folder: str) -> tuple[list[str], list[tuple[str, int]]]:
    """Folders of a folder, and files with their sizes; names within the storage. Blocks.

    Raises Unreachable, BadAddress, BadName.
    """
    if folder:
        check_path(folder)
    try:
        folders, files = Bucket(parse_address(url)).folder(folder)
    except S3Error as error:
        raise Unreachable(_words(error)) from None
    shown = [one for one in folders if not _is_hidden(one)]
    return shown, [(one.path, one.size) for one in files if not _is_hidden(one.path)]


def looked(url: str, path: str) -> int | None:
    """The size of a file, None if it is not there. Blocks; raises like `listed`."""
    check_path(path)
    try:
        found = Bucket(parse_address(url)).look(path)
    except S3Error as error:
        raise Unreachable(_words(error)) from None
    return found.size if found is not None else None


def _is_hidden(path: str) -> bool:
    return path.rpartition("/")[2].startswith(".")


def _words(error: Exception) -> str:
    if isinstance(error, S3Error):
        return str(error.strerror)
    return "no object can have that name" if not isinstance(error, BadAddress) else str(error)
