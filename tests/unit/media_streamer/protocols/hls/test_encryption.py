"""Keys of a key server, and what is encrypted with them."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.egress.access import AccessDenied
from media_streamer.files.gathered import Body
from media_streamer.presentation.track_index import Segment
from media_streamer.protocols.hls import encryption
from media_streamer.protocols.hls.encryption import Encrypting, SegmentKey, encrypted, number_of
from media_streamer.wire.control import Encryption

from tests.support.key_server import KeyServer, key_of
from tests.support.streamer import until

NAME = "2026/11/27/07/00/05-05000"
NUMBER = 1795762805 // 600


@pytest.fixture
async def server() -> AsyncIterator[KeyServer]:
    async with KeyServer().serving() as one:
        yield one


def terms(server: KeyServer, **options: object) -> Encryption:
    return Encryption("news", server.url, "drm/news", **options)  # type: ignore[arg-type]


def decrypted(body: bytes, key: SegmentKey) -> bytes:
    cipher = Cipher(algorithms.AES128(key.value), modes.CBC(key.vector)).decryptor()
    padder = PKCS7(128).unpadder()
    return padder.update(cipher.update(body) + cipher.finalize()) + padder.finalize()


@given(st.binary(max_size=100), st.binary(min_size=16, max_size=16))
def test_what_is_encrypted_is_padded_and_comes_back(body: bytes, value: bytes) -> None:
    key = SegmentKey(value, "https://keys/1")
    made = encrypted(body, key)
    assert len(made) == len(body) // 16 * 16 + 16
    assert decrypted(made, key) == body
    assert value.hex() not in repr(key)
    assert value.hex() not in key.line


def test_numbers_follow_from_names() -> None:
    assert number_of(NAME, 0) == 1
    assert number_of(NAME, 600) == NUMBER
    assert number_of("2026/11/27/07/00/05-05000-123", 600) == NUMBER
    segment = Segment(0, 1795762805_999, 5.0, "/x", 1, False, 0, 1)
    assert number_of(segment.name, 600) == NUMBER
    with pytest.raises(ValueError, match="month"):
        number_of("2026/13/27/07/00/05-05000", 600)


async def test_lines_of_a_playlist(server: KeyServer) -> None:
    own, keys = terms(server, period_seconds=600), Encrypting()
    line = await keys.lines(own, {NUMBER, NUMBER + 1})
    assert sorted(server.asked) == [("drm/news", str(NUMBER)), ("drm/news", str(NUMBER + 1))]
    said = line(NAME)
    assert said.startswith('#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.1:')
    assert f'/players?name=drm/news&number={NUMBER}",IV=0x' in said
    assert line("2026/11/27/07/09/59-05000") == said != line("2026/11/27/07/10/00-05000")
    assert (await keys.lines(own, {NUMBER}))(NAME) == said
    assert len(server.asked) == 2  # each key once
    with pytest.raises(KeyError):  # never as if it were in clear
        line("2026/11/27/07/20/00-05000")


async def test_a_segment_is_encrypted_once_for_many(server: KeyServer) -> None:
    own, keys, read = terms(server), Encrypting(), 0

    async def body() -> Body:
        nonlocal read
        read += 1
        return b"media"

    bodies = await asyncio.gather(*(keys.sealed(own, 1, ("ts", NAME), body) for _ in range(20)))
    assert read == 1
    assert len({id(one) for one in bodies}) == 1
    key = SegmentKey(key_of("drm/news", "1"), "")
    assert decrypted(bodies[0], key) == b"media"
    await keys.sealed(own, 1, ("fmp4", NAME), body)
    assert read == 2


async def test_a_long_list_holds_nobody_up(server: KeyServer) -> None:
    """Its keys are asked for a few at a time, none after one that is not given, and those of live
    beside them."""
    own, keys = terms(server, period_seconds=60), Encrypting()
    await keys.lines(own, set(range(100, 130)))
    assert 1 < server.most_at_once <= encryption.MAX_ASKED
    server.slow, server.asked = asyncio.Event(), []
    lists = [
        asyncio.create_task(keys.lines(own, set(range(first, first + 900))))
        for first in (1000, 2000, 3000)
    ]

    async def lists_wait() -> bool:
        return len(server.asked) == encryption.MAX_LONG_LISTS * encryption.MAX_ASKED

    await until(lists_wait, "two lists ask")
    live = asyncio.create_task(keys.lines(own, {NUMBER}))

    async def live_asks() -> bool:
        return ("drm/news", str(NUMBER)) in server.asked

    await until(live_asks, "the key of now is asked for beside them")
    server.status = 404
    server.slow.set()
    answers = await asyncio.gather(live, *lists, return_exceptions=True)
    assert all(isinstance(one, AccessDenied) for one in answers)
    assert len(server.asked) <= 1 + len(lists) * encryption.MAX_ASKED


def broken(status: int = 200, body: bytes | None = None, told: str | None = None) -> object:
    def spoil(server: KeyServer) -> None:
        server.status, server.body, server.told = status, body, told

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (broken(status=404), "it answers 404"),
        (broken(status=302), "it answers 302"),
        (broken(body=b"short"), "neither 16 bytes nor 32"),
        (broken(body=b"x" * 1_000_000), "neither 16 bytes nor 32"),
        (broken(body=b"\xff" * 32), "neither 16 bytes nor 32"),
        (broken(told=""), "does not say where players get it"),
        (broken(told='http://h/"x'), "is no http"),
        (broken(told="javascript:alert(1)"), "is no http"),
        (broken(told="http://[bad"), "is no http"),
    ],
)
async def test_a_key_server_that_fails_is_told_and_asked_again(
    server: KeyServer,
    spoil: Callable[[KeyServer], None],
    words: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoil(server)
    keys = Encrypting()
    secret = Encryption("news", server.url.replace("http://", "http://me:s3cret@"), "news")
    for _ in range(2):
        with pytest.raises(AccessDenied, match=words) as denied:
            await keys.lines(secret, {1})
        assert denied.value.status == 503
    assert len(server.asked) == 1  # not by everybody who comes
    (line,) = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert "stream news: drm: " in line.getMessage()
    assert "s3cret" not in line.getMessage()
    monkeypatch.setattr(encryption, "RETRY_SECONDS", 0.0)
    server.status, server.body, server.told = 200, None, None
    assert (await keys.lines(secret, {1}))(NAME)


async def test_one_that_is_away_or_silent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(encryption, "TIMEOUT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # nobody accepts
        gone = Encryption("a", f"http://127.0.0.1:{silent.getsockname()[1]}/", "a")
        with pytest.raises(AccessDenied, match="no answer in"):
            await Encrypting().lines(gone, {1})
    caplog.clear()
    with pytest.raises(AccessDenied, match="gives no key: it cannot be reached"):
        await Encrypting().lines(gone, {1})
    assert "127.0.0.1" in caplog.text  # for the log, and for no viewer


async def test_players_may_be_told_another_place(server: KeyServer) -> None:
    server.told = ""
    server.body = os.urandom(16)
    own = terms(server, user_keyserver="https://keys.tv/get?a=1")
    line = (await Encrypting().lines(own, {1}))(NAME)
    assert 'URI="https://keys.tv/get?a=1&file=drm/news&number=1"' in line


async def test_one_list_asks_for_so_many_keys(server: KeyServer) -> None:
    own = terms(server, period_seconds=60)
    with pytest.raises(AccessDenied, match="more than") as denied:
        await Encrypting().lines(own, set(range(encryption.MAX_LISTED + 1)))
    assert denied.value.status == 400
    assert server.asked == []


def test_addresses_with_secrets_are_not_printed(tmp_path: Path) -> None:
    assert "s3cret" not in repr(Encryption("a", "http://k/?key=s3cret", "a"))
