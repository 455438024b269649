"""Options that nothing else observes, each by a real client or server at the other end; rules of
access that a reload brings, by viewers who are in already.

One server for all.
"""

import asyncio
import contextlib
import io
import itertools
import re
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from tests.support.certificates import make_chain
from tests.support.country_database import write_country_database
from tests.support.file_server import serving as file_server
from tests.support.ports import free_port
from tests.support.streamer import Streamer, until
from tests.support.webrtc_offers import browser

from .option_backend import Backend

TUNED = "chunk_duration 500; dash_update_period 7; add_audio_only true; provider Works;"
MULTICAST = "239.255.77.9"
WHOLE = aiohttp.ClientTimeout(total=120)


@pytest.fixture
def streamer(lent_streamer: Streamer) -> Streamer:
    return lent_streamer


async def get(streamer: Streamer, path: str) -> str:
    async with streamer.session.get(f"{streamer.base}/{path}") as answer:
        text = await answer.text()
        assert answer.status == 200, (path, text)
        return text


def alone(variants: str) -> list[str]:
    """Variants of a multivariant playlist that are sound only."""
    return [line for line in variants.splitlines() if line.startswith("tracks-a1/")]


async def test_what_a_player_sees_of_a_stream(streamer: Streamer) -> None:
    """Said of the stream, by its template, or by the thumbnails' own switch."""
    streamer.write(
        "stream demo { input fake://fake; }\n"
        f"stream own {{ input copy://demo; {TUNED} thumbnails enabled=false; }}\n"
        f"template tuned {{ {TUNED} labels {{ town Ulm; }} groups news; }}\n"
        "stream made { template tuned; input copy://demo; }\n"
    )
    await streamer.serve()
    for name in ("own", "made"):
        await streamer.running(name)
        variants = await get(streamer, f"{name}/index.ll.m3u8")
        media = next(line for line in variants.splitlines() if line and line[0] != "#")
        assert "PART-TARGET=0.5" in await get(streamer, f"{name}/{media}")
        assert 'minimumUpdatePeriod="PT7S"' in await get(streamer, f"{name}/index.mpd")
        assert alone(variants), variants
        (sound,) = alone(await get(streamer, f"{name}/index.m3u8"))
        text = await get(streamer, f"{name}/{sound}")
        assert [line for line in text.splitlines() if line.endswith(".ts")], text
        assert '"provider": "Works"' in await get(streamer, f"{name}/info.json")
    plain = await get(streamer, "demo/index.ll.m3u8")
    assert not alone(plain), plain
    for name, status in (("own", 404), ("made", 200)):
        async with streamer.session.get(f"{streamer.base}/{name}/preview.jpg") as answer:
            assert answer.status == status
    made = await streamer.stream("made")
    assert (made["labels"], made["groups"]) == ({"town": "Ulm"}, ["news"])


async def test_pictures_of_a_camera_and_of_other_sizes(
    streamer: Streamer,
) -> None:
    """Its own picture in place of one of the video, as long as it gives one."""
    own = b"\xff\xd8of the camera\xff\xd9"
    async with file_server() as camera:
        camera.files["/snap.jpg"] = own
        streamer.write(
            "stream demo { input fake://fake; }\n"
            "stream cam { input copy://demo; thumbnails { sizes 160x90; sizes 320x-1;"
            f" url http://127.0.0.1:{camera.port}/snap.jpg; }} }}\n"
        )
        await streamer.serve()
        await streamer.running("cam")

        async def picture(query: str = "") -> tuple[int, bytes]:
            async with streamer.session.get(f"{streamer.base}/cam/preview.jpg{query}") as answer:
                return answer.status, await answer.read()

        assert await picture() == (200, own)
        del camera.files["/snap.jpg"]

        async def of_the_video() -> bytes:
            found = (await picture())[1]
            return b"" if found == own else found

        assert jpeg_size(await until(of_the_video, "a picture of the video")) == (160, 90)
        assert jpeg_size((await picture("?size=320x-1"))[1])[0] == 320
        status, words = await picture("?size=9x9")
        assert (status, b"160x90, 320x-1" in words) == (400, True)
    assert "snap.jpg gives no picture" in streamer.log


