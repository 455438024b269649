"""`central` as a process: start, greeting, stop, errors, two starts over the same data."""

import asyncio
import os
import re
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest
from media_rest.credentials import basic_header


@pytest.fixture
async def run_central(tmp_path):
    """`await run_central(NAME=value, …)` -> process; ended with the test."""
    processes = []

    async def run(*arguments, **environ):
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "DATA_DIR": str(tmp_path / "data"),
            **environ,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "media_central", *arguments,
            env=variables, cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        processes.append(process)
        return process

    yield run
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def first_lines(process, until):
    lines = []
    async with asyncio.timeout(40):
        while not lines or until not in lines[-1]:
            line = (await process.stdout.readline()).decode()
            assert line, (await process.stderr.read()).decode()
            lines.append(line.rstrip())
    return lines


async def stop(process, number=signal.SIGINT):
    process.send_signal(number)
    async with asyncio.timeout(30):
        output, errors = await process.communicate()
    return output.decode(), errors.decode()


async def test_start_greeting_data_kept_and_clean_stop(run_central, free_port):
    port = free_port()
    environ = {"HTTP_PORT": str(port), "LOCAL_STREAMER": "false"}
    process = await run_central(**environ)
    lines = await first_lines(process, "reachable")
    assert lines[0] == f"Central is ready: http://127.0.0.1:{port}/"
    assert lines[1] == "  login: admin  password: admin"
    url = f"http://127.0.0.1:{port}/streamer/api/v3/streams"
    headers = {"Authorization": basic_header("admin", "admin")}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.get(url) as answer:
            assert [item["name"] for item in (await answer.json())["streams"]] == ["demo"]
        async with http.delete(f"{url}/demo") as answer:
            assert answer.status == 204
        async with http.put(f"{url}/mine", json={"inputs": [{"url": "fake://fake"}]}) as answer:
            assert answer.status == 200
    output, errors = await stop(process)
    assert process.returncode == 0
    assert "Stopping." in output
    assert "trial database" in errors
    assert "Traceback" not in errors

    process = await run_central(EDIT_AUTH="boss hidden2", **environ)
    lines = await first_lines(process, "reachable")
    assert lines[1] == "  login: boss  password: as set in EDIT_AUTH"
    headers = {"Authorization": basic_header("boss", "hidden2")}
    async with aiohttp.ClientSession(headers=headers) as http, http.get(url) as answer:
        names = [item["name"] for item in (await answer.json())["streams"]]
    assert names == ["mine"], "the demo is made at the very first start only"
    _, errors = await stop(process, signal.SIGTERM)
    assert process.returncode == 0
    assert "hidden2" not in errors


async def test_where_others_reach_it_a_password_is_made(run_central, free_port, tmp_path):
    """With the address of the image: nobody gets in by what everybody knows."""
    image = Path(__file__).parents[3] / "central-image/Dockerfile"
    (address,) = re.findall(r"HTTP_ADDRESS=(\S+)", image.read_text())
    port = free_port()
    environ = {"HTTP_PORT": str(port), "HTTP_ADDRESS": address, "LOCAL_STREAMER": "false"}
    process = await run_central(**environ)
    lines = await first_lines(process, "log in as")
    password = lines[-1].split("log in as admin with the password ")[1].split()[0]
    url = f"http://127.0.0.1:{port}/streamer/api/v3/streams"
    async with aiohttp.ClientSession() as http:
        for given, wanted in (("admin", 403), ("", 403), (password, 200)):
            headers = {"Authorization": basic_header("admin", given)}
            async with http.get(url, headers=headers) as answer:
                assert answer.status == wanted, given
        async with http.get(url) as answer:
            assert answer.status == 401
    kept = tmp_path / "data" / "first_password"
    assert kept.read_text().strip() == password
    assert kept.stat().st_mode & 0o777 == 0o600
    _, errors = await stop(process)
    assert password not in errors

    process = await run_central(**environ)
    lines = await first_lines(process, "log in as")
    assert lines[-1].endswith(f"with the password in {kept}"), "it is told once"
    output, errors = await stop(process)
    assert password not in output + errors


async def test_with_a_database_url_nothing_embedded_is_started(
    run_central, database_url, free_port, tmp_path
):
    process = await run_central(
        DATABASE_URL=database_url, API_KEY="k1", EDIT_AUTH="admin a", HTTP_PORT=str(free_port()),
        HTTP_ADDRESS="127.0.0.1",
    )  # fmt: skip
    await first_lines(process, "login")
    _, errors = await stop(process)
    assert process.returncode == 0
    assert "trial" not in errors
    assert not (tmp_path / "data").exists()


async def test_an_occupied_port_is_told(run_central, database_url):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await run_central(
            DATABASE_URL=database_url, API_KEY="k1", HTTP_PORT=str(port), HTTP_ADDRESS="127.0.0.1"
        )
        async with asyncio.timeout(40):
            _, errors = await process.communicate()
    assert process.returncode == 1
    assert f"cannot listen on port {port}" in errors.decode()
    assert "Traceback" not in errors.decode()


async def test_a_broken_file_is_told_line_by_line(run_central, tmp_path):
    file = tmp_path / "central.conf"
    file.write_text("HTTP_PORT=x\nEDIT_AUTH=admin\n")
    process = await run_central("-c", str(file))
    async with asyncio.timeout(40):
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode().splitlines() == [
        f"{file}:1: HTTP_PORT 'x' is not a number",
        f"{file}:2: EDIT_AUTH must be a login and a password with a space between",
    ]


async def test_an_unreachable_database_is_told_without_its_password(run_central, free_port):
    process = await run_central(
        DATABASE_URL=f"postgres://central:hidden3@127.0.0.1:{free_port()}/x", API_KEY="k1",
        CENTRAL_DATABASE_CONNECT_MAX_RETRIES="1",
        DATABASE_CONNECT_RETRY_TIMEOUT="10ms",
    )  # fmt: skip
    async with asyncio.timeout(40):
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert "does not answer" in errors.decode()
    assert "hidden3" not in errors.decode()
    assert "Traceback" not in errors.decode()


async def test_https_serves_the_same(run_central, database_url, free_port, tmp_path):
    key, certificate, port = tmp_path / "k.pem", tmp_path / "c.pem", free_port()
    made = await asyncio.create_subprocess_exec(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
        "/CN=localhost", "-keyout", str(key), "-out", str(certificate),
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await made.wait() == 0
    process = await run_central(
        DATABASE_URL=database_url, API_KEY="k1", EDIT_AUTH="admin a", HTTP_PORT=str(free_port()),
        HTTP_ADDRESS="127.0.0.1", HTTPS_PORT=str(port), SSL_CERTIFICATE=str(certificate),
        SSL_CERTIFICATE_KEY=str(key),
    )  # fmt: skip
    await first_lines(process, "login")
    url = f"https://127.0.0.1:{port}/central/api/v3/monitoring/liveness"
    async with aiohttp.ClientSession() as http, http.get(url, ssl=False) as answer:
        assert answer.status == 200
    await stop(process)
