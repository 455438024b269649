"""Which input is shown: failover, return, backup, on demand, reconfiguration."""

import asyncio

from media_streamer.wire.control import RemoveStream, RestartStream, SelectInput, StartStream
from media_streamer.wire.media import Chunk, End, Unsubscribe


def shown(worker, name: str, index: int) -> bool:
    inputs = worker.stats.get(name, {}).get("inputs", [])
    return len(inputs) > index and inputs[index]["active"]


async def test_the_next_input_is_shown_when_the_first_does_not_answer(worker, free_port) -> None:
    dead = f"rtmp://127.0.0.1:{free_port()}/live/x"
    await worker.apply("two", dead, "fake://fake")
    stats = await worker.running("two", 5)
    assert [item["active"] for item in stats["inputs"]] == [False, True]
    assert stats["inputs"][0]["error"] == "connection refused"
    assert stats["input"]["num_sec_on_primary_input"] == 0


async def test_a_better_input_is_taken_back(worker, launch, ffmpeg, bunny, free_port) -> None:
    url = f"127.0.0.1:{free_port()}/live"
    options = {"max_retry_timeout": 1, "recheck_secondary_inputs_interval": 1}
    await worker.apply("back", f"tshttp://{url}", "fake://fake", **options)
    await worker.until(lambda: shown(worker, "back", 1))
    server = await launch(
        ffmpeg, "-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", str(bunny),
        "-c", "copy", "-f", "mpegts", "-listen", "1", f"http://{url}",
    )  # fmt: skip
    await worker.until(lambda: worker.stats["back"]["inputs"][0]["active"])
    server.kill()
    await worker.until(lambda: worker.stats["back"]["inputs"][1]["active"])
    assert worker.stats["back"]["input"]["input_switches"] == 2
    assert worker.named("back", "source_lost")


async def test_an_input_of_equal_priority_is_not_probed(worker, free_port) -> None:
    first = {"url": f"rtmp://127.0.0.1:{free_port()}/live/x", "priority": 1}
    second = {"url": "fake://fake", "priority": 1}
    await worker.apply("equal", first, second, recheck_secondary_inputs_interval=1)
    await worker.running("equal")
    retries = worker.stats["equal"]["inputs"][0]["retries"]
    frames = worker.stats["equal"]["input"]["frames"]
    await worker.until(lambda: worker.stats["equal"]["input"]["frames"] > frames + 3 * 72)
    assert worker.stats["equal"]["inputs"][0]["retries"] == retries


async def test_the_backup_is_shown_until_an_input_gives_frames(
    worker, bunny, launch, ffmpeg, free_port
) -> None:
    worker.vods = {"vod": [str(bunny.parent)]}
    url = f"127.0.0.1:{free_port()}/live"
    backup = {"file": "vod/bigbuckbunny.mp4", "timeout": 1}
    await worker.apply("safe", f"tshttp://{url}", backup=backup, max_retry_timeout=1)
    await worker.until(lambda: worker.stats.get("safe", {}).get("backup_running"))
    assert worker.stats["safe"]["status"] == "running"
    await launch(
        ffmpeg, "-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", str(bunny),
        "-c", "copy", "-f", "mpegts", "-listen", "1", f"http://{url}",
    )  # fmt: skip
    await worker.until(lambda: worker.stats["safe"]["inputs"][0]["active"])
    await worker.until(lambda: not worker.stats["safe"]["backup_running"])


async def test_a_silent_source_is_left_after_source_timeout(
    worker, launch, ffmpeg, bunny, free_port
) -> None:
    url = f"127.0.0.1:{free_port()}/live"
    server = await launch(
        ffmpeg, "-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", str(bunny),
        "-c", "copy", "-f", "mpegts", "-listen", "1", f"http://{url}",
    )  # fmt: skip
    await worker.apply("silent", f"tshttp://{url}", "fake://fake", source_timeout=2)
    await worker.until(lambda: worker.stats.get("silent", {}).get("inputs", [{}])[0].get("active"))
    server.send_signal(19)  # SIGSTOP: the connection stays, no bytes come
    await worker.until(lambda: worker.stats["silent"]["inputs"][1]["active"])
    assert "source_timeout" in worker.stats["silent"]["inputs"][0]["error"]


