"""The files of locations for the API: lists, uploads, deletions, in threads of their disk."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from aiohttp import ClientError
from media_api.vod import VodConfig

from media_streamer.disk_threads import DiskBusy, DiskThreads
from media_streamer.files.folders import (
    Item,
    Refused,
    Upload,
    delete_item,
    find_item,
    list_folder,
)
from media_streamer.files.names import BadName, local_root
from media_streamer.files.objects import MAX_LISTED, listed, looked
from media_streamer.s3.address import BadAddress, is_s3

Result = TypeVar("Result")

MAX_UPLOADS = 8
MAX_UPLOAD_BYTES = 256 * 1024**3
PAUSE_SECONDS = 60.0
"""Longest pause of who uploads."""


class FileShelf:
    """All methods raise `files.folders.Refused`."""

    def __init__(self) -> None:
        self._threads = DiskThreads("files")
        self._uploads = 0

    async def list(self, vod: VodConfig, storage: int, folder: str) -> list[Item]:
        """What lies in a folder."""
        if (bucket := _bucket(vod, storage)) is not None:
            return await self._run(bucket, partial(_list_bucket, bucket, folder))
        root = _root(vod, storage)
        return await self._run(root, partial(list_folder, root, folder))

    async def find(self, vod: VodConfig, storage: int, path: str) -> Item:
        """One file or folder."""
        if (bucket := _bucket(vod, storage)) is not None:
            return await self._run(bucket, partial(_find_in_bucket, bucket, path))
        root = _root(vod, storage)
        return await self._run(root, partial(find_item, root, path))

    async def delete(self, vod: VodConfig, storage: int, path: str) -> None:
        root = _root(vod, storage)
        await self._run(root, partial(delete_item, root, path))

    async def put(
        self,
        vod: VodConfig,
        storage: int,
        path: str,
        size: int | None,
        body: AsyncIterator[bytes],
    ) -> Item:
        """A new file, or another content of one; it is there when all of it is. `size`: if it is
        known."""
        root = _root(vod, storage)
        if (size or 0) > MAX_UPLOAD_BYTES:
            raise Refused(413, f"a file has at most {MAX_UPLOAD_BYTES} bytes")
        if self._uploads >= MAX_UPLOADS:
            raise Refused(503, f"{MAX_UPLOADS} files are uploaded already, try again")
        self._uploads += 1
        try:
            return await self._receive(root, path, size, body)
        finally:
            self._uploads -= 1

    async def _receive(
        self, root: Path, path: str, size: int | None, body: AsyncIterator[bytes]
    ) -> Item:
        upload = await self._run(root, partial(Upload, root, path, size))
        try:
            while True:
                try:
                    async with asyncio.timeout(PAUSE_SECONDS):
                        data = await anext(body, b"")
                except TimeoutError:
                    raise Refused(408, f"nothing came for {PAUSE_SECONDS:.0f} s") from None
                except (ConnectionError, ClientError):
                    raise Refused(400, "the body ended early") from None
                if not data:
                    break
                if upload.size + len(data) > MAX_UPLOAD_BYTES:
                    raise Refused(413, f"a file has at most {MAX_UPLOAD_BYTES} bytes")
                await self._run(root, partial(upload.write, data))
            if size is not None and upload.size != size:
                raise Refused(400, "the body ended early")
            await self._run(root, upload.commit)
        except BaseException:
            upload.abort()
            raise
        return Item(path, False, upload.size)

    async def _run(self, root: Path | str, work: Callable[[], Result]) -> Result:
        try:
            return await self._threads.run(str(root), work)
        except (BadName, BadAddress) as error:
            raise Refused(400, str(error)) from None
        except (DiskBusy, TimeoutError):
            raise Refused(503, "the storage of the files does not answer, try again") from None
        except OSError as error:
            raise Refused(503, f"the storage refuses: {error.strerror}") from None


def _url(vod: VodConfig, storage: int) -> str:
    if not 0 <= storage < len(vod.storages):
        raise Refused(404, f"the location has {len(vod.storages)} storages, counted from 0")
    return vod.storages[storage].url


def _root(vod: VodConfig, storage: int) -> Path:
    root = local_root(_url(vod, storage))
    if root is None:
        raise Refused(501, "files of remote storages are not managed by this server")
    return root


def _bucket(vod: VodConfig, storage: int) -> str | None:
    """The URL of a storage that is a bucket."""
    url = _url(vod, storage)
    return url if is_s3(url) else None


def _list_bucket(url: str, folder: str) -> list[Item]:
    folders, files = listed(url, folder)
    if folder and not folders and not files:
        raise Refused(404, "there is no such folder")
    found = [*(Item(one, True, 0) for one in folders), *(Item(*_file(one)) for one in files)]
    if len(found) > MAX_LISTED:
        raise Refused(400, f"the folder has more than {MAX_LISTED} files")
    return sorted(found)


def _file(found: tuple[str, int]) -> tuple[str, bool, int]:
    path, size = found
    return path, False, size


def _find_in_bucket(url: str, path: str) -> Item:
    if (size := looked(url, path)) is not None:
        return Item(path, False, size)
    if any(listed(url, path)):
        return Item(path, True, 0)
    raise Refused(404, "there is no such file")
