"""Bytes of real files, brought into memory and found there."""

import pytest
from media_streamer.page_cache import CHUNK_BYTES, is_cached, read_ahead


@pytest.mark.parametrize("size", [1, 1000, CHUNK_BYTES, 2 * CHUNK_BYTES + 1])
def test_read_to_the_end_and_not_beyond(tmp_path, size):
    path = tmp_path / "file"
    path.write_bytes(bytes(size))
    with path.open("rb") as file:
        read_ahead(file.fileno(), 0, size)
        read_ahead(file.fileno(), size - 1, 1)
        with pytest.raises(FileNotFoundError):
            read_ahead(file.fileno(), 0, size + 1)
        assert not is_cached(file.fileno(), size, 1), "there is nothing"
        assert not is_cached(file.fileno(), 0, size + 1)


def test_what_no_file_is():
    assert not is_cached(-1, 0, 1)