def jpeg_size(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.size


async def test_what_others_are_asked_and_told(streamer: Streamer, backend: Backend) -> None:
    """`on_play` with an option of the backend's own; a peer asked more often than it would be, and
    a source, each with the key of its own cluster."""
    streamer.write(
        "cluster_key k;\n"
        f"peer other {{ api_url {backend.url}; fetch_timeout 200; cluster_key of-peer; }}\n"
        f"source {backend.url.removeprefix('http://')} {{ cluster_key of-source; }}\n"
        f"stream asked {{ input fake://fake; on_play {backend.url}/may colour=red; }}\n"
        "ice_server turn:127.0.0.1:3478 { username anna; password PW; }\n"
        "ice_server turn:127.0.0.2:3478 { secret S; lifetime 1h; }\n"
        f"webrtc 127.0.0.1:{free_port()};\n"
    )
    await streamer.serve()
    await streamer.running("asked")
    headers = {"Content-Type": "application/sdp"}
    url = f"{streamer.base}/asked/whep"
    async with streamer.session.post(url, data=browser(), headers=headers) as answer:
        assert answer.status == 201, await answer.text()
        fixed, timed = answer.headers.getall("Link")
    assert 'username="anna"; credential="PW"' in fixed
    (until_second,) = re.findall(r'username="(\d+):', timed)
    assert 0 < int(until_second) - time.time() <= 3600
    assert {one["colour"] for one in backend.asked} == {"red"}

    async def often() -> bool:
        return len(backend.polled["of-peer"]) > 4 and bool(backend.polled["of-source"])

    await until(often, "the peer is asked, and the source")
    asked = backend.polled["of-peer"]
    pauses = [after - before for before, after in itertools.pairwise(asked)]
    assert min(pauses) < 2.5, "the default is 3 s"


async def test_a_port_speaks_the_versions_that_it_names(streamer: Streamer) -> None:
    root = make_chain(streamer.directory)
    port = free_port()
    files = "certificate streamer.crt; certificate_key streamer.key;"
    streamer.write(f"rtmps 127.0.0.1:{port} {{ ssl_protocols tlsv1.3; {files} }}\n")
    await streamer.serve()
    context = ssl.create_default_context(cafile=str(root))

    async def opened() -> bool:
        with contextlib.suppress(ConnectionError):
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            tls = writer.get_extra_info("ssl_object")
            writer.close()
            return bool(tls.version() == "TLSv1.3")
        return False

    await until(opened, "the port is open")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    # The event loop closes the connection before the alert is sent.
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", port, ssl=context)


async def test_a_publisher_who_falls_silent(streamer: Streamer, backend: Backend) -> None:
    """`frames_timeout` tells, and `timeout` of a push ends it, while the connection stays."""
    streamer.write(
        f"notify web {{ sink {backend.url}/events/web; only event=frames_timed_out; }}\n"
        "stream demo { input fake://fake; }\n"
        "stream cam { input publish:// frames_timeout=1;"
        f" push {backend.push_url}/cam timeout=1 retry_timeout=60"
        " comment=theirs; }\n"
        "template mine { frames_timeout 1; }\n"
        "stream other { template mine; input publish://; }\n"
        "stream third { input publish://; frames_timeout 1; }\n"
    )
    await streamer.serve()
    await streamer.running("demo")
    silence, over = asyncio.Event(), asyncio.Event()

    async def speak() -> AsyncIterator[bytes]:
        async with streamer.session.get(f"{streamer.base}/demo/mpegts", timeout=WHOLE) as answer:
            while not silence.is_set():
                yield await answer.content.readany()
        await over.wait()

    async def publish(name: str) -> None:
        url = f"{streamer.base}/{name}/mpegts"
        async with streamer.session.post(url, data=speak()) as answer:
            await answer.read()

    names = ("cam", "other", "third")
    publishing = [asyncio.create_task(publish(name)) for name in names]
    try:

        async def sent() -> bool:
            alive = [(await streamer.stream(name))["stats"].get("alive") for name in names]
            return all(alive) and backend.pushed.get("cam", 0) > 0

        await until(sent, "all are published, and the push sends")
        silence.set()

        async def told() -> bool:
            return {media for _, media in backend.told("web")} == set(names)

        await until(told, "frames are missed")

        async def ended() -> bool:
            (push,) = (await streamer.stream("cam"))["pushes"]
            assert push["comment"] == "theirs"
            return "no data" in str(push.get("stats"))

        await until(ended, "the push waits no longer than its timeout")
        assert not any(one.done() for one in publishing)
    finally:
        over.set()
        for one in publishing:
            one.cancel()
        await asyncio.gather(*publishing, return_exceptions=True)


async def test_a_film_by_its_location(streamer: Streamer) -> None:
    folder, kept = streamer.directory / "located", streamer.directory / "kept"
    folder.mkdir()
    streamer.write("stream demo { input fake://fake; }\n")
    await streamer.serve()
    await streamer.running("demo")
    async with streamer.session.get(f"{streamer.base}/demo/mpegts") as answer:
        (folder / "a.ts").write_bytes(await answer.content.readexactly(188 * 1500))
    streamer.write(
        f"vod vod {{ storage {folder}; provider Works; add_audio_only true;"
        f" segment_cache {kept} 2d 1G; cache {streamer.directory}/unused 2d 1G; }}\n"
    )
    await streamer.serve()
    variants = await get(streamer, "vod/a.ts/index.fmp4.m3u8")
    assert alone(variants), variants
    assert '"provider": "Works"' in await get(streamer, "vod/a.ts/info.json")
    media = next(line for line in variants.splitlines() if line.startswith("tracks-v1/"))
    text = await get(streamer, f"vod/a.ts/{media}")
    segment = next(line for line in text.splitlines() if line and line[0] != "#")
    folder_of = media.rpartition("/")[0]

    async def hit() -> bool:
        url = f"{streamer.base}/vod/a.ts/{folder_of}/{segment}"
        async with streamer.session.get(url) as answer:
            assert answer.status == 200
            return answer.headers.get("X-Cache") == "HIT"

    await until(hit, "the segment comes out of the cache")
    assert list(kept.glob("??/*"))
    assert not list((streamer.directory / "unused").glob("??/*"))


def groups_of(device: str) -> set[str]:
    """Multicast groups that somebody has joined by a device (the kernel writes them backwards)."""
    found: set[str] = set()
    current = ""
    for line in Path("/proc/net/igmp").read_text().splitlines()[1:]:
        words = line.split()
        if not line.startswith("\t"):
            current = words[1]
        elif current == device:
            found.add(".".join(str(one) for one in reversed(bytes.fromhex(words[0]))))
    return found


def whole_chunks(sent: bytes) -> bytes:
    """An RTMP message out of chunks of 128 bytes: a head of 12, then one byte before each."""
    body = sent[12:]
    return b"".join(body[at : at + 128] for at in range(0, len(body), 129))


async def test_how_a_source_is_asked(streamer: Streamer) -> None:
    """The interface of a group, and what RTMP says of the player; nobody watches meanwhile."""
    heard = b""
    calls = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls, heard
        calls += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            hello = await reader.readexactly(1537)
            writer.write(b"\x03" + bytes(1536) + hello[1:])
            await reader.readexactly(1536)
            while b"site/other" not in whole_chunks(heard) and (piece := await reader.read(4096)):
                heard += piece
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"rtmp://127.0.0.1:{port}/app/name"
    options = "swfUrl=http://site/player.swf tcUrl=rtmp://site/other"
    streamer.write(
        f"stream far {{ input {url} {options} no_clients_reconnect_delay=600; }}\n"
        f"stream group {{ input udp://{MULTICAST}:{free_port()} bind_ip=127.0.0.1; }}\n"
    )
    try:
        await streamer.serve()

        async def said() -> bool:
            said = whole_chunks(heard)
            asked = b"rtmp://site/other" in said and b"http://site/player.swf" in said
            return asked and MULTICAST in groups_of("lo")

        await until(said, "connect was sent, the group joined")

        async def waits() -> bool:
            return "next attempt in 600 s" in streamer.log

        await until(waits, "it is tried less often")
        assert calls == 1
    finally:
        server.close()
        await server.wait_closed()


RULES = """
{demo}
geoip {countries};
max_sessions {everybody};
auth_backend hosts {{ {hosts} ip 127.0.0.1; allow default; }}
auth_backend known {{ {known} token mine; allow default; }}
stream hosts {{ input copy://demo; on_play auth://hosts; }}
stream known {{ input copy://demo; on_play auth://known; }}
stream land {{ input copy://demo; on_play {{ allowed_countries {country}; }} }}
stream users {{ input copy://demo; {limit} }}
stream free {{ input copy://demo; }}
"""


async def test_rules_that_a_reload_brings_hold_for_who_is_in(streamer: Streamer) -> None:
    """Lists of addresses and tokens, countries and their database, limits; viewers and publishers
    whom they do not concern see nothing of it."""
    bases = {land: streamer.directory / f"{land}.mmdb" for land in ("NL", "DE")}
    for land, path in bases.items():
        write_country_database(path, {"127.0.0.0/8": land})
    words: dict[str, Any] = {
        "demo": "stream demo { input fake://fake; }", "countries": bases["NL"], "everybody": 100,
        "hosts": "allow", "known": "allow", "country": "NL", "limit": "",
    }  # fmt: skip
    streamer.write(RULES.format(**words))
    await streamer.serve()
    for name in ("hosts", "known", "land", "users", "free"):
        await streamer.running(name)

    async def watch(name: str, token: str = "mine") -> None:
        """Until the server closes it."""
        url = f"{streamer.base}/{name}/mpegts?token={token}"
        async with streamer.session.get(url, timeout=WHOLE) as answer:
            assert answer.status == 200
            with contextlib.suppress(aiohttp.ClientPayloadError):
                while await answer.content.readany():
                    pass

    async def status(path: str) -> int:
        async with streamer.session.get(f"{streamer.base}/{path}?token=mine") as answer:
            return answer.status

    async def sessions(name: str) -> list[dict[str, Any]]:
        _, found = await streamer.api("GET", f"/sessions?name={name}&proto=tshttp")
        return sorted(found["sessions"], key=lambda one: one["opened_at"])

    async def opened(name: str, token: str = "mine") -> asyncio.Task[None]:
        count = len(await sessions(name))
        task = asyncio.create_task(watch(name, token))

        async def is_open() -> bool:
            found = await sessions(name)
            return len(found) > count and all(one["bytes"] for one in found)

        await until(is_open, f"{name} is watched")
        return task

    cut = [await opened(name) for name in ("hosts", "known", "land")]
    first, other = await opened("users"), await opened("users", "other")
    cut.append(await opened("users"))
    stay = [first, other, await opened("free")]
    assert await status("hosts/tracks-v1a1/mono.m3u8") == 200
    try:
        words |= {"hosts": "deny", "known": "deny", "country": "DE"}
        words["limit"] = "on_play { max_sessions 1; }"
        streamer.write(RULES.format(**words))
        await streamer.reload()
        async with asyncio.timeout(30):
            await asyncio.gather(*cut)
        for closed in (
            "hosts/tracks-v1a1/mono.m3u8",
            "known/mpegts",
            "land/mpegts",
            "users/mpegts",
        ):
            assert await status(closed) == 403, closed
        assert not any(task.done() for task in stay)
        # Another database of countries lets in whom the last one kept out, and the reverse.
        words["countries"] = bases["DE"]
        streamer.write(RULES.format(**words))
        await streamer.reload()

        async def let_in() -> bool:
            return await status("land/index.m3u8") == 200

        await until(let_in, "the country is another one")
        german = await opened("land")
        words["countries"] = bases["NL"]
        words["everybody"] = 1
        streamer.write(RULES.format(**words))
        await streamer.reload()
        async with asyncio.timeout(30):
            await german
        assert await status("free/mpegts") == 503
        before = {one["id"]: one["bytes"] for one in await sessions("users")}
        assert len(before) == 2

        async def flows() -> bool:
            now = {one["id"]: one["bytes"] for one in await sessions("users")}
            return all(now[one] > before[one] for one in before)

        await until(flows, "who is in stays, whatever the limit of the server is now")
        assert not any(task.done() for task in stay)
    finally:
        for task in (*cut, *stay):
            task.cancel()
        await asyncio.gather(*cut, *stay, return_exceptions=True)
