"""Where a bucket is and who asks, out of one URL. Pure.

    s3://KEY:SECRET@HOST[:PORT]/BUCKET[/PREFIX][?region=R]

Invariant: the secret is in no text that this module makes for people, nor in what it raises.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEMES = ("s3://", "s3s://")
DEFAULT_REGION = "us-east-1"
_AWS_REGION = re.compile(r"s3[.-]([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com(?:\.cn)?")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")


class BadAddress(ValueError):  # noqa: N818 - what people are told
    """No bucket is meant by that; says what to write."""


@dataclass(frozen=True, slots=True)
class S3Address:
    """A bucket, and the part of it whose keys begin with `prefix`."""

    endpoint: str
    """`http://HOST:PORT` or `https://HOST`."""
    bucket: str
    prefix: str = ""
    """Without slashes at its ends."""
    region: str = DEFAULT_REGION
    key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    """Both empty: what the environment says (AWS_ACCESS_KEY_ID and so on), else none."""
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """What else its query says."""

    def __str__(self) -> str:
        """For people."""
        host = self.endpoint.partition("://")[2]
        return f"s3://{host}/{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


def is_s3(url: str) -> bool:
    """Whether a URL means a bucket."""
    return url.startswith(SCHEMES)


def parse_address(url: str) -> S3Address:
    """Raises BadAddress.

    `s3://` speaks TLS unless a port is named that is not 443, `s3s://` always. Slashes in a secret
    are written %2F.
    """
    form = "write s3://KEY:SECRET@HOST[:PORT]/BUCKET[/PREFIX], a slash in the secret as %2F"
    if not is_s3(url):
        raise BadAddress(form)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadAddress(form) from None
    bucket, _, prefix = unquote(parts.path).strip("/").partition("/")
    if not parts.hostname or "@" in parts.path:
        raise BadAddress(form)
    if not _BUCKET.fullmatch(bucket):
        raise BadAddress(f"a bucket has to be named: {form}")
    if any(part in {"", ".", ".."} for part in prefix.split("/")) and prefix:
        raise BadAddress("the prefix of a bucket has no empty parts, no `.` and no `..`")
    if (parts.username is None) != (parts.password is None):
        raise BadAddress(f"KEY and SECRET go together: {form}")
    is_secure = parts.scheme == "s3s" or port in (None, 443)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    options = dict(parse_qsl(parts.query))
    found = _AWS_REGION.fullmatch(parts.hostname)
    region = options.pop("region", "") or (found[1] if found else DEFAULT_REGION)
    return S3Address(
        endpoint=f"{'https' if is_secure else 'http'}://{host}" + (f":{port}" if port else ""),
        bucket=bucket,
        prefix=prefix,
        region=region,
        key=unquote(parts.username or ""),
        secret=unquote(parts.password or ""),
        options=tuple(options.items()),
    )
