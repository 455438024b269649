"""Firefox without a window, driven by WebDriver BiDi (w3c.github.io/webdriver-bidi): no driver.

Its camera is Firefox's own fake one. It fetches nothing from elsewhere, so it has no OpenH264: its
WebRTC has AV1, VP8 and VP9.
"""

import asyncio
import contextlib
import itertools
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = "firefox-esr"
SECONDS = 60
PREFERENCES = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "media.autoplay.default": 0,
    "media.gmp-manager.updateEnabled": False,
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "media.peerconnection.ice.loopback": True,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}


class Page:
    """A tab."""

    def __init__(self, firefox: "Firefox", context: str) -> None:
        self._firefox = firefox
        self._context = context

    async def goto(self, url: str) -> None:
        await self._firefox.call(
            "browsingContext.navigate", context=self._context, url=url, wait="complete"
        )

    async def run(self, function: str, *words: str) -> Any:
        """What a function (or a promise of it) returns, by JSON; raises RuntimeError for what it
        throws."""
        told = await self._firefox.call(
            "script.callFunction",
            functionDeclaration=f"async (...a) => JSON.stringify(await ({function})(...a) ?? null)",
            arguments=[{"type": "string", "value": word} for word in words],
            target={"context": self._context},
            awaitPromise=True,
        )
        if told["type"] == "exception":
            raise RuntimeError(told["exceptionDetails"]["text"])
        return json.loads(told["result"]["value"])


class Firefox:
    """A running one."""

    def __init__(self, socket: "aiohttp.ClientWebSocketResponse") -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def call(self, method: str, **parameters: Any) -> Any:
        """One command; events that come meanwhile are of no interest."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(SECONDS):
            while (told := await self._socket.receive_json()).get("id") != number:
                pass
        if told["type"] == "error":
            raise RuntimeError(f"{method}: {told['error']}: {told['message']}")
        return told["result"]

    async def page(self) -> Page:
        made = await self.call("browsingContext.create", type="tab")
        return Page(self, made["context"])


@contextlib.asynccontextmanager
async def running(profile: Path) -> AsyncIterator[Firefox]:
    """With an empty directory for its profile."""
    lines = (f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in PREFERENCES.items())
    (profile / "user.js").write_text("".join(lines))
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "--headless", "--no-remote", "--profile", str(profile),
        "--remote-debugging-port", "0", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "HOME": str(profile)},
    )  # fmt: skip
    drained: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(SECONDS):
            url = await _address(process)
        drained = asyncio.create_task(_drain(process))
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            firefox = Firefox(socket)
            await firefox.call("session.new", capabilities={})
            yield firefox
    finally:
        if drained is not None:
            drained.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(60):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    said = ""
    while line := (await process.stderr.readline()).decode():
        said += line
        if found := re.search(r"WebDriver BiDi listening on (ws://\S+)", line):
            return f"{found[1]}/session"
    raise RuntimeError(f"{PROGRAM} does not start: {said}")


async def _drain(process: asyncio.subprocess.Process) -> None:
    """A full pipe would stop it."""
    assert process.stderr is not None
    while await process.stderr.read(65536):
        pass
