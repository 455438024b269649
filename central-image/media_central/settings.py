# ruff: noqa: RUF009 - the defaults are dataclass fields, made by a function
"""What Central is started with: the environment over `central.conf` over the defaults.

Every setting has one name (`HTTP_PORT`), a twin with the prefix `CENTRAL_` that newer deployments
use, and is read from the environment and from the file alike. A value that cannot be used is an
error that names its place and the way out; an unknown name in the file is only reported, because
files of other releases must still start.

The *trial* is a Central that brings its own database or its own streamer: only then are there a
default login, a generated API key and a data directory.
"""

import dataclasses
import difflib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from media_api import protocols
from media_process.logs import LogFormat, format_of, level_of
from media_rest.same_origin import is_loopback

from media_central.history.tables import Retention
from media_central.setting_values import (
    PORT,
    Login,
    Network,
    boolean,
    countries_file,
    database_url,
    duration,
    http_url,
    login_of,
    networks_of,
    non_empty,
    one_of,
    origins_of,
    ports_by_listener,
    readable_file,
    whole_number,
)
from media_central.settings_file import Setting, SettingsError, read_settings_file

DEFAULT_FILE = Path("/etc/central/central.conf")
FILE_NAME = "central.conf"
"""In the data directory of the trial."""
DEFAULT_HTTP_PORT = 9019
TRIAL_LOGIN = "admin"
TRIAL_PASSWORD = "admin"
_PREFIX = "CENTRAL_"


def _setting(
    default: Any,
    parse: Callable[[str], Any],
    text: str,
    *,
    secret: bool = False,
    also: tuple[str, ...] = (),
) -> Any:
    meta = {"parse": parse, "text": text, "secret": secret, "also": also}
    return dataclasses.field(default=default, metadata=meta, repr=not secret)


def _streamer_port(title: str, default: int | None) -> Any:
    return _setting(default, PORT, f"{title} port of the local streamer")


if TYPE_CHECKING:

    @dataclass(frozen=True, slots=True)
    class _StreamerPorts:
        streamer_http_port: int = 8080

else:
    # STREAMER_NAME_PORT for each listener without TLS of the table of protocols.
    _StreamerPorts = dataclasses.make_dataclass(
        "_StreamerPorts",
        [
            (
                f"streamer_{name}_port",
                int | None,
                _streamer_port(item.title, item.unprivileged if row.answers else None),
            )
            for name, (row, item) in protocols.listeners().items()
            if not item.tls
        ],
        frozen=True,
        slots=True,
    )


