"""Where finished files of an archive are copied to: a bucket, and what it may hold. Pure.

    copy=s3://KEY:SECRET@HOST/BUCKET/FOLDER?expiration=90d&storage_limit=2T&rate=50M

The files there are called as those here, below the name of their stream. What a bucket holds is
known from copies of the indexes, in `ROOT/.remote/DIGEST/STREAM`, so it is found like what is here.
"""

from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from media_api.units import parse_duration, parse_size

from media_streamer.archive.retention import Limits
from media_streamer.s3.address import BadAddress, S3Address, parse_address

FOLDER = ".remote"
_OPTIONS = ("expiration", "storage_limit", "rate")


@dataclass(frozen=True, slots=True)
class CopyTarget:
    """A bucket for copies."""

    url: str = field(repr=False)
    address: S3Address
    limits: Limits
    """Of each stream there; none: it stays until somebody deletes it."""
    rate: int = 0
    """Bytes a second at most; 0: no limit."""

    def mirror(self, root: Path) -> Path:
        """Where the indexes of what is there lie."""
        place = f"{self.address.endpoint}/{self.address.bucket}/{self.address.prefix}"
        return root / FOLDER / blake2b(place.encode(), digest_size=6).hexdigest()


def copy_target(url: str) -> CopyTarget:
    """What `copy=` means; raises BadAddress."""
    address = parse_address(url)
    options = dict(address.options)
    if unknown := options.keys() - set(_OPTIONS):
        known = ", ".join(_OPTIONS)
        raise BadAddress(f"{sorted(unknown)[0]!r} is no option of copy: there are {known}, region")
    try:
        age = parse_duration(options["expiration"]) if "expiration" in options else None
        size = parse_size(options["storage_limit"]) if "storage_limit" in options else None
        rate = parse_size(options["rate"]) if "rate" in options else 0
    except ValueError as error:
        raise BadAddress(f"an option of copy cannot be read: {error}") from None
    return CopyTarget(url, address, Limits(age, size), rate)
