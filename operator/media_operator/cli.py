"""`media-operator`: logging, signals, health endpoint, and who runs when."""

import argparse
import asyncio
import logging
import signal
import time
from collections.abc import Coroutine
from typing import Any

from aiohttp import web
from media_kube.client import KubeClient
from media_kube.election import Election
from media_process import logs
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from media_operator import metrics
from media_operator.apply import Writer
from media_operator.bootstrap import ensure_secret_in_time
from media_operator.controller import Controller
from media_operator.picture import ClusterPicture
from media_operator.settings import Settings
from media_operator.watch.follow import Follower

log = logging.getLogger(__name__)

HEALTH_PORT = 8081
LEASE_NAME = "media-operator"
SILENCE_SECONDS = 120.0
"""Without any watch event for so long the operator is taken for stuck: at rest each watch gets a
bookmark about once a minute."""


def main() -> None:
    """Entry point of the console command."""
    parser = argparse.ArgumentParser(prog="media-operator", description=__doc__)
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning"])
    parser.add_argument("--log-format", default="text", choices=["text", "json"])
    parser.add_argument("--health-port", type=int, default=HEALTH_PORT)
    arguments = parser.parse_args()
    try:
        settings = Settings.from_environ()
    except ValueError as error:
        parser.error(str(error))
    logs.set_up("operator", logs.level_of(arguments.log_level), arguments.log_format)
    asyncio.run(run(settings, arguments.health_port))


async def run(settings: Settings, health_port: int) -> None:
    """Watch always; plan and write while leading; end at SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    client = await KubeClient.connect()
    controller = Controller(settings, Writer(client))
    election = Election(client, settings.own_namespace, LEASE_NAME, settings.identity)
    health = await _serve_health(controller.picture, health_port)
    try:
        await _until(stop, _work(client, settings, controller, election))
    finally:
        await election.release()
        await health.cleanup()
        await client.close()


async def _work(
    client: KubeClient,
    settings: Settings,
    controller: Controller,
    election: Election,
) -> None:
    await ensure_secret_in_time(client, settings)
    async with asyncio.TaskGroup() as tasks:
        follower = Follower(client, settings.namespace, controller.picture)
        tasks.create_task(follower.run())
        # A plan must never see half a cluster.
        await follower.synced.wait()
        log.info("listed: %s", controller.picture.snapshot.summary())
        await election.run(lambda: _lead(controller))


async def _lead(controller: Controller) -> None:
    metrics.LEADER.set(1)
    try:
        await controller.run()
    finally:
        metrics.LEADER.set(0)


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until `stop`; an error of `work` ends the program, which is then restarted."""
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    task.cancel()
    await asyncio.wait([task], timeout=5)
    if task.done() and not task.cancelled():
        task.result()


async def _serve_health(picture: ClusterPicture, port: int) -> web.AppRunner:
    async def alive(_: web.Request) -> web.Response:
        silence = time.monotonic() - picture.last_event
        return web.Response(
            status=200 if silence < SILENCE_SECONDS else 503,
            text=f"last watch event {silence:.0f} s ago\n",
        )

    async def figures(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", alive)
    app.router.add_get("/metrics", figures)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner


if __name__ == "__main__":
    main()
