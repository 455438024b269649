"""Counts of answers to viewers."""

import asyncio

from media_streamer.egress.answers import MAX_COUNTS, Answers
from media_streamer.wire.control import AnswersSent
from media_streamer.wire.peer import Notice


async def test_they_are_told_once() -> None:
    told: asyncio.Queue[Notice] = asyncio.Queue()
    answers = Answers()
    task = asyncio.create_task(answers.run(told.put_nowait))
    try:
        answers.add("a", "hls", 200)
        answers.add("a", "hls", 200)
        answers.add("a", "dash", 404)
        found = await asyncio.wait_for(told.get(), 30)
        assert found == AnswersSent([("a", "hls", 200, 2), ("a", "dash", 404, 1)])
        assert answers.take() == []
    finally:
        task.cancel()


def test_names_that_strangers_make_up_are_bounded() -> None:
    answers = Answers()
    for number in range(MAX_COUNTS + 10):
        answers.add(f"s{number}", "hls", 404)
    assert len(answers.take()) == MAX_COUNTS
