"""Addresses as the C library takes them."""

import contextlib
import resource
import socket
import threading
import time

import pytest
from media_streamer.protocols.srt.libsrt import (
    PAYLOAD_BYTES,
    Option,
    SrtError,
    SrtSocket,
    ffi,
    library,
    read_address,
    socket_address,
)

from tests.support.srt_packets import conclusion


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


MAXBW = 16
"""SRTO_MAXBW: bytes a second."""


@pytest.mark.parametrize(("linger", "arrive"), [(0, 0), (3, 40)])
def test_the_rest_is_sent_at_the_end(linger: int, arrive: int) -> None:
    """`linger` of a connection that is closed with half a second of data unsent."""
    listener, caller = SrtSocket.blocking(3000), SrtSocket()
    port = listener.bind("127.0.0.1", 0)
    listener.listen()
    caller.set_flag(Option.PAYLOADSIZE, PAYLOAD_BYTES)
    caller.set_flag(Option.LINGER, linger)
    rate = ffi.new("int64_t *", 100_000)
    assert library().srt_setsockflag(caller.number, MAXBW, rate, 8) == 0
    caller.connect("127.0.0.1", port)
    peer = listener.accept(3000)
    assert peer is not None
    deadline = time.monotonic() + 10
    while (sent := _sent(caller)) == 0 and time.monotonic() < deadline:
        time.sleep(0.01)  # the caller hears of it a moment later
    assert sent == 1
    assert caller.send_all([bytes(PAYLOAD_BYTES)] * 39) == 39
    caller.close()
    found, buffer = 0, ffi.new("char[]", 1500)
    with contextlib.suppress(SrtError):
        while peer.receive(buffer):
            found += 1
    assert found == arrive if arrive else found < 40
    peer.close()
    listener.close()


def _sent(caller: SrtSocket) -> int:
    try:
        return caller.send_all([bytes(PAYLOAD_BYTES)])
    except SrtError:
        return 0


@pytest.mark.parametrize("answer", [(60, 8192), (1500, 1 << 31)])
def test_a_hostile_server_is_not_believed_and_it_is_said(answer: tuple[int, int]) -> None:
    """What would make libsrt write behind its buffer, or take 48 GB, never reaches it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    _, caller = server.recvfrom(2048)
                    server.sendto(conclusion(7, *answer), caller)

        thread = threading.Thread(target=serve)
        thread.start()
        caller = SrtSocket.blocking(1000)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            caller.set_flag(Option.CONNTIMEO, 600)
            caller.call_from("127.0.0.1")
            with pytest.raises(SrtError, match="some of what came was not taken"):
                caller.connect(*server.getsockname())
        finally:
            done.set()
            thread.join()
            caller.close()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000
