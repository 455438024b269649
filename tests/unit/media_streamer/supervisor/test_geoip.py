"""The database of countries: late, broken, replaced, taken away."""

from pathlib import Path

import pytest
from media_streamer.supervisor import geoip as module
from media_streamer.supervisor.alerts import Alerts
from media_streamer.supervisor.catalog import Catalog
from media_streamer.supervisor.geoip import GeoIp
from media_streamer.supervisor.tasks import Tasks

from tests.support.country_database import write_country_database
from tests.support.streamer import until


async def test_a_file_that_is_none_is_an_alert_and_the_countries_of_before_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alerts = Alerts(Catalog())
    geoip = GeoIp(alerts)
    await geoip.use(str(write_country_database(tmp_path / "good", {"10.0.0.0/8": "DE"})))
    (tmp_path / "bad").write_text("nonsense")
    await geoip.use(str(tmp_path / "bad"))
    assert "cannot be read" in alerts.all()["geoip"]
    assert geoip.country_of("10.0.0.1") == "DE"
    await geoip.use(None)
    assert alerts.all() == {}
    assert geoip.country_of("10.0.0.1") == ""


async def test_what_comes_with_the_server_needs_no_file() -> None:
    alerts = Alerts(Catalog())
    geoip = GeoIp(alerts)
    await geoip.use("builtin")
    assert (geoip.country_of("8.8.8.8"), geoip.country_of("10.0.0.1")) == ("US", "")
    assert alerts.all() == {}


async def test_a_database_that_comes_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    alerts, tasks = Alerts(Catalog()), Tasks()
    geoip = GeoIp(alerts)
    await geoip.use(str(tmp_path / "late"))
    assert "geoip" in alerts.all()
    tasks.spawn(geoip.run(), "geoip")
    write_country_database(tmp_path / "new", {"10.0.0.0/8": "IT"}).rename(tmp_path / "late")

    async def is_known() -> bool:
        return geoip.country_of("10.0.0.1") == "IT"

    await until(is_known, "the file was found")
    assert alerts.all() == {}
    await tasks.close()
