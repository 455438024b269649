"""Keys and passwords of an installation: made once, so that no manifest carries a default one."""

import base64
import logging
import secrets

from media_api import kube
from media_api.kube import KubeClient, KubeError

from media_operator.settings import Settings

log = logging.getLogger(__name__)


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
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }
    try:
        await client.create(kube.SECRET, settings.own_namespace, body)
    except KubeError as error:
        # Another replica was faster: its values stand.
        if not error.is_conflict:
            raise
    else:
        log.info("made the Secret %s/%s", settings.own_namespace, settings.secret_name)
