"""A client sends a name and a line feed and gets the stream."""

import asyncio
import socket
import ssl

from media_streamer.egress.access import AccessDenied
from media_streamer.egress.context import Egress
from media_streamer.wire.control import AccessRequest


async def serve(
    egress: Egress, sock: socket.socket, tls: ssl.SSLContext | None = None
) -> asyncio.Server:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = (await reader.readline()).decode().strip()
        ip = writer.get_extra_info("peername")[0]
        try:
            access = await egress.hub.access(
                AccessRequest(name=name, proto="lines", kind="play", ip=ip)
            )
            broadcast = await egress.hub.broadcast(access, "ts")
            viewer = broadcast.attach(writer.transport, access)
            left = asyncio.ensure_future(reader.read(-1))
            await asyncio.wait([left, viewer.closed], return_when=asyncio.FIRST_COMPLETED)
            left.cancel()
            viewer.detach("client closed")
        except AccessDenied as denied:
            writer.write(f"{denied.title}\n".encode())
        finally:
            writer.close()

    return await asyncio.start_server(talk, sock=sock, ssl=tls)
