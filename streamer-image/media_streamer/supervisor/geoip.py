"""Countries of viewers, from the database that `geoip` names.

The file is read by a thread: it may have 100 MB and lie on a slow disk. One that cannot be read is
an alert, and the countries of before go on; it is looked at again each minute, so that a database
that was updated, or came late, holds without a reload.
"""

import asyncio
import logging
from pathlib import Path

from media_auth.countries import Countries

from media_streamer.supervisor.alerts import Alerts

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
ALERT = "geoip"


class GeoIp:
    """`countries` is None while there is no database."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._path: Path | None = None
        self._turn = asyncio.Lock()
        self.countries: Countries | None = None

    def country_of(self, ip: str) -> str:
        """ISO 3166-1 alpha-2; empty if it is not known."""
        return self.countries.of(ip) if self.countries is not None else ""

    async def use(self, path: str | None) -> None:
        """Countries come from this file from now on; None: from nowhere."""
        async with self._turn:
            wanted = Path(path) if path else None
            if wanted == self._path:
                return
            self._path = wanted
            if wanted is None:
                self._put(None)
                self._alerts.set(ALERT, "")
            else:
                await self._load(wanted)

    async def run(self) -> None:
        """Look at the file until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            async with self._turn:
                if self.countries is not None:
                    await asyncio.to_thread(self.countries.refresh)
                elif self._path is not None:
                    await self._load(self._path)

    async def _load(self, path: Path) -> None:
        try:
            found = await asyncio.to_thread(Countries, path)
        except (OSError, ValueError) as error:
            text = f"geoip: {path} cannot be read, rules on countries do not hold: {error}"
            if ALERT not in self._alerts.all():
                log.error("%s", text)
            self._alerts.set(ALERT, text)
            return
        self._put(found)
        self._alerts.set(ALERT, "")
        log.info("countries of viewers come from %s", path)

    def _put(self, found: Countries | None) -> None:
        before, self.countries = self.countries, found
        if before is not None:
            before.close()
