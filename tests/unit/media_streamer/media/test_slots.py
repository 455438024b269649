"""An input between its attempts."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
from media_api.stream import StreamConfig
from media_streamer.media.flags import Flags, read_flag
from media_streamer.media.frame import Frame, Track
from media_streamer.media.inputs.base import Input
from media_streamer.media.slots import InputSlot
from media_streamer.media.switch import Source, Switch


class ReadNow:
    """Flags without threads."""

    def get(self, path: str, stream: str) -> str | None:
        return None if path == "/hangs" else read_flag(path)


FLAGS = cast(Flags, ReadNow())


class Sink:
    """An output that wants nothing."""

    def set_tracks(self, tracks: Sequence[Track]) -> None: ...

    def push(self, frames: Sequence[Frame]) -> None: ...

    def gap(self) -> None: ...


class Reader(Input):
    """An input that is opened and does nothing."""

    hangs = False

    def start(self) -> None: ...

    def stop(self) -> None: ...

    @property
    def overdue(self) -> bool:
        return self.hangs


def slot(
    index: int = 0, *, stream: dict[str, object] | None = None, **options: object
) -> InputSlot:
    item = {"url": "rtsp://user:pw@cam/ch", **options}
    config = StreamConfig.model_validate({"name": "s", "inputs": [item], **(stream or {})})
    return InputSlot(config.inputs[0], config, index, FLAGS)


def opened(made: InputSlot) -> Source:
    source = Source(Switch(Sink()), "s")
    made.opened(source, Reader())
    return source


def test_the_rank_is_the_priority_or_the_place() -> None:
    assert [slot(0).rank, slot(1).rank, slot(1, priority=1).rank] == [1, 2, 1]


@pytest.mark.parametrize(
    ("own", "stream", "url", "seconds"),
    [
        (None, None, "rtsp://c/a", 60),
        (None, None, "hls://c/a", 180),
        (None, 20, "hls://c/a", 20),
        (5, 20, "rtsp://c/a", 5),
        (False, 20, "rtsp://c/a", None),
        (None, False, "rtsp://c/a", None),
    ],
)
def test_source_timeout(own: object, stream: object, url: str, seconds: float | None) -> None:
    made = slot(url=url, source_timeout=own, stream={"source_timeout": stream})
    assert made.source_timeout == seconds


def test_pauses_grow_and_a_stable_source_starts_anew() -> None:
    made = slot()
    pauses = []
    for _ in range(8):
        opened(made)
        made.closed("refused", 100.0)
        pauses.append(made.pause)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert made.retry_at == 130.0
    source = opened(made)
    source.frames = 100
    source.began = time.monotonic() - 60
    made.closed("connection lost", 200.0)
    assert made.pause == 1
    assert made.totals.retries == 8
    assert made.totals.frames == 100


def test_the_longest_pause_can_be_set() -> None:
    made = slot(max_retry_timeout=3)
    for _ in range(5):
        opened(made)
        made.closed("refused", 0.0)
    assert made.pause == 3


@pytest.mark.parametrize(
    ("option", "content", "allowed"),
    [
        ("allow_if", "1\n", True),
        ("allow_if", "0\n", False),
        ("allow_if", None, True),
        ("deny_if", "1", False),
        ("deny_if", "0", True),
        ("deny_if", None, True),
        ("deny_if", "", True),
    ],
)
def test_files_switch_an_input(
    tmp_path: Path, option: str, content: str | None, allowed: bool
) -> None:
    path = tmp_path / "flag"
    if content is not None:
        path.write_text(content)
    assert slot(**{option: str(path)}).permitted() is allowed


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"deny_if": "/hangs"}, None),
        ({"deny_if": "/hangs", "allow_if": "/no"}, None),
        ({"deny_if": "/no"}, True),
    ],
)
def test_a_file_that_hangs_opens_nothing_and_closes_nothing(
    options: dict[str, str], answer: bool | None
) -> None:
    made = slot(**options)
    assert made.permitted() is answer
    assert made.may_open(time.monotonic()) is (answer is True)
    opened(made)
    assert made.fault(time.monotonic()) is None


def test_faults() -> None:
    made = slot(source_timeout=5, max_bitrate=1000, video_timeout=2)
    assert made.fault(0.0) is None
    source = opened(made)
    now = time.monotonic()
    assert made.fault(now + 4) is None
    assert "source_timeout" in str(made.fault(now + 6))
    source.frames = 1
    assert "video_timeout" in str(made.fault(now + 3))
    source.last_video = now + 3
    assert made.fault(now + 3) is None
    made.bitrate = 2000
    assert "max_bitrate" in str(made.fault(now + 3))
    assert isinstance(made.input, Reader)
    made.input.hangs = True
    assert "hangs" in str(made.fault(now + 3))
    source.ended("connection lost")
    assert made.fault(now + 3) == "connection lost"


def test_sound_is_missed_by_the_input_or_else_by_the_stream() -> None:
    for made in (slot(audio_timeout=2), slot(stream={"audio_timeout": 2})):
        source = opened(made)
        now = time.monotonic()
        assert made.fault(now + 3) is None, "nothing has come yet"
        source.frames = 1
        assert "audio_timeout" in str(made.fault(now + 3))
        source.last_audio = now + 3
        assert made.fault(now + 4) is None


def test_while_nobody_watches_a_source_may_be_tried_less_often() -> None:
    made = slot(no_clients_reconnect_delay=100)
    assert made.may_open(0.0, watched=False), "the first attempt waits for nobody"
    opened(made)
    made.closed("refused", 10.0)
    assert not made.may_open(60.0, watched=False)
    assert made.may_open(60.0)
    assert made.may_open(110.0, watched=False)
    assert (made.wait(watched=True), made.wait(watched=False)) == (1, 100)
    made.retry_at = 0.0  # somebody says: now
    assert made.may_open(11.0, watched=False)


def test_the_bit_rate_is_measured_over_seconds() -> None:
    made = slot()
    source = opened(made)
    start = time.monotonic()
    source.bytes = 1_250_000
    made.measure(start + 1)
    assert made.bitrate == 0
    made.measure(start + 5)
    assert made.bitrate == pytest.approx(2_000_000, rel=0.01)


def test_only_what_concerns_the_connection_counts_as_change() -> None:
    made = slot(priority=1)
    assert made.same_connection(slot(priority=2, comment="x", source_timeout=3).config)
    assert not made.same_connection(slot(user_agent="tv").config)


def test_the_address_is_shown_without_credentials() -> None:
    assert slot().url == "rtsp://***@cam/ch"


def test_faults_are_counted_over_all_attempts() -> None:
    made = slot()
    for _ in range(2):
        opened(made)
        assert made.input is not None
        made.input.count("desync")
        made.input.count_status(401)
        made.input.count_status(404)
        made.input.count_status(502)
        made.input.count_status(302)
        made.closed("it failed", 0.0)
    assert made.faults == {"desync": 2, "403": 2, "404": 2, "500": 2}
    assert made.errors == 4, "an answer that refuses is the failed attempt"


def test_the_rate_of_errors_is_that_of_the_last_window() -> None:
    made = slot()
    made.measure(100.0)
    opened(made)
    assert made.input is not None
    for _ in range(50):
        made.input.count("desync")
    made.measure(110.0)
    assert made.error_rate == 5
    made.measure(120.0)
    assert made.error_rate == 0
