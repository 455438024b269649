"""Vendored files are the ones that were vendored."""

import hashlib

import pytest
from media_web.assets import STATIC

VENDOR = STATIC / "vendor"
SUMS = [line.split() for line in (VENDOR / "SHA256SUMS").read_text().splitlines()]


@pytest.mark.parametrize(("checksum", "name"), SUMS, ids=[name for _, name in SUMS])
def test_checksum(checksum: str, name: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == checksum


def test_every_vendored_file_is_listed() -> None:
    listed = {name for _, name in SUMS} | {"SHA256SUMS", "README.md"}
    assert {path.name for path in VENDOR.iterdir()} == listed
