"""`init_script`, and the life of the processes of all scripts.

`init_script` runs once, at the start of the server, beside it: nobody waits for it. It finds the
server in `server` (`hostname`, `version`). What it says goes to the log; its failure is an alert.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from media_api.scripts import script_path

from media_streamer.lua.host import ScriptFailed, ScriptHost

log = logging.getLogger(__name__)

ALERT = "init_script"
INIT_SECONDS = 60.0
SWEEP_SECONDS = 60.0


async def run_init_script(
    host: ScriptHost, path: str | None, server: dict[str, Any], alert: Callable[[str, str], None]
) -> None:
    """Run it; `alert(key, text)` is told how it went."""
    script = script_path(path or "")
    if script is None:
        return
    try:
        await host.run(script, {"server": server, "args": {}}, INIT_SECONDS)
    except ScriptFailed as error:
        text = f"init_script {script} failed: {error}"
        log.error("%s", text)
        alert(ALERT, text)
        return
    log.info("init_script %s has run", script)


async def sweep(host: ScriptHost) -> None:
    """End processes that nobody needs, until cancelled."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        await host.sweep()
