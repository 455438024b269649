"""More options that each are seen by a real client or server at the other end: who may watch and
publish, what sinks are sent, what a template and a ladder make of a stream, how sources are asked.

One server for all.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.country_database import write_country_database
from tests.support.streamer import Lender, Streamer, until

from .option_backend import Backend

WHOLE = aiohttp.ClientTimeout(total=120)


class Logging(Streamer):
    """One whose sinks may write files."""

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    async def start(self, *arguments: str, **environment: str) -> None:
        await super().start(*arguments, STREAMER_LOG_DIR=str(self.logs), **environment)


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    lending = Lender(lambda: Logging(tmp_path_factory.mktemp("streamer")))
    yield lending
    lending.close()


@pytest.fixture
def streamer(lent_streamer: Logging) -> Logging:
    return lent_streamer


RULES = """
geoip {countries};
auth_backend tokens {{ allow token good; deny token bad; allow default; }}
auth_backend closed {{ allow token good; }}
auth_backend addresses {{ allow ip 192.0.2.0/24; deny ip 127.0.0.0/8; allow default; }}
auth_backend home {{ allow ip 127.0.0.1; }}
auth_backend programs {{ allow ua VLC; deny ua Bot; allow default; }}
auth_backend land {{ deny country DE; allow default; }}
auth_backend abroad {{ allow country DE; deny default; }}
stream demo {{ input fake://fake; }}
"""


async def test_rules_of_access_by_players(streamer: Streamer) -> None:
    write_country_database(streamer.directory / "lands.mmdb", {"127.0.0.0/8": "DE"})
    names = ("tokens", "closed", "addresses", "home", "programs", "land", "abroad")
    text = RULES.format(countries=streamer.directory / "lands.mmdb")
    text += "".join(
        f"stream {one} {{ input copy://demo; on_play auth://{one}; }}\n" for one in names
    )
    streamer.write(text)
    await streamer.serve()
    for name in names:
        await streamer.running(name)

    async def status(name: str, token: str = "", program: str = "VLC") -> int:
        url = f"{streamer.base}/{name}/index.m3u8?token={token}"
        async with streamer.session.get(url, headers={"User-Agent": program}) as answer:
            return answer.status

    assert [await status("tokens", one) for one in ("good", "bad", "x")] == [200, 403, 200]
    assert [await status("closed", one) for one in ("good", "x", "")] == [200, 403, 403]
    assert [await status(one) for one in ("addresses", "home")] == [403, 200]
    programs = ("VLC/3", "A Bot", "tv")
    assert [await status("programs", one, one) for one in programs] == [200, 403, 200]
    assert [await status(one) for one in ("land", "abroad")] == [403, 200]


async def test_who_publishes_is_asked_about(streamer: Streamer, backend: Backend) -> None:
    """`on_publish` by a backend, `password`, and both of a template."""
    rules = {"yes": f"on_publish {backend.url}/may/yes;", "no": f"on_publish {backend.url}/may/no;"}
    streamer.write(
        "stream demo { input fake://fake; }\n"
        f"stream yes {{ input publish://; {rules['yes']} }}\n"
        f"stream no {{ input publish://; {rules['no']} }}\n"
        "stream locked { input publish://; password KEY; }\n"
        f"template live {{ prefix live; input publish://; {rules['no']} }}\n"
        "template shut { prefix shut; input publish://; password KEY; }\n"
    )
    await streamer.serve()
    await streamer.running("demo")

    async def publish(name: str, query: str = "") -> int:
        """As far as the answer to a refused one, or a stream that is alive."""
        over = asyncio.Event()

        async def speak() -> AsyncIterator[bytes]:
            url = f"{streamer.base}/demo/mpegts"
            async with streamer.session.get(url, timeout=WHOLE) as source:
                while not over.is_set():
                    yield await source.content.readany()

        async def send() -> int:
            url = f"{streamer.base}/{name}/mpegts{query}"
            async with streamer.session.post(url, data=speak(), timeout=WHOLE) as answer:
                return answer.status

        sending = asyncio.create_task(send())

        async def settled() -> bool:
            return sending.done() or bool(
                (await streamer.stream(name)).get("stats", {}).get("alive")
            )

        try:
            await until(settled, f"{name} is published or refused")
            if sending.done():
                return sending.result()
            return 200
        finally:
            over.set()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    assert await publish("yes", "?token=t") == 200
    method, question = backend.publishers[0]
    assert (method, question["name"], question["proto"]) == ("POST", "yes", "tshttp")
    assert question["token"] == "t"
    for name in ("no", "live/x", "locked", "shut/x"):
        assert await publish(name) == 403, name
    for name in ("locked", "shut/x"):
        assert await publish(name, "?password=KEY") == 200, name


SINKS = """
notify some {{ sink {url}/some; only event=stream_opened media=a,b; only event=stream_closed; }}
notify others {{ sink {url}/others; only event=stream_*; except media=a; }}
notify grave {{ sink {url}/grave; level error; }}
notify slow {{ sink {url}/slow; throttle_delay 3; only event=stream_opened; }}
notify away {{ sink {url}/away; resend_timeout 1; resend_limit 2; only event=stream_opened; }}
notify file {{ sink jsonlog://{log}; max_size 1000; max_depth 2; only event=stream_*; }}
"""


async def test_what_sinks_are_sent(streamer: Logging, backend: Backend) -> None:
    """Filters, levels, pauses, bounds and rotated files, by who receives."""
    logs = streamer.logs
    sinks = SINKS.format(url=f"{backend.url}/events", log="events.log")
    names = ("a", "b", "c", "d")
    streams = "".join(f"stream {one} {{ input fake://fake; }}\n" for one in names)
    streamer.write(sinks)
    await streamer.serve()
    streamer.write(sinks + streams)
    await streamer.reload()
    for name in names:
        await streamer.running(name)

    async def all_started() -> bool:
        return {media for _, media in backend.told("slow")} == set(names)

    await until(all_started, "the slow one is told of all")
    assert len(backend.batches["slow"]) <= 2, "what happens together is sent together"
    assert {media for event, media in backend.told("some") if event == "stream_opened"} == {
        "a",
        "b",
    }
    heard = backend.told("others")
    assert {"b", "c", "d"} <= {media for _, media in heard}
    assert "a" not in {media for _, media in heard}
    assert backend.told("grave") == []
    backend.is_away = False

    async def back() -> bool:
        return bool(backend.told("away"))

    await until(back, "what waited is sent")
    assert 0 < len(backend.told("away")) <= 2
    streamer.write(sinks)
    await streamer.reload()

    def files() -> list[Path]:
        return sorted(logs.glob("events.log*"))

    async def rotated() -> bool:
        return len(await asyncio.to_thread(files)) == 3

    async def more() -> bool:
        """Each reload brings events until the file is full twice."""
        for text in (sinks + streams, sinks):
            streamer.write(text)
            await streamer.reload()
        return await rotated()

    await until(more, "the file is rotated, two old ones are kept")
    assert max(one.stat().st_size for one in files()[1:]) < 3000
    first = files()[0].read_text().splitlines()
    assert all(json.loads(line)["event"].startswith("stream_") for line in first)


LADDER = """
stream ladder {
  input copy://demo;
  transcoder vb=200k size=320x240:fit:#102030 sar=1:1 preset=ultrafast profile=main level=3.1
    bframes=2 fps=15 ab=96k acodec=mp3 ar=44100 ac=1;
}
"""


async def test_a_ladder_as_a_player_finds_it(streamer: Streamer) -> None:
    streamer.write(f"stream demo {{ input fake://fake; }}\n{LADDER}")
    await streamer.serve()
    await streamer.running("ladder")
    process = await asyncio.create_subprocess_exec(
        "ffprobe", "-v", "error", "-show_streams", "-of", "json", f"{streamer.base}/ladder/mpegts",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    found = {one["codec_type"]: one for one in json.loads(out)["streams"]}
    video, sound = found["video"], found["audio"]
    assert (video["width"], video["height"]) == (320, 240)
    assert (video["codec_name"], video["profile"], video["level"]) == ("h264", "Main", 31)
    assert video["has_b_frames"] == 2
    assert video["r_frame_rate"] == "15/1"
    assert video["sample_aspect_ratio"] == "1:1"
    assert (sound["codec_name"], sound["sample_rate"], sound["channels"]) == ("mp3", "44100", 1)


TEMPLATE = """
stream demo { input fake://fake; }
template tv {
  input copy://demo;
  url_prefix http://cdn.example.com/;
  segment_duration 2;
  segment_count 3;
  protocols hls tshttp;
  comment note;
  meta channel 5;
  pulse_off;
  prefix tv;
}
stream named { template tv; }
stream its_own { template tv; url_prefix false; segment_duration 1; }
stream off { template tv; disabled; }
"""


async def test_what_a_template_makes_of_a_stream(streamer: Streamer) -> None:
    streamer.write(f"pulsedb {streamer.directory}/pulse;\n{TEMPLATE}")
    await streamer.serve()
    for name in ("named", "its_own"):
        await streamer.running(name)

    async def get(path: str) -> tuple[int, str]:
        async with streamer.session.get(f"{streamer.base}/{path}") as answer:
            return answer.status, await answer.text()

    for name, prefix, target in (
        ("named", "http://cdn.example.com/named/", 2),
        ("tv/x", "http://cdn.example.com/tv/x/", 2),
        ("its_own", "", 1),
    ):

        async def full(name: str = name) -> list[str]:
            _, text = await get(f"{name}/tracks-v1a1/mono.m3u8")
            lines = [line for line in text.splitlines() if line and line[0] != "#"]
            return lines if len(lines) >= 3 else []

        lines = await until(full, f"{name} has segments")
        assert len(lines) == 3
        assert all(line.startswith(prefix) for line in lines), lines
        assert prefix or not any(line.startswith("http") for line in lines)
        _, text = await get(f"{name}/tracks-v1a1/mono.m3u8")
        assert f"#EXT-X-TARGETDURATION:{target}\n" in text
        assert (await get(f"{name}/index.mpd"))[0] == 403
        state = await streamer.stream(name)
        assert (state["comment"], state["meta"]) == ("note", {"channel": "5"})

    async def sampled(name: str) -> bool:
        _, graph = await streamer.api("GET", f"/history/streams/{name}")
        return any(point["bitrate"] > 0 for point in graph["points"])

    await until(lambda: sampled("demo"), "a stream has history")
    assert not await sampled("named"), "pulse_off"
    assert (await get("off/index.m3u8"))[0] == 404
    async with streamer.session.get(f"{streamer.base}/named/mpegts") as answer:
        assert answer.status == 200


async def test_how_inputs_are_asked_and_chosen(streamer: Streamer, backend: Backend) -> None:
    """What a source is told over HTTP; the file that opens one input and closes another."""
    flag = streamer.directory / "flag"
    flag.write_text("1")
    source = backend.url.replace("http", "tshttp")
    streamer.write(
        f"stream far {{ input {source}/source user_agent=Mine/1 headers=X-Key=abc; }}\n"
        "stream demo { input fake://fake; }\n"
        f"stream both {{ input fake://fake allow_if={flag}; input copy://demo deny_if={flag}; }}\n"
    )
    await streamer.serve()

    async def asked() -> bool:
        return bool(backend.read_with)

    await until(asked, "the source is asked")
    assert backend.read_with[0]["User-Agent"] == "Mine/1"
    assert backend.read_with[0]["X-Key"] == "abc"

    async def shown(url: str) -> bool:
        return bool((await streamer.stream("both")).get("stats", {}).get("url") == url)

    await until(lambda: shown("fake://fake"), "the file lets the first one be used")
    flag.write_text("0")
    await until(lambda: shown("copy://demo"), "the file closes it and opens the second")
