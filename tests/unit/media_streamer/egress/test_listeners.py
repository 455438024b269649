import errno
import socket
import ssl

import pytest
from media_api import protocols
from media_api.protocols import Listener, Protocol, Role
from media_streamer.egress.listeners import Listeners, bind, explain
from media_streamer.wire.control import ListenerSpec


def test_a_key_is_never_printed():
    assert "SECRET" not in repr(
        ListenerSpec("https", "", 443, certificate="c", certificate_key="SECRET")
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EADDRINUSE, ""), "http *:80: port 80 is in use by another program"),
        (OSError(errno.EACCES, ""), "not permitted to open port 80"),
        (OSError(errno.EADDRNOTAVAIL, ""), "this machine has no address"),
        (ssl.SSLError(1, "bad"), "the certificate cannot be used"),
        (ValueError("odd"), "odd"),
    ],
)
def test_sentences_for_people(error, words):
    assert words in explain(error, ListenerSpec("http", "", 80))


def test_port_is_shared_with_the_other_workers_but_with_nobody_else():
    with bind("127.0.0.1", 0) as one:
        port = one.getsockname()[1]
        bind("127.0.0.1", port).close()
    with socket.create_server(("127.0.0.1", 0)) as alien, pytest.raises(OSError, match="in use"):
        bind("127.0.0.1", alien.getsockname()[1])


def test_without_an_address_both_families_are_served():
    with bind("", 0) as sock:
        port = sock.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), 2).close()
        if sock.family == socket.AF_INET6:
            socket.create_connection(("::1", port), 2).close()


async def test_what_fails_does_not_touch_the_rest():
    served: list[ListenerSpec] = []

    class Server:
        def close(self) -> None:
            pass

    async def serve(spec, sock, context):
        sock.close()
        served.append(spec)
        return Server()

    listeners = Listeners(serve)
    with socket.create_server(("127.0.0.1", 0)) as alien:
        port = alien.getsockname()[1]
        good, bad = ListenerSpec("http", "127.0.0.1", 0), ListenerSpec("http", "127.0.0.1", port)
        problems = await listeners.apply([good, bad])
        assert problems == [f"http 127.0.0.1:{port}: port {port} is in use by another program"]
        assert served == [good]
        assert len(await listeners.apply([good, bad])) == 1
        assert served == [good], "an open port is left alone"


@pytest.fixture
def datagrams(monkeypatch):
    """Two listeners that take datagrams, in the table for as long as the test runs."""
    row = Protocol(
        name="drops",
        title="Drops",
        transport="own",
        listeners=(
            Listener("drops", "Drops", socket="datagram"),
            Listener("pool", "Pool", socket="datagram", per_worker=False),
        ),
        publish=Role(),
    )
    monkeypatch.setattr(protocols, "ROWS", [*protocols.ROWS, row])


class Closing:
    """Serves by closing the socket at its end."""

    def __init__(self, sock: socket.socket) -> None:
        self.close = sock.close


async def serve_closing(spec, sock, context):
    return Closing(sock)


async def test_each_worker_has_udp_ports_of_its_own(datagrams, free_udp_ports):
    first = free_udp_ports
    specs = [ListenerSpec("drops", "127.0.0.1", first)]
    workers = [Listeners(serve_closing, number) for number in range(2)]
    for worker in workers:
        assert await worker.apply(specs) == []
    assert [worker.own_ports for worker in workers] == [{"drops": first}, {"drops": first + 1}]
    # Nobody else gets them, not even another worker of this server.
    assert "in use" in (await Listeners(serve_closing).apply(specs))[0]
    for worker in workers:
        await worker.close()
        assert worker.own_ports == {}


async def test_a_udp_port_of_one_process_is_the_first_workers(datagrams, free_udp_ports):
    specs = [ListenerSpec("pool", "127.0.0.1", free_udp_ports)]
    first, second = (Listeners(serve_closing, number) for number in range(2))
    for worker in (first, second):
        assert await worker.apply(specs) == []
    assert (first.own_ports, second.own_ports) == ({"pool": free_udp_ports}, {})
    await first.close()


@pytest.fixture
def free_udp_ports():
    """A port that is free together with the next."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                try:
                    other.bind(("127.0.0.1", port + 1))
                except OSError:
                    continue
        return port


async def test_ports_by_udp_open_last():
    served: list[str] = []

    class Server:
        def close(self) -> None:
            pass

    async def serve(spec, sock, context):
        sock.close()
        served.append(spec.protocol)
        return Server()

    specs = [ListenerSpec(name, "127.0.0.1", 0) for name in ("webrtc", "http", "rtmp")]
    assert await Listeners(serve).apply(specs) == []
    assert served == ["http", "rtmp", "webrtc"], "WebRTC may take TCP of its number if it is free"
