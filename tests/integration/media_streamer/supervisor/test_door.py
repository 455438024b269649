"""What strangers and pages of other sites do to a whole streamer."""

import json
from pathlib import Path

from .conftest import ADMIN, Streamer

DEMO = "stream demo { input fake://fake; }\n"
FOREIGN = {"Origin": "https://evil.example"}


async def test_a_web_page_can_neither_command_nor_read(streamer: Streamer, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    target = tmp_path / "written"
    streamer.config.write_text(
        f"http 127.0.0.1:{streamer.http_port};\ncluster_key CLUSTER;\n"
        "stream cam { input rtsp://u:PASSWORD@192.0.2.1/x; disabled; }\n"
    )
    await streamer.serve(STREAMER_LOG_DIR=str(logs))
    assert "there is no edit_auth" in streamer.log
    sink = {"url": f"log://{target}"}
    for headers in (FOREIGN, {"Host": "rebound.example"}, {}):
        status, _ = await streamer.api(
            "PUT", "/event_sinks/x", auth=None, headers=headers, json=sink
        )
        assert status == 403, headers
    for headers in (FOREIGN, {"Host": "rebound.example"}, {"X-Forwarded-For": "192.0.2.9"}):
        status, text = await streamer.api("GET", "/config?full=true", auth=None, headers=headers)
        assert status == 403, headers
        assert "CLUSTER" not in json.dumps(text)
    status, config = await streamer.api("GET", "/config?full=true", auth=None)
    assert status == 200, "a program on this machine may read"
    assert not {"CLUSTER", "PASSWORD"} & set(json.dumps(config).replace('"', " ").split())
    assert (await streamer.api("GET", "/monitoring/liveness", auth=None, headers=FOREIGN))[0] == 200
    url = f"{streamer.base}/streamer/api/v3/config"
    async with streamer.session.options(url, headers=FOREIGN) as answer:
        assert answer.status == 403
        assert not [name for name in answer.headers if name.startswith("Access-Control")]
    assert not target.exists()


async def test_the_login_of_a_browser_is_of_no_use_to_other_pages(streamer: Streamer) -> None:
    streamer.write(DEMO)
    await streamer.serve()
    before = streamer.config.read_text()
    page = {**ADMIN, **FOREIGN}
    for method, path in (("DELETE", "/streams/demo"), ("PUT", "/streams/x"), ("GET", "/config")):
        assert (await streamer.api(method, path, auth=page, json={}))[0] == 403, (method, path)
    image = {**ADMIN, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert (await streamer.api("GET", "/reload", auth=image, base="/flussonic/api"))[0] == 403
    assert (await streamer.api("GET", "/reload", base="/flussonic/api"))[0] == 200
    assert streamer.config.read_text() == before


async def test_a_server_on_every_address_gets_a_password(streamer: Streamer) -> None:
    streamer.config.write_text(f"http {streamer.http_port};\n{DEMO}")
    await streamer.serve()
    assert (await streamer.api("GET", "/streams", auth=None))[0] == 401
    password = streamer.log.split("log in as admin with the password ")[1].split()[0]
    async with streamer.session.get(f"http://admin:{password}@127.0.0.1:{streamer.http_port}"
                                    "/streamer/api/v3/streams") as answer:  # fmt: skip
        assert answer.status == 200
    kept = streamer.directory / "state" / "first_password"
    assert kept.read_text().strip() == password
    assert kept.stat().st_mode & 0o777 == 0o600
    await streamer.stop()
    await streamer.serve()
    assert streamer.log.count(password) == 1, "it is told once"
