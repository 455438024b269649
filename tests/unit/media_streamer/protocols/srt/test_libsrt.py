"""Addresses as the C library takes them."""

import pytest
from media_streamer.protocols.srt.libsrt import read_address, socket_address


@pytest.mark.parametrize("address", [("127.0.0.1", 9998), ("::1", 1), ("2001:db8::7", 65535)])
def test_addresses_are_read_as_they_were_written(address: tuple[str, int]) -> None:
    assert read_address(socket_address(*address)) == address


def test_mapped_addresses_are_shown_as_ipv4() -> None:
    assert read_address(socket_address("::ffff:10.0.0.1", 5)) == ("10.0.0.1", 5)
