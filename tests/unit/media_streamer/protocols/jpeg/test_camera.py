"""Pictures that cameras make: their ways to ask for a login, and what is no picture."""

import asyncio
import logging
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from media_streamer.protocols.jpeg import camera
from media_streamer.protocols.jpeg.camera import CameraFailed, Cameras, fetch

PICTURE = b"\xff\xd8picture\xff\xd9"
CHALLENGE = 'Digest realm="cam", nonce="n1", qop="auth", algorithm=MD5'


class Camera:
    """Asks for a login by `kind`; `seen`: the logins that it was sent."""

    def __init__(self) -> None:
        self.kind, self.body, self.status = "", PICTURE, 200
        self.location = ""
        self.seen: list[str] = []
        self.hosts: list[str] = []
        self.port = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        login = request.headers.get("Authorization", "")
        self.seen.append(login)
        self.hosts.append(request.host)
        if request.path == "/slow":
            await asyncio.sleep(30)
        if self.kind == "digest" and not login.startswith('Digest username="anna"'):
            return web.Response(status=401, headers={"WWW-Authenticate": CHALLENGE})
        if self.kind == "basic" and login != aiohttp.encode_basic_auth("anna", "p@w"):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="cam"'})
        if self.location:
            return web.Response(status=302, headers={"Location": self.location})
        return web.Response(body=self.body, status=self.status)


@pytest.fixture
async def cam() -> AsyncIterator[Camera]:
    one = Camera()
    app = web.Application()
    app.router.add_get("/{path:.*}", one.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.port = runner.addresses[0][1]
    yield one
    await runner.cleanup()


@pytest.mark.parametrize("kind", ["", "basic", "digest"])
async def test_a_camera_gets_the_login_that_it_asks_for(cam: Camera, kind: str) -> None:
    cam.kind = kind
    assert await fetch(f"http://anna:p%40w@127.0.0.1:{cam.port}/snap.jpg?channel=1") == PICTURE
    assert cam.seen[0] == "", "none before it asks"
    assert len(cam.seen) == (2 if kind else 1)
    assert "p@w" not in "".join(cam.seen)


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("a.jpg", b"GIF89a", 200, "no JPEG"),
        ("a.jpg", PICTURE, 404, "answers 404"),
        ("a.jpg", PICTURE + bytes(camera.MAX_BYTES), 200, "more than 8 MiB"),
        ("slow", PICTURE, 200, "no answer"),
    ],
)
async def test_what_is_no_picture(
    cam: Camera, monkeypatch: pytest.MonkeyPatch, path: str, body: bytes, status: int, words: str
) -> None:
    monkeypatch.setattr(camera, "TIMEOUT_SECONDS", 0.3 if path == "slow" else 5.0)
    cam.body, cam.status = body, status
    with pytest.raises(CameraFailed, match=words):
        await fetch(f"http://127.0.0.1:{cam.port}/{path}")


async def test_a_camera_that_fails_is_told_of_once_and_without_its_password(
    cam: Camera, caplog: pytest.LogCaptureFixture
) -> None:
    cameras, url = Cameras(), f"http://anna:secret@127.0.0.1:{cam.port}/a.jpg"
    cam.status = 500
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert await cameras.picture("gate", url) is None
            cameras._asked.clear()
    (line,) = caplog.messages
    assert "stream gate: thumbnails" in line
    assert "it answers 500" in line
    assert "secret" not in line
    cam.status = 200
    assert await cameras.picture("gate", url) == PICTURE


async def test_a_camera_that_does_not_answer_is_waited_for_once(cam: Camera) -> None:
    cameras, url = Cameras(), f"http://127.0.0.1:{cam.port}/a.jpg"
    cam.status = 500
    assert [await cameras.picture("gate", url) for _ in range(3)] == [None] * 3
    assert len(cam.seen) == 1


async def test_a_crowd_asks_a_camera_once(cam: Camera) -> None:
    cameras, url = Cameras(), f"http://127.0.0.1:{cam.port}/a.jpg"
    found = await asyncio.gather(*(cameras.picture("gate", url) for _ in range(50)))
    assert set(found) == {PICTURE}
    assert await cameras.picture("gate", url) == PICTURE
    assert len(cam.seen) == 1


async def test_an_address_that_is_none() -> None:
    for url in ("http://", "http://127.0.0.1:1/a.jpg", "http://[::1", "ftp://h/a"):
        with pytest.raises(CameraFailed):
            await fetch(url)


@pytest.mark.parametrize("login", ["", "anna:p%40w@"])
async def test_a_redirect_leads_to_no_place_that_is_refused(cam: Camera, login: str) -> None:
    """Neither to metadata of a cloud, nor does a login go elsewhere."""
    cam.location = "http://169.254.169.254/latest/meta-data"
    words = "answers 302" if login else "link-local"
    with pytest.raises(CameraFailed, match=words):
        await fetch(f"http://{login}127.0.0.1:{cam.port}/snap.jpg")
    for host, why in {"[::ffff:169.254.169.254]": "link-local", "2852039166": "canonical"}.items():
        with pytest.raises(CameraFailed, match=why):
            await fetch(f"http://{login}{host}/snap.jpg")
    if login:
        cam.kind, cam.location = "digest", f"http://localhost:{cam.port}/other"
        with pytest.raises(CameraFailed):
            await fetch(f"http://{login}127.0.0.1:{cam.port}/snap.jpg")
        assert all(host.startswith("127.0.0.1") for host in cam.hosts)
