"""Why a question about an archive has no answer: whoever asks by the API is told."""


class ArchiveError(Exception):
    """An answer that cannot be given; the message says why."""

    def __init__(self, words: str, *, is_temporary: bool = False) -> None:
        super().__init__(words)
        self.is_temporary = is_temporary


class NotRecorded(ArchiveError):  # noqa: N818 - the answer to a request
    """The stream has none, as it is configured."""


class ArchiveLocked(ArchiveError):  # noqa: N818 - the answer to a request
    """It is in the way of something that is locked."""


def in_words(error: OSError) -> str:
    """What the system says, with the path and without the number."""
    if not error.strerror:
        return str(error)
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
