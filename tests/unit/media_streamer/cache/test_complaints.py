"""What is said of a disk that stores nothing."""

import errno
import os

import pytest
from media_streamer.cache.complaints import SAY_SECONDS, Complaints


def failure(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def test_a_full_disk_is_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0
    complaints = Complaints(lambda: now)
    for _ in range(500):
        complaints.failed("films/a", failure(errno.ENOSPC))
    complaints.failed("films/b", failure(errno.EROFS))
    now += SAY_SECONDS
    complaints.failed("films/c", failure(errno.ENOSPC))
    assert caplog.messages == [
        "stream films/a: not stored, disk: No space left on device",
        "stream films/b: not stored, disk: Read-only file system; 499 more since the last line",
        "stream films/c: not stored, disk: No space left on device",
    ]
