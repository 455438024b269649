"""The login of a server that others can reach and that was given none.

A server on loopback alone needs none: it may be read from its own machine, and changed by nobody.
One with a cluster key is managed by the others of its cluster.
"""

import logging
import sys
from pathlib import Path

from media_api.auth import AdminCredentials
from media_api.server import Listeners, ServerConfig
from media_rest.first_password import LOGIN, first_password
from media_rest.same_origin import is_loopback

log = logging.getLogger(__name__)

WAY_OUT = "write `edit_auth LOGIN PASSWORD;` into the configuration or set STREAMER_EDIT_AUTH"


def settle_login(config: ServerConfig, directory: Path) -> None:
    """Give `config` a login if nobody could ever use its API, and say what holds without one.

    The password is kept in `directory`; a new one is told at the terminal, once.
    """
    if config.edit_auth is not None:
        return
    if config.view_auth is None and config.cluster_key is None and _is_public(config.listeners):
        _give_login(config, directory)
        return
    changed = "with the cluster key only" if config.cluster_key else "by nobody"
    log.warning("there is no edit_auth, so the API can be changed %s: %s", changed, WAY_OUT)


def _give_login(config: ServerConfig, directory: Path) -> None:
    try:
        first = first_password(directory)
    except OSError as error:
        log.error("no password can be kept in %s (%s): %s", directory, error.strerror, WAY_OUT)
        return
    config.edit_auth = AdminCredentials(login=LOGIN, password=first.password)
    if first.is_new:  # past the log, which others may read
        print(f"streamer: {first.told()}", file=sys.stderr, flush=True)
    log.warning("there is no edit_auth: %s", WAY_OUT if first.is_new else first.told())


def _is_public(listeners: Listeners | None) -> bool:
    found = [*((listeners and listeners.http) or ()), *((listeners and listeners.https) or ())]
    return any(
        item.api and not (item.address == "localhost" or is_loopback(item.address or ""))
        for item in found
    )
