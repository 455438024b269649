"""A streamer that answers slowly, wrongly or without end: each is an error that names it, soon."""

import asyncio
import contextlib
import time

import aiohttp
import pytest
from media_central.streamers import client as client_module
from media_central.streamers.client import StreamerClient, StreamerError

TIMEOUT = 1.0
SOON = 20.0
"""Of a machine that does much else."""


def answer(body, status="200 OK", length=None, more=""):
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{more}"
    return f"{head}Content-Length: {len(body) if length is None else length}\r\n\r\n{body}".encode()


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
NEVER_ENDS = answer('{"streams": [], "next": "on"}')
# what it sends, whether it goes on with blanks, what is said
WRONG = {
    "nothing": (b"", True, "no answer within 1 s"),
    "a body that drips": (answer("{", length=1000), True, "no answer within 1 s"),
    "an end at once": (b"", False, "cannot reach"),
    "half a body": (answer('{"streams": [', length=1000), False, "cannot reach"),
    "no HTTP": (b"\0\1\2 no HTTP\r\n\r\n", False, "cannot reach"),
    "another server": (answer("<html>hello</html>"), False, "is API URL that of a streamer"),
    "a number": (answer("7"), False, "is it a streamer"),
    "another collection": (answer('{"streamers": []}'), False, "is it a streamer"),
    "no list": (answer('{"streams": {"a": 1}}'), False, "is it a streamer"),
    "a number that is none": (answer('{"streams": [{"a": NaN}]}'), False, "no JSON"),
    "an abyss": (answer("[" * 100_000), False, "no JSON"),
    "no text": (CHUNKED + b"4\r\n\xff\xfe\xfd\xfc\r\n0\r\n\r\n", False, "no JSON"),
    "too much": (answer(" " * 3000), False, ""),
    "too much in pieces": (CHUNKED + b"bb8\r\n" + b" " * 3000 + b"\r\n0\r\n\r\n", False, ""),
    "a redirect": (answer("", "302 Found", more="Location: /elsewhere\r\n"), False, "302"),
    "a failure": (answer("{}", "500 Oops"), False, "500"),
    "a refusal": (answer("{}", "401 Unauthorized"), False, ""),
    "a list without end": (NEVER_ENDS, False, "does not end"),
}


@contextlib.asynccontextmanager
async def streamer(sent, drips):
    """Sends that to whoever asks, and a byte each 50 ms after it or the end."""

    serving = set()

    async def serve(reader, writer):
        serving.add(asyncio.current_task())
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(sent)
            while drips:
                if sent:
                    writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        except (OSError, asyncio.IncompleteReadError):
            pass  # whoever asked has left
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_wrong_is_said_soon(what, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 2000 if "too much" in what else 2**20)
    sent, drips, words = WRONG[what]
    async with streamer(sent, drips) as port, aiohttp.ClientSession() as http:
        asked = StreamerClient(http, f"http://127.0.0.1:{port}", "key", TIMEOUT)
        began = time.monotonic()
        with pytest.raises(StreamerError) as failure:
            await asked.collection("streams")
        assert time.monotonic() - began < SOON
    assert words in str(failure.value), failure.value
    assert failure.value.is_refusal == (what == "a refusal")


async def test_what_is_no_stream_in_a_list_is_left_out():
    body = answer('{"streams": [7, null, "a", {"name": "b"}, []]}')
    async with streamer(body, drips=False) as port, aiohttp.ClientSession() as http:
        asked = StreamerClient(http, f"http://127.0.0.1:{port}", None, TIMEOUT)
        assert await asked.collection("streams") == [{"name": "b"}]