async def test_files_allow_and_deny_an_input(worker, tmp_path) -> None:
    deny = tmp_path / "deny"
    first = {"url": "fake://fake", "deny_if": str(deny)}
    await worker.apply("flags", first, {"url": "fake://fake", "width": 320, "height": 240})
    await worker.running("flags")
    await worker.until(lambda: worker.stats["flags"]["inputs"][0]["active"])
    deny.write_text("1\n")
    await worker.until(lambda: worker.stats["flags"]["inputs"][1]["active"])
    deny.write_text("0\n")
    await worker.until(lambda: worker.stats["flags"]["inputs"][0]["active"])


async def test_an_operator_chooses_an_input(worker) -> None:
    await worker.apply("pick", "fake://fake", {"url": "fake://fake", "width": 320, "height": 240})
    await worker.until(lambda: worker.stats.get("pick", {}).get("inputs", [{}])[0].get("active"))
    await worker.peer.call(SelectInput("pick", 1))
    await worker.until(lambda: worker.stats["pick"]["inputs"][1]["active"])


async def test_a_stream_on_demand_runs_while_it_is_watched(worker) -> None:
    await worker.apply("demand", "fake://fake", static=False, clients_timeout=1)
    await worker.until(lambda: worker.stats.get("demand", {}).get("status") == "waiting")
    feed = await worker.subscribe(1, "demand", "flv")
    await worker.until(lambda: feed.of(Chunk))
    await worker.running("demand")
    await worker.send(Unsubscribe(1))
    await worker.until(lambda: worker.stats["demand"]["status"] == "waiting")
    assert not worker.stats["demand"]["inputs"][0]["active"]
    before = worker.stats["demand"]["bytes_in"]
    await worker.peer.call(StartStream("demand"))
    # It runs for a second, which may lie between two reports.
    await worker.until(lambda: worker.stats["demand"]["bytes_in"] > before)


async def test_a_stream_on_demand_gives_up(worker, free_port) -> None:
    url = f"rtmp://127.0.0.1:{free_port()}/live/x"
    options = {"static": False, "retry_limit": 2, "max_retry_timeout": 1}
    await worker.apply("weak", url, **options)
    await worker.peer.call(StartStream("weak"))
    await worker.until(lambda: "gave up after 2 attempts" in worker.log)
    await worker.until(lambda: worker.stats["weak"]["status"] == "error")
    assert worker.stats["weak"]["source_error"] == "connection refused"


async def test_a_change_that_leaves_the_inputs_does_not_interrupt(worker) -> None:
    await worker.apply("same", "fake://fake", title="one")
    stats = await worker.running("same")
    await worker.apply("same", "fake://fake", title="two", segment_duration=2000)
    frames = stats["input"]["frames"]
    await worker.until(lambda: worker.stats["same"]["input"]["frames"] > frames + 100)
    after = worker.stats["same"]
    assert after["source_id"] == stats["source_id"]
    assert after["started_at"] == stats["started_at"]
    assert after["retry_count"] == 0
    assert after["input"]["input_switches"] == 0


async def test_disabling_ends_and_enabling_starts(worker) -> None:
    await worker.apply("switch", "fake://fake")
    await worker.running("switch")
    feed = await worker.subscribe(1, "switch", "flv")
    await worker.apply("switch", "fake://fake", disabled=True)
    await worker.until(lambda: feed.of(End))
    await worker.until(lambda: worker.stats["switch"]["status"] == "waiting")
    await worker.apply("switch", "fake://fake")
    await worker.running("switch")


async def test_a_restart_opens_the_source_again(worker) -> None:
    await worker.apply("again", "fake://fake")
    await worker.running("again")
    await worker.peer.call(RestartStream("again"))
    await worker.until(lambda: worker.stats["again"]["retry_count"] == 1)
    await worker.running("again")


async def test_too_many_bits_are_cut_off(worker, bunny) -> None:
    worker.vods = {"vod": [str(bunny.parent)]}
    source = {"url": "file://vod/bigbuckbunny.mp4", "max_bitrate": 500_000}
    await worker.apply("fat", source, "fake://fake")
    await worker.running("fat")
    await worker.until(lambda: worker.stats["fat"]["inputs"][1]["active"])
    assert "max_bitrate 500000" in worker.stats["fat"]["inputs"][0]["error"]


async def test_many_streams_start_and_stop_together(worker) -> None:
    names = [f"n{number}" for number in range(50)]
    await asyncio.gather(*(worker.apply(name, "fake://fake") for name in names))
    for name in names:
        await worker.running(name)
    await asyncio.gather(*(worker.peer.call(RemoveStream(name)) for name in names))
    await worker.apply("after", "fake://fake")
    await worker.running("after")
