"""HTTP of a real worker process: mistakes of clients, the way to the API, publishing, ports."""

import asyncio
import json
import os
import socket
import ssl
import subprocess

import aiohttp
import pytest


async def raw(port: int, data: bytes, seconds: float = 5) -> bytes:
    """Send bytes as they are; everything that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(), seconds)
    finally:
        writer.transport.abort()


async def status(egress, path: str, method: str = "GET") -> tuple[int, str]:
    request = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = await raw(egress.port, request.encode("latin-1"))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/live/../../etc/passwd", 400),
        ("/live/%2e%2e/%2e%2e/etc/passwd", 400),
        ("/ui/static/../../../../etc/passwd", 400),
        ("/ui/static/%2e%2e/__init__.py", 400),
        ("/-/player/%2e%2e/page.py", 400),
        ("/ui/static/nothing.js", 404),
        ("/ui/static/vendor", 404),
        ("/live%00/index.m3u8", 400),
        ("/live%ff/index.m3u8", 400),
        ("//live/mpegts", 400),
        ("/live\\x/mpegts", 400),
        ("/" + "a" * 300 + "/mpegts", 400),
        ("/live/nothing", 404),
        ("/live", 404),
        ("/index.m3u8", 404),
        ("/live/tracks-v1/9/9.ts", 404),
        ("/live/mpegts?" + "&".join(f"a{i}=1" for i in range(100)), 400),
        ("/live/mpegts?token=%ff", 400),
    ],
)
async def test_paths_that_cannot_be_meant(egress, path, expected):
    found, body = await status(egress, path)
    assert (found, egress.questions) == (expected, [])
    assert body.count("\n") == 1, "one line that says what is wrong"


@pytest.mark.parametrize(
    "data",
    [
        b"GET /live/mpegts HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"GET " + b"/" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /live/mpegts HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /live/mpegts HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"GET /live/mpegts HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"\0" * 1000,
    ],
)
async def test_broken_requests_are_refused_and_hurt_nobody(egress, data):
    answer = await raw(egress.port, data)
    assert answer == b"" or answer.split()[1] in (b"400", b"431")
    assert (await status(egress, "/live/nothing"))[0] == 404
    assert egress.questions == []


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/live/mpegts"), ("POST", "/live.flv")])
async def test_methods(egress, method, path):
    assert (await status(egress, path, method))[0] == 405


async def test_preflight(egress):
    async with aiohttp.request("OPTIONS", f"{egress.url}/live/index.m3u8") as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "PUT" in response.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize("path", ["/live.flv", "/live/mpegts"])
async def test_head_of_an_endless_body(egress, path, wait_until):
    assert await status(egress, path, "HEAD") == (200, "")
    await wait_until(lambda: egress.closed)


@pytest.mark.parametrize("path", ["/gone/mpegts", "/gone/index.m3u8", "/gone/preview.jpg"])
async def test_refusals_are_the_supervisors(egress, path):
    egress.denied["gone"] = {"status": 403, "code": "denied", "title": "Not for you"}
    assert await status(egress, path) == (403, "Not for you\n")


async def test_redirect_of_a_backend(egress):
    refusal = {"status": 302, "code": "redirect", "title": "Elsewhere", "location": "http://b/x"}
    egress.denied["gone"] = refusal
    async with aiohttp.ClientSession() as session:
        url = f"{egress.url}/gone/index.m3u8"
        async with session.get(url, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (302, "http://b/x")


async def test_supervisor_is_told_who_asks(egress):
    egress.denied["a/b c"] = {"status": 404, "code": "x", "title": "x"}
    headers = {"User-Agent": "agent", "Referer": "http://site/"}
    url = f"{egress.url}/a/b%20c/mpegts?token=t&password=p"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url):
        pass
    (question,) = egress.questions
    expected = {
        "name": "a/b c",
        "proto": "tshttp",
        "kind": "play",
        "ip": "127.0.0.1",
        "token": "t",
        "qs": "token=t&password=p",
        "password": "p",
        "user_agent": "agent",
        "referer": "http://site/",
    }
    assert {key: getattr(question, key) for key in expected} == expected


async def test_preview_is_asked_for_once_by_many(egress):
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            async with session.get(f"{egress.url}/live/preview.jpg") as response:
                assert response.headers["Content-Type"] == "image/jpeg"
                assert await response.read() == egress.media.picture


async def test_no_picture(egress):
    egress.media.picture = b""
    assert (await status(egress, "/live/preview.jpg"))[0] == 404


async def test_api_is_reached_through_the_port(egress):
    headers = {"X-Forwarded-For": "6.6.6.6", "X-Real-IP": "6.6.6.6", "Authorization": "Basic eA=="}
    url = f"{egress.url}/streamer/api/v3/streams/a%2Fb?x=%20y"
    async with aiohttp.request("PUT", url, data=b'{"a":1}', headers=headers) as response:
        seen = await response.json()
    assert (seen["method"], seen["path"]) == ("PUT", "/streamer/api/v3/streams/a%2Fb?x=%20y")
    assert seen["body"] == '{"a":1}'
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert seen["headers"]["x-real-ip"] == "127.0.0.1"
    assert seen["headers"]["authorization"] == "Basic eA=="
    assert seen["headers"]["host"] == f"127.0.0.1:{egress.port}"


@pytest.mark.parametrize("path", ["/", "/ui", "/ui/", "/ui/streams", "/flussonic/api/v3/config"])
async def test_paths_of_the_api(egress, path):
    found, body = await status(egress, path)
    assert (found, json.loads(body)["path"]) == (200, path)


async def test_upload_is_streamed_to_the_api(egress):
    async def body():
        for _ in range(8):
            yield b"x" * 50_000

    async with aiohttp.ClientSession() as session:
        url = f"{egress.url}/streamer/api/v3/config"
        async with session.post(url, data=body()) as response:
            assert len((await response.json())["body"]) == 400_000


async def test_static_files_do_not_need_the_api(egress):
    (egress.runtime / "api.sock").unlink()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{egress.url}/ui/static/vendor/hls.min.js") as response:
            assert response.status == 200
            assert "javascript" in response.headers["Content-Type"]
            assert len(await response.read()) > 100_000
        async with session.get(f"{egress.url}/streamer/api/v3/config") as response:
            assert response.status == 503
            assert response.headers["Retry-After"]


async def test_ports_come_and_go_while_others_stay(egress, new_port):
    one, other = new_port(), new_port()
    occupied = socket.create_server(("127.0.0.1", 0))
    taken = occupied.getsockname()[1]
    first = {"address": "127.0.0.1", "port": egress.port, "api": True}
    url = f"{egress.url}/live.flv"
    async with aiohttp.ClientSession() as session, session.get(url) as viewer:
        await viewer.content.readexactly(1000)
        ports = [
            first,
            *({"address": "127.0.0.1", "port": p, "api": False} for p in (one, taken)),
        ]
        errors = await egress.listen(http=ports)
        assert errors == [f"http 127.0.0.1:{taken}: port {taken} is in use by another program"]
        async with session.get(f"http://127.0.0.1:{one}/streamer/api/v3/config") as response:
            assert response.status == 404, "no API on this port"
        async with session.get(f"http://127.0.0.1:{one}/ui/static/favicon.svg") as response:
            assert response.status == 200
        ports = [first, {"address": "127.0.0.1", "port": other, "api": True}]
        assert await egress.listen(http=ports) == []
        async with session.get(f"http://127.0.0.1:{other}/streamer/api/v3/x") as response:
            assert response.status == 200
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", one), 2)
        await viewer.content.readexactly(10_000)
    occupied.close()


@pytest.fixture
def certificate(tmp_path):
    def make(name: str) -> dict[str, str]:
        paths = tmp_path / f"{name}.crt", tmp_path / f"{name}.key"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        command += ["-subj", f"/CN={name}", "-out", str(paths[0]), "-keyout", str(paths[1])]
        subprocess.run(command, check=True, timeout=30, capture_output=True)
        return {"certificate": paths[0].read_text(), "certificate_key": paths[1].read_text()}

    return make


async def certified_name(port: int) -> str:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return der.decode("latin-1")


async def test_https_with_a_renewed_certificate(egress, new_port, certificate):
    http = [{"address": "127.0.0.1", "port": egress.port}]
    port = new_port()
    place = {"address": "127.0.0.1", "port": port}
    listeners = {"http": http, "https": [{**place, **certificate("first")}]}
    assert await egress.listen(**listeners) == []
    assert "first" in await certified_name(port)
    url = f"https://127.0.0.1:{port}/live.flv"
    async with aiohttp.ClientSession() as session, session.get(url, ssl=False) as response:
        assert (await response.content.readexactly(3)) == b"FLV"
        listeners["https"] = [{**place, **certificate("second")}]
        assert await egress.listen(**listeners) == []
        assert "second" in await certified_name(port)
        await response.content.readexactly(10_000)


@pytest.mark.parametrize(
    ("certificate_of", "problem"),
    [
        ({}, "certificate and its key are needed"),
        ({"certificate": "/x", "certificate_key": "/x"}, "cannot read the certificate file /x"),
    ],
)
async def test_https_without_a_usable_certificate(egress, new_port, certificate_of, problem):
    https = [{"address": "127.0.0.1", "port": new_port(), **certificate_of}]
    http = [{"address": "127.0.0.1", "port": egress.port}]
    errors = await egress.listen(http=http, https=https)
    (error,) = errors
    assert problem in error


async def test_publish_with_curl(egress, canned, tmp_path):
    data = canned["ts"].header + b"".join(chunk for _, chunk in canned["ts"].chunks)
    file = tmp_path / "a.ts"
    file.write_bytes(data)
    command = ["curl", "-sS", "-o", "-", "-w", "%{http_code}", "-T", str(file)]
    process = await asyncio.create_subprocess_exec(
        *command, f"{egress.url}/live/mpegts", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert out == b"204"
    await asyncio.wait_for(egress.media.finished.wait(), 5)
    assert bytes(egress.media.received) == data
    assert egress.questions[0].kind == "publish"


async def test_second_publisher_is_refused(egress, wait_until):
    egress.media.publishers = 1
    assert (await status(egress, "/live/mpegts", "POST"))[0] == 409
    await wait_until(lambda: egress.closed)
    egress.denied["live"] = {"status": 403, "code": "x", "title": "Wrong password"}
    assert await status(egress, "/live/mpegts", "PUT") == (403, "Wrong password\n")


async def test_publisher_that_vanishes_frees_the_stream(egress, wait_until):
    head = b"POST /live/mpegts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    _, writer = await asyncio.open_connection("127.0.0.1", egress.port)
    writer.write(head + b"5\r\nhello\r\n")
    await wait_until(lambda: egress.media.received == b"hello")
    writer.transport.abort()
    await wait_until(lambda: egress.media.publishers == 0)
    await wait_until(lambda: egress.closed)


async def test_publisher_learns_that_the_media_worker_died(egress, wait_until):
    head = b"POST /live/mpegts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", egress.port)
    writer.write(head + b"5\r\nhello\r\n")
    await wait_until(lambda: egress.media.received == b"hello")
    await egress.media.stop()
    await egress.media.start()
    try:  # it has nothing more to send
        answer = await asyncio.wait_for(reader.readuntil(b"restarted"), 10)
    finally:
        writer.transport.abort()
    assert answer.startswith(b"HTTP/1.1 503")


async def test_port_of_a_worker_is_closed_when_its_supervisor_stays_away(egress):
    egress.supervisor.close()
    await egress.peer.channel.close()
    assert await asyncio.wait_for(egress.process.wait(), 60) == 0
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", egress.port), 2)


async def test_terminated_worker_leaves_in_order(egress):
    async with aiohttp.ClientSession() as session, session.get(f"{egress.url}/live.flv") as viewer:
        await viewer.content.readexactly(1000)
        os.kill(egress.process.pid, 15)
        assert await asyncio.wait_for(egress.process.wait(), 10) == 0
