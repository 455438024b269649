import errno
import socket
import ssl

import pytest
from media_streamer.egress.listeners import Listeners, ListenerSpec, bind, explain, parse_listeners


def test_message_of_the_supervisor():
    message = {
        "http": [{"port": 80}, {"address": "10.0.0.1", "port": 81, "api": False}],
        "https": [{"port": 443, "certificate": "c", "certificate_key": "k", "api": None}],
        "rtmp": None,
        "rtsp": [{"port": 554}],
    }
    assert parse_listeners(message) == [
        ListenerSpec("http", "", 80),
        ListenerSpec("http", "10.0.0.1", 81, api=False),
        ListenerSpec("https", "", 443, certificate="c", key="k"),
    ]


def test_a_key_is_never_printed():
    assert "SECRET" not in repr(ListenerSpec("https", "", 443, certificate="c", key="SECRET"))


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
