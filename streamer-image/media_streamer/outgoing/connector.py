"""aiohttp with the rule of `addresses`: for event sinks and the backends of the supervisor."""

import socket
from typing import Any

import aiohttp

from media_streamer.outgoing.addresses import OneWay, Reach


def guarded_connector(reach: Reach | OneWay, limit: int) -> aiohttp.TCPConnector:
    """A connector that connects to what `reach` allows only; at most `limit` connections."""

    def open_socket(address: Any) -> socket.socket:
        family, kind, protocol, _, place = address
        reach.check(str(place[0]))
        return socket.socket(family, kind, protocol)

    return aiohttp.TCPConnector(limit=limit, socket_factory=open_socket)
