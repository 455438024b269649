"""Countries of viewers, from the database that `geoip` names.

The file is read by a thread: it may have 100 MB and lie on a slow disk. One that cannot be read is
an alert, and the countries of before go on; it is looked at again each minute, so that a database
that was updated, or came late, holds without a reload.
"""

import asyncio
import logging
from collections.abc import Callable

from media_auth.countries import BUILTIN, CountrySource, open_countries

from media_streamer.supervisor.alerts import Alerts

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
ALERT = "geoip"


class GeoIp:
    """`countries` is None while there is no database."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._source = ""
        self._turn = asyncio.Lock()
        self.countries: CountrySource | None = None
        self.on_change: Callable[[], None] = lambda: None
        """Called when countries come from elsewhere, or from nowhere, than before."""

    def country_of(self, ip: str) -> str:
        """ISO 3166-1 alpha-2; empty if it is not known."""
        return self.countries.of(ip) if self.countries is not None else ""

    async def use(self, path: str | None) -> None:
        """Countries come from this file, or `builtin`, from now on; None: from nowhere."""
        async with self._turn:
            wanted = path or ""
            if wanted == self._source:
                return
            self._source = wanted
            if not wanted:
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
                elif self._source:
                    await self._load(self._source)

    async def _load(self, source: str) -> None:
        try:
            found = await asyncio.to_thread(open_countries, source)
        except (OSError, ValueError) as error:
            text = f"geoip: {source} cannot be read, rules on countries do not hold: {error}"
            if ALERT not in self._alerts.all():
                log.error("%s", text)
            self._alerts.set(ALERT, text)
            return
        self._put(found)
        self._alerts.set(ALERT, "")
        what = "the registries' assignments" if source == BUILTIN else source
        log.info("countries of viewers come from %s", what)

    def _put(self, found: CountrySource | None) -> None:
        before, self.countries = self.countries, found
        if before is not None:
            before.close()
        if found is not before:
            self.on_change()
