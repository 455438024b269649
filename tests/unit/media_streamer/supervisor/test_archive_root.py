"""Questions about a disk, in its threads."""

import asyncio
import threading
from pathlib import Path

import pytest
from media_streamer.archive.keeper import Kept, Summary
from media_streamer.archive.ranges import Range
from media_streamer.archive.retention import Disk
from media_streamer.supervisor import archive_root
from media_streamer.supervisor.archive_errors import ArchiveError
from media_streamer.supervisor.archive_root import Root


async def test_what_takes_long_is_done_once_for_all_who_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A year of an archive on a disk that turns: who asks again gets what was begun."""
    monkeypatch.setattr(archive_root, "ANSWER_SECONDS", 0.05)
    root, goes_on, asked = Root(Path("/a")), threading.Event(), list[int]()

    def read() -> str:
        asked.append(1)
        goes_on.wait(30)
        return "all"

    try:
        for _ in range(3):
            with pytest.raises(ArchiveError, match="ask again") as raised:
                await root.once("question", read)
            assert raised.value.is_temporary
        assert await root.do(lambda: "other") == "other", "a thread is free"
        monkeypatch.setattr(archive_root, "ANSWER_SECONDS", 30)
        goes_on.set()
        assert await asyncio.gather(root.once("question", read), root.once("q", lambda: 2)) == [
            "all",
            2,
        ]
        assert len(asked) == 1
        assert not root.reading
    finally:
        goes_on.set()
        root.let_go()


async def test_what_is_wrong_with_the_disk_is_said() -> None:
    def gone() -> None:
        raise FileNotFoundError("gone")

    root = Root(Path("/a"))
    with pytest.raises(ArchiveError, match="cannot be read: gone"):
        await root.once("question", gone)
    assert not root.reading
    root.let_go()


def test_a_disk_that_is_another_one_is_claimed_anew(tmp_path: Path) -> None:
    root = Root(tmp_path / "a")
    root.owner, root.due = root.claim("host1"), 100.0
    assert not root.is_other()
    assert not root.take_replaced()
    root.path.rename(tmp_path / "old")
    root.mount = None
    assert root.is_other()
    root.lose()
    assert (root.owner, root.due) == (-1, 0.0)
    assert not root.take_replaced(), "it is not ours yet"
    root.owner = root.claim("host1")
    assert [root.take_replaced(), root.take_replaced()] == [True, False]
    assert not root.is_other()
    root.let_go()


def summary(*, is_read: bool) -> Summary:
    return Summary(0, 1000, 1, 1, (Range(0, 1000),) if is_read else None)


def test_what_is_not_read_yet_is_gone_on_with_soon_and_not_for_ever() -> None:
    """A year takes ten looks of a second: they took a quarter of an hour."""
    root, now = Root(Path("/a")), 1000.0
    root.owner = 0

    def looks(took: float, *, is_read: bool) -> float:
        """How long it rests after such a look."""
        nonlocal now
        summaries = {"a": summary(is_read=True), "b": summary(is_read=is_read)}
        root.kept = Kept(summaries, [], Disk(1, 1))
        began, now = now, now + took
        root.looked(began, now)
        assert (root.took, root.looked_at) == (took, now)
        return root.due - now

    assert looks(1.25, is_read=False) == 5, "a fifth of the time of one thread"
    assert looks(0.125, is_read=False) == archive_root.SOON_SECONDS
    assert looks(1.25, is_read=True) == 125
    assert looks(0.125, is_read=True) == archive_root.KEEP_SECONDS
    rests = [looks(0.125, is_read=False) for _ in range(archive_root.MAX_READS + 1)]
    assert (rests[0], rests[-2], rests[-1]) == (1, 1, 60), "nor what can never be read"
    looks(0.125, is_read=True)
    root.problem = "the disk is broken"
    assert looks(0.125, is_read=False) == 60
