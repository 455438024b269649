"""Who may call Central: keys of streamers, tokens of people, guessing, packed and odd requests."""

import asyncio
import gzip
import socket

import pytest
from media_central.access import streamer_key
from media_rest.credentials import basic_header
from media_rest.guessing import FREE_FAILURES
from media_web import assets

FAKE = {"inputs": [{"url": "rtsp://cam:hidden@192.0.2.1/live"}]}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
async def make_token(central):
    async def make(name, **fields):
        status, token = await central.api("PUT", f"/api_tokens/{name}", fields)
        assert status == 200, token
        return token["key"]

    return make


async def test_a_streamer_has_a_key_for_its_own_back_channel_and_nothing_else(central, monkeypatch):
    for name in ("s1", "s2"):
        await central.api("PUT", f"/streamers/{name}", {"api_url": "http://127.0.0.1:1"})
    own = bearer(streamer_key("test-api-key", "s1"))
    # Wrong places count as wrong keys; here that is what is tried on purpose.
    monkeypatch.setattr("media_rest.guessing.FREE_FAILURES", 1000)
    for path in ("streams", "update-streams?name=a", "dynamic-streams?name=a"):
        assert (await central.api("GET", f"/streamers/s1/{path}", headers=own))[0] == 200
        assert (await central.api("GET", f"/streamers/s2/{path}", headers=own))[0] == 403
    for method, path in (
        ("GET", "/streams"), ("GET", "/streamers/s1"), ("DELETE", "/streamers/s1"),
        ("PUT", "/streamers/s1"), ("GET", "/config"), ("GET", "/api_tokens"),
    ):  # fmt: skip
        body = {} if method == "PUT" else None
        assert (await central.api(method, path, body, headers=own))[0] == 403, path


async def test_the_key_is_answered_once_and_kept_hashed(central, database):
    status, made = await central.api("PUT", "/api_tokens/ci", {"role": "editor"})
    assert (status, len(made["key"])) == (200, 32)
    for path in ("/api_tokens/ci", "/api_tokens"):
        _, read = await central.api("GET", path)
        assert made["key"] not in str(read)
    async with database.acquire() as connection:
        row = await connection.fetchval("SELECT config::text FROM api_tokens")
        assert made["key"] not in row
    assert (await central.api("GET", "/streams", headers=bearer(made["key"])))[0] == 200
    _, read = await central.api("GET", "/api_tokens/ci")
    status, same = await central.api("PUT", "/api_tokens/ci", {**read, "comment": "for CI"})
    assert (status, same["key"]) == (200, "***")
    assert (await central.api("GET", "/streams", headers=bearer(made["key"])))[0] == 200
    given = "0123456789abcdef"
    assert (await central.api("PUT", "/api_tokens/ci", {"key": given}))[1]["key"] == given
    assert (await central.api("GET", "/streams", headers=bearer(made["key"])))[0] == 403
    assert (await central.api("GET", "/streams", headers=bearer(given)))[0] == 200
    assert (await central.api("DELETE", "/api_tokens/ci"))[0] == 204
    assert (await central.api("GET", "/streams", headers=bearer(given)))[0] == 403


@pytest.mark.parametrize("key", ["short", "é" * 16, 1, ["x" * 16]])
async def test_a_key_that_can_be_guessed_or_is_no_text_is_refused(central, key):
    status, error = await central.api("PUT", "/api_tokens/t", {"key": key})
    assert (status, error["error"]) == (400, "validation_error")


async def test_roles_of_people(central, make_token):
    keys = {role: await make_token(role, role=role) for role in ("admin", "editor", "viewer")}
    await central.api("PUT", "/streams/a", FAKE)
    may = {}
    for role, key in keys.items():
        login = {"Authorization": basic_header(role, key)}
        _, caller = await central.api("GET", "/caller", headers=login)
        assert caller == {"name": role, "role": role}
        may[role] = [
            (await central.api(method, path, body, headers=login))[0]
            for method, path, body in (
                ("GET", "/streams", None), ("PUT", "/streams/a", {"title": role}),
                ("GET", "/config", None), ("GET", "/api_tokens", None),
            )
        ]  # fmt: skip
    assert may == {
        "admin": [200, 200, 200, 200],
        "editor": [200, 200, 403, 403],
        "viewer": [200, 403, 403, 403],
    }


async def test_a_viewer_is_shown_no_secrets(central, make_token):
    await central.api("PUT", "/streams/a", {**FAKE, "on_play": "securetoken://hidden"})
    seen = bearer(await make_token("eye", role="viewer"))
    for path in ("/streams", "/streams/a"):
        assert "hidden" in str((await central.api("GET", path))[1])
        assert "hidden" not in str((await central.api("GET", path, headers=seen))[1])


