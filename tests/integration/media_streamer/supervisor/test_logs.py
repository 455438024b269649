"""How much each process says, in which form, and that strangers write no lines of it."""

import json
from pathlib import Path
from typing import Any

from .conftest import Streamer, until

DEMO = "stream demo { input fake://fake; segment_duration 1; }\n"
FORGED = "x%0A2026-01-01%2000:00:00,000%20INFO%20streamer:%20all%20is%20well%1B%5B2J"


async def ask_for_a_forged_name(streamer: Streamer) -> None:
    async with streamer.session.get(f"{streamer.base}/{FORGED}/index.m3u8") as response:
        await response.read()


async def test_the_level_reaches_every_process_and_json_is_a_line_a_record(
    streamer: Streamer,
) -> None:
    streamer.write(f"{DEMO}logrequests true;\n")
    # `notice` is a word of the API, which Python's logging does not know.
    await streamer.serve(STREAMER_LOG_LEVEL="", FLUSSONIC_LOG_FORMAT="json")
    await streamer.running("demo")
    await ask_for_a_forged_name(streamer)

    def records() -> list[dict[str, Any]]:
        return [json.loads(line) for line in streamer.log.splitlines()]

    async def told(level: str) -> bool:
        found = {r["program"] for r in records() if r["message"] == f"level of the log: {level}"}
        return found == {"streamer", "egress 0", "media 0"}

    assert (await streamer.api("PUT", "/config", json={"loglevel": "debug"}))[0] == 200
    await until(lambda: told("debug"), "every process says more")
    streamer.write(f"{DEMO}loglevel error;\n")
    assert (await streamer.api("POST", "/reload", base="/flussonic/api"))[0] == 200
    await until(lambda: told("error"), "every process says less")
    assert any(FORGED in r["message"] for r in records()), "the request is logged"
    assert await streamer.stop() == 0
    assert not [r for r in records() if r["program"] == "streamer" and r["message"] == "stopping"]


async def test_a_word_of_the_api_as_level_in_the_environment(streamer: Streamer) -> None:
    streamer.write(f"{DEMO}logrequests true;\n")
    await streamer.serve(STREAMER_LOG_LEVEL="notice")
    await streamer.running("demo")
    await ask_for_a_forged_name(streamer)

    async def is_logged() -> bool:
        return FORGED in streamer.log

    await until(is_logged, "the request is logged, which is after its answer")
    assert "\n2026-01-01" not in streamer.log
    assert await streamer.stop() == 0


async def test_a_format_that_does_not_exist_ends_the_start(streamer: Streamer) -> None:
    streamer.write(DEMO)
    await streamer.start(STREAMER_LOG_FORMAT="xml")
    assert streamer.process is not None
    assert await streamer.process.wait() == 1
    assert "STREAMER_LOG_FORMAT: 'xml' is no format of the log: text, json" in streamer.log


async def test_requests_are_logged_to_a_file_that_may_be_rotated(
    streamer: Streamer, tmp_path: Path
) -> None:
    streamer.write(f"{DEMO}logrequests true;\n")
    path = tmp_path / "access.log"
    await streamer.serve(STREAMER_ACCESS_LOG=str(path))
    await streamer.running("demo")

    async def told() -> str:
        """The line of one request more."""
        headers = {"User-Agent": "a player"}
        url = f"{streamer.base}/demo/index.m3u8?token=secret"
        async with streamer.session.get(url, headers=headers) as response:
            assert response.status == 200
            size = len(await response.read())

        async def is_told() -> bool:
            return path.exists() and "index.m3u8" in path.read_text()

        await until(is_told, "the request is logged")
        line = path.read_text().splitlines()[-1]
        assert f'"GET /demo/index.m3u8 HTTP/1.1" 200 {size} "-" "a player"' in line
        return line

    first = await told()
    (session,) = (await streamer.api("GET", "/sessions"))[1]["sessions"]
    assert first.split()[-2] == session["id"]
    path.rename(tmp_path / "access.log.1")
    await told()
    assert "secret" not in path.read_text()
