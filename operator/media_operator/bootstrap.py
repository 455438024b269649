"""Keys and passwords of an installation: made once, so that no manifest carries a default one."""

import asyncio
import base64
import logging
import secrets

from media_kube import client as kube
from media_kube.client import KubeClient, log_level
from media_kube.errors import KubeError

from media_operator.settings import Settings

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
"""What pods present to Central: good for asking what to run, and for nothing else."""


async def ensure_secret_in_time(client: KubeClient, settings: Settings) -> None:
    """`ensure_secret` as often as it takes: an API server that is away is no reason to end."""
    failures = 0
    while True:
        try:
            await ensure_secret(client, settings)
            return
        except (KubeError, TimeoutError) as error:
            failures += 1
            log.log(
                log_level(failures),
                "cannot look after the Secret %s/%s (%s); attempt %d, every %s s",
                settings.own_namespace,
                settings.secret_name,
                str(error) or "no answer in time",
                failures,
                RETRY_SECONDS,
            )
            await asyncio.sleep(RETRY_SECONDS)


async def ensure_secret(client: KubeClient, settings: Settings) -> None:
    """Create the installation's Secret unless there is one; what exists is never changed."""
    try:
        await client.get(kube.SECRET, settings.own_namespace, settings.secret_name)
        return
    except KubeError as error:
        if not error.is_gone:
            raise
    password = secrets.token_urlsafe(24)
    values = {
        "api-key": secrets.token_urlsafe(24),
        "cluster-key": secrets.token_urlsafe(24),
        "edit-auth": f"admin {secrets.token_urlsafe(12)}",
        "database-password": password,
        "database-url": (
            f"postgres://central:{password}@media-postgresql.{settings.own_namespace}.svc:5432"
            "/central"
        ),
    }
    body = {
        "metadata": {
            "name": settings.secret_name,
            "labels": {"app.kubernetes.io/name": "media-appliance"},
        },
        "data": {key: _encoded(value) for key, value in values.items()},
    }
    try:
        await client.create(kube.SECRET, settings.own_namespace, body)
    except KubeError as error:
        # Another replica was faster: its values stand.
        if not error.is_conflict:
            raise
    else:
        log.info("made the Secret %s/%s", settings.own_namespace, settings.secret_name)


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()