async def test_view_auth_of_the_settings(start_central):
    from media_central.setting_values import Login

    central = await start_central(view_auth=Login("eye", "look"))
    login = {"Authorization": basic_header("eye", "look")}
    assert (await central.api("GET", "/streams", headers=login))[0] == 200
    assert (await central.api("PUT", "/streams/a", FAKE, headers=login))[0] == 403


async def test_a_token_sees_and_changes_its_part_only(central, make_token):
    permissions = [{"scopes": ["streams/sport*"], "read": True, "list": True, "write": True}]
    key = bearer(await make_token("sport", permissions=permissions))
    await central.api(
        "PUT", "/streams/batch", [{"name": n, **FAKE} for n in ("sport1", "sport2", "news")]
    )
    _, listed = await central.api("GET", "/streams?select=name", headers=key)
    assert [item["name"] for item in listed["streams"]] == ["sport1", "sport2"]
    assert (await central.api("GET", "/streams/news", headers=key))[0] == 403
    assert (await central.api("PUT", "/streams/sport1", {"title": "S"}, headers=key))[0] == 200
    stolen = {"name": "news", **FAKE}
    assert (await central.api("PUT", "/streams/sport1", stolen, headers=key))[0] == 403
    assert (await central.api("PUT", "/streams/batch", [stolen], headers=key))[0] == 403
    assert (await central.api("GET", "/streamers", headers=key))[0] == 403


async def test_guessing_is_slowed_down_logged_and_counted(central, caplog):
    wrong = {"Authorization": basic_header("root", "guess")}
    answers = [
        (await central.api("GET", "/streams", headers=wrong))[0] for _ in range(FREE_FAILURES + 3)
    ]
    assert answers == [403] * FREE_FAILURES + [429] * 3
    good = {"Authorization": basic_header("admin", "admin")}
    status, refused = await central.api("GET", "/streams", headers=good)
    assert (status, refused["error"]) == (429, "too_many_failures"), "this address never was good"
    lines = [item.getMessage() for item in caplog.records if "wrong password" in item.getMessage()]
    assert 1 <= len(lines) <= 4
    assert all("guess" not in line for line in lines)


async def test_who_works_here_is_not_locked_out(central):
    good = {"Authorization": basic_header("admin", "admin")}
    assert (await central.api("GET", "/streams", headers=good))[0] == 200
    wrong = {"Authorization": basic_header("other", "guess")}
    for _ in range(20):
        await central.api("GET", "/streams", headers=wrong)
    assert (await central.api("GET", "/streams", headers=good))[0] == 200
    _, stats = await central.api("GET", "/config/stats", headers=good)
    assert stats["wrong_passwords"] == FREE_FAILURES


async def test_a_packed_body_is_never_unpacked(central):
    bomb = gzip.compress(b" " * 50_000_000)
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    for login in ({}, bearer("test-api-key")):
        status, error = await central.api(
            "PUT", "/streams/a", data=bomb, headers={**headers, **login}
        )
        assert (status, error["error"]) == (415, "packed_body")


async def raw(central, request: bytes) -> bytes:
    """What comes back until Central hangs up or is silent for long."""
    reader, writer = await asyncio.open_connection("127.0.0.1", central.settings.http_port)
    writer.write(request)
    answer = b""
    try:
        async with asyncio.timeout(4):
            while part := await reader.read(65536):
                answer += part
    except TimeoutError:
        answer += b"<open>"
    writer.close()
    return answer


