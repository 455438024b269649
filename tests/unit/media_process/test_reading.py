"""Connections are read in pieces that the C library has room for without mapping memory."""

import subprocess
import sys

PROGRAM = """
import asyncio, socket
from media_process import reading

class Reader(asyncio.Protocol):
    def data_received(self, data):
        sizes.append(len(data))
        if sum(sizes) == 300_000:
            over.set()

async def main():
    global over
    over = asyncio.Event()
    ours, theirs = socket.socketpair()
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        ours.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
        theirs.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
    loop = asyncio.get_running_loop()
    sending = loop.run_in_executor(None, theirs.sendall, bytes(300_000))
    await loop.create_connection(Reader, sock=ours)
    async with asyncio.timeout(50):
        await over.wait()
    await sending

sizes = []
reading.bound()
asyncio.run(main())
print(max(sizes))
"""


def test_all_is_read_in_small_pieces() -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    assert 0 < int(run.stdout) <= 64 * 1024
