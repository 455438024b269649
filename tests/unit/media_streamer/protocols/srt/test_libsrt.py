"""Addresses as the C library takes them."""

import socket
import time

import pytest
from media_streamer.protocols.srt.libsrt import (
    SrtError,
    SrtSocket,
    library,
    read_address,
    socket_address,
)


@pytest.mark.parametrize("address", [("127.0.0.1", 9998), ("::1", 1), ("2001:db8::7", 65535)])
def test_addresses_are_read_as_they_were_written(address: tuple[str, int]) -> None:
    assert read_address(socket_address(*address)) == address


def test_mapped_addresses_are_shown_as_ipv4() -> None:
    assert read_address(socket_address("::ffff:10.0.0.1", 5)) == ("10.0.0.1", 5)


def test_a_port_that_waits_costs_nothing() -> None:
    """Also one whose socket did not block, as those of asyncio."""
    listener = SrtSocket()
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setblocking(False)
    udp.bind(("127.0.0.1", 0))
    listener.use(udp)
    assert library().srt_listen(listener.number, 1) >= 0
    before = time.process_time()
    time.sleep(0.5)  # what is measured: CPU time in a while of nothing
    assert time.process_time() - before < 0.05, "its thread does not wait"
    listener.close()


def test_who_has_gone_before_he_is_taken() -> None:
    """libsrt gives out such a caller's number all the same."""
    gone = SrtSocket()
    gone.close()
    with pytest.raises(SrtError):
        SrtSocket(gone.number)