async def test_who_is_not_let_in_is_not_listened_to(central):
    request = (
        b"PUT /streamer/api/v3/streams/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    )
    answer = await raw(central, request)
    assert answer.startswith(b"HTTP/1.1 401")
    assert not answer.endswith(b"<open>")


@pytest.mark.parametrize(
    "line",
    [
        b"User-Agent: \xff\xfe", b"Referer: \xff", b"Authorization: Bearer \xff\xfe",
        b"Authorization: Basic \xff", b"X-Requested-With: \xff", b"Host: \xff", b"If-Match: \xff",
        b"Accept: \xff", b"X-Trace-Id: \xff\x80",
    ],
)  # fmt: skip
async def test_bytes_that_are_no_text_are_answered(central, line):
    authorized = b"" if line.startswith(b"Auth") else b"Authorization: Bearer test-api-key\r\n"
    for path in (b"/streams", b"/config/stats", b"/lb/any/%ff/x", b"/streams/%ff%fe"):
        request = b"GET /streamer/api/v3" + path + b" HTTP/1.1\r\nConnection: close\r\n"
        answer = await raw(central, request + authorized + line + b"\r\n\r\n")
        assert answer.split(b" ", 2)[1][:1] in (b"2", b"4"), answer[:300]


@pytest.mark.parametrize("path", ["/ui/static/%00", "/ui/static/a%00.js", "/ui/%00", "/%00"])
async def test_a_nul_in_a_path_is_not_found(central, path):
    answer = await raw(
        central, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    assert answer.split(b" ", 2)[1] in (b"404", b"200"), answer[:200]
    if "static" in path:
        assert answer.split(b" ", 2)[1] == b"404"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/streams/demo/dvr/locks", 405), ("PUT", "/streams/demo/dvr/export", 405),
        ("PUT", "/vods/movies", 501), ("PUT", "/templates/t", 501),
        ("PUT", "/streams/layouts", 405),
        ("PUT", "/streams/preview_layout_change", 405), ("PUT", "/streams/demo/layouts", 405),
        ("PUT", "/streams/batch", 400), ("PUT", "/streamers/batch", 400),
        ("PUT", "/streams/demo/stop", 405), ("PUT", "/streams/demo/inputs/0/select", 405),
        ("PUT", "/agents/1", 501), ("PUT", "/persons/1", 501), ("PUT", "/dvrs/x", 501),
    ],
)  # fmt: skip
async def test_what_is_not_served_says_so_and_makes_nothing(central, method, path, status):
    found, error = await central.api(method, path, {"name": "x", **FAKE})
    assert (found, bool(error["errors"][0]["title"])) == (status, True)
    assert (await central.api("GET", "/streams"))[1]["streams"] == []
    assert (await central.api("GET", "/streamers"))[1]["streamers"] == []


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/streams/demo/dvr/locks", "DELETE, GET, POST"), ("/streams/demo/dvr/export", "POST")],
)
async def test_what_is_served_instead_is_told(central, path, allowed):
    answer = await raw(
        central,
        f"PUT /streamer/api/v3{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "Authorization: Bearer test-api-key\r\nContent-Length: 0\r\n\r\n".encode(),
    )
    assert answer.split(b" ", 2)[1] == b"405"
    assert f"Allow: {allowed}\r\n".encode() in answer


async def test_a_stream_of_that_name_can_still_be_had(central):
    status, stream = await central.api("PUT", "/streams/demo%2Flayouts", FAKE)
    assert (status, stream["name"]) == (200, "demo/layouts")
    assert (await central.api("GET", "/streams/demo%2Flayouts"))[0] == 200


EVIL = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
AUTHORIZED = {"Authorization": "Bearer test-api-key"}


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/streams", "/streams/a", "/config", "/cluster/rebalance"])
async def test_a_page_of_another_site_commands_and_reads_nothing(central, method, path):
    url = central.api.base + path
    headers = {**AUTHORIZED, **EVIL, "Access-Control-Request-Private-Network": "true"}
    async with central.api.http.request(method, url, headers=headers, json={}) as answer:
        assert answer.status in (403, 405)
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Access-Control-Allow-Private-Network" not in answer.headers
    assert (await central.api("GET", "/streams"))[1]["streams"] == []


async def test_pages_that_are_named_may(start_central):
    central = await start_central(allowed_origins=("https://panel.example",))
    headers = {**AUTHORIZED, "Origin": "https://panel.example", "Sec-Fetch-Site": "cross-site"}
    url = central.api.base + "/streams"
    async with central.api.http.options(url, headers=headers) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "https://panel.example"
    async with central.api.http.get(url, headers=headers) as answer:
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "https://panel.example"
    assert (await central.api("GET", "/streams", headers={**AUTHORIZED, **EVIL}))[0] == 403


async def test_players_of_any_page_are_sent_to_a_stream(central):
    url = central.api.base + "/lb/any/none/index.m3u8"
    async with central.api.http.get(url, headers=EVIL) as answer:
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (404, "*")


async def test_who_leaves_in_the_middle_of_a_file_is_no_fault(central, caplog):
    """Nor who reads nothing: what waits for him is a piece, and he is cut off."""
    large = max(assets.STATIC.rglob("*.js"), key=lambda file: file.stat().st_size)
    path = f"/ui/static/{large.relative_to(assets.STATIC)}"
    async with central.api.http.get(central.url + path) as answer:
        assert await answer.read() == large.read_bytes()
        assert answer.content_length == large.stat().st_size or "gzip" in answer.headers.values()
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    for _ in range(2):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(sock, ("127.0.0.1", central.settings.http_port))
            await loop.sock_sendall(sock, request)
            assert (await loop.sock_recv(sock, 100)).startswith(b"HTTP/1.1 200")
    assert (await central.api("GET", "/streams"))[0] == 200
    assert "crashed" not in caplog.text
