"""Says as an alert which certificates have run out, soon will, or whose chain is not whole.

They are looked at when the configuration is read and each hour: a certificate runs out while the
server runs, and nobody but its clients would notice.
"""

import asyncio
import contextlib
import logging
from pathlib import Path

from media_streamer.config.certificates import complaints
from media_streamer.config.tls import certificate_files
from media_streamer.supervisor.alerts import Alerts
from media_streamer.supervisor.catalog import Catalog

log = logging.getLogger(__name__)

LOOK_SECONDS = 3600.0
ALERT = "certificates"


class CertificateWatch:
    """One per server. `directory`: where relative paths start."""

    def __init__(self, catalog: Catalog, alerts: Alerts, directory: Path) -> None:
        self._catalog = catalog
        self._alerts = alerts
        self._directory = directory
        self._told = ""
        self._look = asyncio.Event()

    def configured(self) -> None:
        """The listeners or the files may be others."""
        self._look.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._look.clear()
            files = certificate_files(self._catalog.config, self._directory)
            text = "; ".join(await asyncio.to_thread(_all, files))
            if text and text != self._told:
                log.warning("TLS: %s", text)
            self._told = text
            self._alerts.set(ALERT, text)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._look.wait()


def _all(files: list[Path]) -> list[str]:
    return [text for file in files for text in complaints(file)]