@dataclass(frozen=True, slots=True)
class Settings(_StreamerPorts):
    """Durations are seconds. `None` means: not set."""

    database_url: str | None = _setting(
        None, database_url, "PostgreSQL; without it an embedded one is started", secret=True
    )
    api_key: str | None = _setting(
        None, non_empty, "key that streamers present as Bearer", secret=True
    )
    api_url: str | None = _setting(None, http_url, "URL of Central that streamers can reach")
    edit_auth: Login | None = _setting(
        None, login_of, "administrator: login and password", secret=True
    )
    view_auth: Login | None = _setting(
        None, login_of, "reader, who is shown no secrets: login and password", secret=True
    )
    http_address: str | None = _setting(
        None, non_empty, "address to listen on (default: all; the trial: 127.0.0.1)"
    )
    http_port: int = _setting(DEFAULT_HTTP_PORT, PORT, "HTTP port")
    https_port: int | None = _setting(None, PORT, "HTTPS port")
    ssl_certificate: Path | None = _setting(None, readable_file, "PEM certificate (chain) of HTTPS")
    ssl_certificate_key: Path | None = _setting(None, readable_file, "PEM key of HTTPS")
    allowed_origins: tuple[str, ...] = _setting(
        (), origins_of, "web sites whose pages may use the API: https://HOST, several with spaces"
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        (), networks_of, "proxies whose X-Forwarded-For is believed: networks with spaces between"
    )
    log_level: int = _setting(logging.INFO, level_of, "detail of the log: debug, info, warning …")
    log_format: LogFormat = _setting("text", format_of, "format of the log: text or json")
    log_requests: bool = _setting(False, boolean, "log every request")

    layouter_enabled: bool = _setting(True, boolean, "place streams on streamers")
    layouter_sleeping_interval: float = _setting(
        30.0, duration("ms"), "pause between rounds of the layouter (bare number: ms)"
    )
    streamer_dead_timeout: float | None = _setting(
        None, duration("s"), "a streamer silent for longer loses its streams (default 60s)"
    )
    streamer_healthcheck_fails_threshold: int = _setting(
        5, whole_number(1, 1000), "failed checks within an hour that make a streamer unhealthy"
    )
    cluster_node_config_provision_enabled: bool = _setting(
        True, boolean, "write config_external into the streamers"
    )
    cluster_streamer_connector_retries: int = _setting(
        5, whole_number(0, 1000), "attempts to provision a streamer before the pause grows"
    )
    streamer_fetch_timeout: float = _setting(
        75.0, duration("s"), "longest time that a streamer's answer may take"
    )
    streams_stats_fetch_interval: float = _setting(
        5.0, duration("s"), "pause between two readings of a streamer's statistics"
    )
    config_external_reconciliation_interval: float = _setting(
        5.0, duration("ms"), "how often streamers should ask for their streams (bare number: ms)"
    )
    database_max_connections: int = _setting(
        40,
        whole_number(2, 1000),
        "size of the connection pool",
        also=("DB_MAX_CONNECTIONS", "MAX_CONNECTIONS"),
    )
    database_connect_max_retries: int = _setting(
        20,
        whole_number(0, 10_000),
        "attempts to reach the database at the start",
        also=("DB_CONNECT_MAX_RETRIES", "CONNECT_MAX_RETRIES"),
    )
    database_connect_retry_timeout: float = _setting(
        1.0,
        duration("s"),
        "pause between these attempts",
        also=("DB_CONNECT_RETRY_TIMEOUT", "CONNECT_RETRY_TIMEOUT"),
    )
    geoip: Path | None = _setting(
        None,
        countries_file,
        "database of countries (MaxMind format), or `builtin`: those of the registries; for rules"
        " on countries",
    )
    history_retention_days: int = _setting(
        7, whole_number(1, 3660), "days that events, sessions and the figures of minutes are kept"
    )
    history_rollup_retention_days: int = _setting(
        400,
        whole_number(1, 3660),
        "days that figures of days, placements and the audit are kept (those of hours at most 62)",
    )

    store: str = _setting(
        "postgresql",
        one_of("postgresql", "kubernetes"),
        "where streams and streamers are kept: postgresql, or kubernetes (custom resources)",
    )
    watch_namespace: str | None = _setting(
        None, non_empty, "Kubernetes: the one namespace that is served (default: all)"
    )
    pod_namespace: str = _setting(
        "default", non_empty, "Kubernetes: where streams made through the API are created"
    )
    pod_name: str | None = _setting(
        None,
        non_empty,
        "Kubernetes: the name of this one of several Centrals (default: of the host)",
    )
    cluster_key: str | None = _setting(
        None, non_empty, "Kubernetes: the cluster key of the streamer pods", secret=True
    )

    data_dir: Path | None = _setting(None, Path, "data of the trial")
    local_streamer: bool | None = _setting(
        None, boolean, "start a streamer beside Central (default: only without DATABASE_URL)"
    )

    public_url: str | None = _setting(
        None, http_url, "URL that viewers reach the streamer beside Central at (default: its own)"
    )
    public_ports: tuple[tuple[str, int], ...] = _setting(
        (),
        ports_by_listener,
        "further ports that viewers reach there, such as rtmp=1936 (default: its own)",
    )

    file: Path | None = dataclasses.field(default=None, metadata={})

    @property
    def streamer_ports(self) -> dict[str, int]:
        """Ports of the local streamer, by listener."""
        ports: dict[str, int | None] = {
            name: getattr(self, f"streamer_{name}_port", None) for name in protocols.listeners()
        }
        return {name: port for name, port in ports.items() if port is not None}

    @property
    def embedded_database(self) -> bool:
        return self.database_url is None and not self.in_cluster

    @property
    def in_cluster(self) -> bool:
        """The custom resources are the truth; PostgreSQL keeps the history only."""
        return self.store == "kubernetes"

    @property
    def with_local_streamer(self) -> bool:
        return self.embedded_database if self.local_streamer is None else self.local_streamer

    @property
    def trial(self) -> bool:
        return self.embedded_database or self.with_local_streamer

    @property
    def login(self) -> Login | None:
        """The administrator; the trial on this machine has a well-known one."""
        if self.edit_auth is None and self.trial:
            return Login(TRIAL_LOGIN, TRIAL_PASSWORD)
        return self.edit_auth

    @property
    def retention(self) -> Retention:
        return Retention(self.history_retention_days, self.history_rollup_retention_days)

    @property
    def needs_password(self) -> bool:
        """Others reach it, and everybody knows the password that it would have."""
        if self.edit_auth is not None or not self.trial:
            return False
        return self.listen_address is None or not is_loopback(self.listen_address)

    @property
    def dead_timeout(self) -> float:
        """60 s as documented; 15 s where the only streamer is on the same machine."""
        if self.streamer_dead_timeout is not None:
            return self.streamer_dead_timeout
        return 15.0 if self.with_local_streamer else 60.0

    @property
    def data_directory(self) -> Path:
        """Absolute: PostgreSQL and the streamer run in other directories."""
        return (self.data_dir or Path(".data")).absolute()

    @property
    def listen_address(self) -> str | None:
        """None: all addresses. The trial has a well-known login, so it is not offered to all."""
        if self.http_address is None:
            return "127.0.0.1" if self.trial else None
        return None if self.http_address in ("0.0.0.0", "::", "*") else self.http_address


