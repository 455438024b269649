"""One server a bucket and folder: an object there says who, and is written anew every minute.

Another server waits until that stops; the same one goes on at once, by the name that lies beside
its indexes (`mirror`). Conditional requests (If-Match) keep two from taking it at the same time.
Blocks.
"""

import json
import logging
import time
from collections.abc import Iterable

from media_streamer.archive.mirror import Mirror
from media_streamer.s3.bucket import Bucket, Held

log = logging.getLogger(__name__)

OWNER_KEY = ".streamer-owner"
HEARTBEAT_SECONDS = 60.0
TAKEOVER_SECONDS = 300.0
"""A server that has said nothing for so long copies there no more."""
MAX_OWNER_BYTES = 4096


class BucketOwner:
    """Of one bucket; belongs to one thread."""

    def __init__(self, bucket: Bucket, hostname: str, takeover: float = TAKEOVER_SECONDS) -> None:
        self._bucket = bucket
        self._hostname = hostname
        self._takeover = takeover
        self._tag: str | None = None
        """Of what we wrote; None: it is not ours."""
        self._held_at = 0.0
        self._other: tuple[str, float] = "", 0.0
        """What another server wrote, and since when it has been that."""

    @property
    def is_due(self) -> bool:
        """Whether it is time to say it again."""
        return self._tag is None or time.monotonic() - self._held_at >= HEARTBEAT_SECONDS

    def hold(self, mirrors: Iterable[Mirror]) -> None:
        """This server copies there, and says so where it is due. Raises Held, S3Error."""
        if not self.is_due:
            return
        own = _identity(mirrors)
        data = json.dumps({"id": own, "host": self._hostname, "at": int(time.time())}).encode()
        found = self._bucket.read(OWNER_KEY, 0, MAX_OWNER_BYTES)
        if found is None:
            self._tag = None
            self._tag = self._bucket.create(OWNER_KEY, data)
        else:
            theirs = _said(found.data)
            if theirs.get("id") != own and not self._is_silent(found.data):
                self._tag = None
                host = str(theirs.get("host") or "another one")[:100]
                raise Held(
                    f"another server copies there ({host}): give each its own bucket or folder;"
                    f" this one goes on when that has been silent for {self._takeover:.0f} s"
                )
            self._tag = self._bucket.replace(OWNER_KEY, data, found.of.tag)
        self._held_at = time.monotonic()

    def give_back(self) -> None:
        """Others may copy there at once."""
        if self._tag is not None:
            try:
                self._bucket.delete(OWNER_KEY)
            except OSError as error:
                log.info("archive: %s is not given back: %s", self._bucket.address, error)

    def _is_silent(self, words: bytes) -> bool:
        now = time.monotonic()
        if self._other[0] != words.decode(errors="replace"):
            self._other = words.decode(errors="replace"), now
        return now - self._other[1] > self._takeover


def _identity(mirrors: Iterable[Mirror]) -> str:
    found = ""
    for one in {one.folder: one for one in mirrors}.values():
        found = one.identity(found)
    return found


def _said(data: bytes) -> dict[str, object]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
