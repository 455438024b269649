"""A bucket: what the streamer does with one. Blocks; every call has an end in time.

The client is obstore (Rust): it signs, keeps connections and lets the interpreter go on meanwhile.
It is loaded at first use, 12 MiB that most servers never need. What it says when something fails
holds whole answers of the server, with keys and signatures: `_said` makes words of it.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from media_streamer.s3.address import S3Address

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import S3Store

CONNECT_SECONDS = 5
READ_SECONDS = 15
"""For one request that reads, or changes little."""
WRITE_SECONDS = 120
"""For one part of a file."""
RETRIES = 1
PART_BYTES = 8 * 1024 * 1024
PARTS_AT_ONCE = 3
MAX_WORDS = 200
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,64})</Code>")
_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_WORDS = {
    "NoSuchBucket": "there is no such bucket",
    "SignatureDoesNotMatch": "the secret is wrong",
    "InvalidAccessKeyId": "the key is unknown there",
    "XAdminUserNotFound": "the key is unknown there",
    "AccessDenied": "the key may not do that",
    "RequestTimeTooSkewed": "the clocks of this machine and of the storage differ",
    "QuotaExceeded": "the storage is full",
    "XMinioStorageFull": "the storage is full",
}


class S3Error(OSError):
    """The storage does not do it; says why, without secrets."""

    def __init__(self, reason: str) -> None:
        super().__init__(None, reason)


class Held(S3Error):  # noqa: N818 - a state
    """An object is not as the caller thought: somebody else wrote it."""


class Object(NamedTuple):
    """What a bucket says of an object."""

    path: str
    """Below the prefix."""
    size: int
    tag: str
    """ETag; empty if it says none."""
    modified: datetime


class Span(NamedTuple):
    """Bytes of an object."""

    data: bytes
    of: Object


class Bucket:
    """The part of a bucket that an address means; all paths are below its prefix."""

    def __init__(self, address: S3Address) -> None:
        self.address = address

    def read(self, path: str, first: int, end: int) -> Span | None:
        """Bytes `first` to before `end`, fewer at the end; None if it is not there."""
        import obstore

        store = _store(self.address, READ_SECONDS)
        with _told():
            try:
                got = obstore.get(store, path, options={"range": (first, end)})
                return Span(bytes(got.bytes()), _object(got.meta))
            except FileNotFoundError as error:
                _check_missing(error)
                return None
            except Exception as error:
                if "InvalidRange" not in str(error) and _status(error) != "416":
                    raise
        found = self.look(path)
        return Span(b"", found) if found is not None and found.size <= first else None

    def look(self, path: str) -> Object | None:
        """What is said of an object; None if it is not there."""
        import obstore

        with _told():
            try:
                return _object(obstore.head(_store(self.address, READ_SECONDS), path))
            except FileNotFoundError as error:
                _check_missing(error)
                return None

    def all(self) -> Iterator[Object]:
        """Every object, in no order that counts."""
        import obstore

        with _told():
            for chunk in obstore.list(_store(self.address, READ_SECONDS), chunk_size=1000):
                yield from map(_object, chunk)

    def folder(self, path: str) -> tuple[list[str], list[Object]]:
        """Folders and objects in a folder."""
        import obstore

        with _told():
            found = obstore.list_with_delimiter(_store(self.address, READ_SECONDS), path or None)
            return list(found["common_prefixes"]), [_object(one) for one in found["objects"]]

    def put(self, path: str, data: bytes) -> None:
        """A small object, whole."""
        import obstore

        with _told():
            obstore.put(_store(self.address, READ_SECONDS), path, data, use_multipart=False)

    def send(self, path: str, chunks: Iterable[bytes]) -> None:
        """A big one, whole or not at all. Raises what `chunks` raises, too."""
        import obstore

        with _told():
            obstore.put(
                _store(self.address, WRITE_SECONDS), path, iter(chunks),
                chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE,
            )  # fmt: skip

    def create(self, path: str, data: bytes) -> str:
        """An object that is not there yet; returns its tag. Raises Held if it is."""
        return self._put_if(path, data, None)

    def replace(self, path: str, data: bytes, tag: str) -> str:
        """Another content in place of the very one that is known; returns its tag. Raises Held."""
        return self._put_if(path, data, tag)

    def _put_if(self, path: str, data: bytes, tag: str | None) -> str:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        store = _store(self.address, READ_SECONDS)
        mode: Literal["create"] | UpdateVersion = "create" if tag is None else {"e_tag": tag}
        with _told():
            try:
                put = obstore.put(store, path, data, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                raise Held(f"another server wrote {path}") from None
            except Exception as error:
                if _code(error) != "NotImplemented" and _status(error) != "501":
                    raise
                # A storage without conditions: two that begin at once may not see each other.
                put = obstore.put(store, path, data, use_multipart=False)
            return put["e_tag"] or ""

    def delete(self, path: str) -> None:
        """It is away afterwards, whether it was there or not."""
        import obstore

        with _told():
            try:
                obstore.delete(_store(self.address, READ_SECONDS), path)
            except FileNotFoundError as error:
                _check_missing(error)


@lru_cache(maxsize=64)
def _store(address: S3Address, seconds: int) -> "S3Store":
    from obstore.store import S3Store

    has_key = bool(address.key)
    options = {"access_key_id": address.key, "secret_access_key": address.secret}
    is_open = not has_key and not any(os.environ.get(one) for one in _CREDENTIALS)
    return S3Store(
        address.bucket,
        prefix=address.prefix or None,
        endpoint=address.endpoint,
        region=address.region,
        skip_signature=is_open,
        virtual_hosted_style_request=False,
        # TLS proves the content already; without it a hash of it does.
        unsigned_payload=address.endpoint.startswith("https://"),
        conditional_put="etag",
        client_options={
            "allow_http": True,
            "connect_timeout": f"{CONNECT_SECONDS}s",
            "timeout": f"{seconds}s",
        },
        retry_config={"max_retries": RETRIES},
        **(options if has_key else {}),  # type: ignore[arg-type]
    )


def _object(meta: object) -> Object:
    found: dict[str, object] = dict(meta)  # type: ignore[call-overload]
    tag, modified = found["e_tag"], found["last_modified"]
    assert isinstance(modified, datetime)
    return Object(str(found["path"]), int(str(found["size"])), str(tag or ""), modified)


@contextmanager
def _told() -> Iterator[None]:
    """Raises S3Error in place of what the client raises."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        if isinstance(error, S3Error) or not _is_of_client(error):
            raise
        raise S3Error(_said(error)) from None


def _is_of_client(error: Exception) -> bool:
    """What is missing there is told by the class that files have; those have a number."""
    return not isinstance(error, OSError) or error.errno is None


def _check_missing(error: Exception) -> None:
    """404 says many things: only of an object is it an answer."""
    code = _code(error)
    if not _is_of_client(error) or (code and code != "NoSuchKey"):
        raise error


def _code(error: Exception) -> str:
    found = _CODE.search(str(error))
    return found[1] if found else ""


def _status(error: Exception) -> str:
    found = _STATUS.search(str(error))
    return found[1] if found else ""


def _said(error: Exception) -> str:
    """Words for people, without what the server or the client repeats of the request."""
    code, status = _code(error), _status(error)
    if code:
        words = _WORDS.get(code, "the storage refuses")
        return f"{words} ({code})"
    if status:
        return f"the storage answers {status}"
    if "timed out" in str(error) or "kind: Timeout" in str(error):
        return "the storage does not answer in time"
    return f"the storage is not reached ({type(error).__name__.removesuffix('Error')})"