# Known, and without effect: they switch things that this Central does not have.
IGNORED = frozenset(
    {"LICENSE_KEY", "REDIS", "OPENTELEMETRY_URL", "EPISODES_BUFFER_DELAY", "EPISODES_BUFFER_LIMIT"}
)


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Usable settings and what was odd about them, a line each."""

    settings: Settings
    warnings: list[str]


def _names() -> dict[str, dataclasses.Field[Any]]:
    names: dict[str, dataclasses.Field[Any]] = {}
    for item in dataclasses.fields(Settings):
        if "parse" in item.metadata:
            for name in (item.name.upper(), *item.metadata["also"]):
                names[name] = item
    return names


SETTINGS_BY_NAME = _names()


def load_settings(file: Path | None, environ: Mapping[str, str]) -> LoadedSettings:
    """Settings from `file` (None: the default file or that of the trial) and the environment.

    Raises SettingsError with every problem found, not only the first.
    """
    own = Path(environ.get("DATA_DIR") or ".data") / FILE_NAME
    path = file or next((one for one in (DEFAULT_FILE, own) if one.exists()), None)
    return settings_of(read_settings_file(path) if path else [], path, environ)


def settings_of(
    written: list[Setting], path: Path | None, environ: Mapping[str, str]
) -> LoadedSettings:
    """Settings from the lines of a file and the environment. Raises SettingsError."""
    warnings: list[str] = []
    given = {**_known(written, warnings), **_from_environment(environ)}
    problems: list[str] = []
    values: dict[str, Any] = {"file": path}
    for name, setting in given.items():
        try:
            values[name] = SETTINGS_BY_NAME[name.upper()].metadata["parse"](setting.value)
        except ValueError as error:
            problems.append(f"{setting.place}: {setting.name} {error}")
    if problems:
        raise SettingsError(problems)
    settings = Settings(**values)
    _check_together(settings, given, str(path or "environment"))
    return LoadedSettings(settings, warnings)


def file_of(settings: Settings) -> Path:
    """The file that changes are written to: that of the start, or where the next one looks."""
    if settings.file is not None:
        return settings.file
    return settings.data_directory / FILE_NAME if settings.trial else DEFAULT_FILE


def setting_name(written: str) -> str | None:
    """Field of `Settings` that a name in upper case means, None if there is none."""
    item = SETTINGS_BY_NAME.get(written.removeprefix(_PREFIX))
    return item.name if item is not None else None


def set_by_environment(environ: Mapping[str, str]) -> frozenset[str]:
    """Fields that the environment decides, whatever the file says."""
    return frozenset(_from_environment(environ))


def _known(written: list[Setting], warnings: list[str]) -> dict[str, Setting]:
    given: dict[str, Setting] = {}
    for setting in written:
        name = setting.name.removeprefix(_PREFIX)
        item = SETTINGS_BY_NAME.get(name)
        if item is not None:
            given[item.name] = setting
        elif name not in IGNORED:
            close = difflib.get_close_matches(name, SETTINGS_BY_NAME, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            warnings.append(f"{setting.place}: unknown setting {setting.name} is ignored{hint}")
    return given


def _from_environment(environ: Mapping[str, str]) -> dict[str, Setting]:
    """An empty variable counts as not set: compose files and manifests pass those on."""
    given: dict[str, Setting] = {}
    for name, item in SETTINGS_BY_NAME.items():
        for variable in (_PREFIX + name, name):
            value = environ.get(variable, "").strip()
            if value:
                given.setdefault(item.name, Setting(variable, value, "environment"))
    return given


def _check_together(settings: Settings, given: Mapping[str, Setting], default_place: str) -> None:
    def place(name: str) -> str:
        return given[name].place if name in given else default_place

    problems: list[str] = []
    if settings.in_cluster and settings.database_url is None:
        problems.append(f"{place('store')}: STORE=kubernetes needs DATABASE_URL for the history")
    if not settings.trial and settings.api_key is None:
        problems.append(
            f"{place('database_url')}: API_KEY is required with DATABASE_URL:"
            " set any key, streamers present it to Central"
        )
    tls = ("https_port", "ssl_certificate", "ssl_certificate_key")
    missing = [name.upper() for name in tls if getattr(settings, name) is None]
    if settings.https_port is not None and missing:
        problems.append(f"{place('https_port')}: HTTPS_PORT needs {' and '.join(missing)}")
    if settings.https_port == settings.http_port:
        problems.append(f"{place('https_port')}: HTTPS_PORT is the same as HTTP_PORT")
    if problems:
        raise SettingsError(problems)
