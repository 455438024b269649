"""A short run of the fuzzers with a fixed seed, and every input that was ever found."""

import logging
import random
from collections.abc import Hashable

import pytest

from tests.fuzz import archives, films, readers, rtsp, servers, srt, webrtc
from tests.fuzz.engine import CORPUS, MAX_BYTES, Target, fuzz, mutate, store

ROUNDS = 60
SERVER_ROUNDS = 12
READERS = [
    *readers.targets(),
    *rtsp.targets(),
    *films.targets(),
    *archives.targets(),
    *webrtc.targets(),
]
SLOW = "took "
"""What a busy machine does is no finding here."""


def broken(target: Target, rounds: int) -> list[str]:
    report = fuzz(target, seed=1, rounds=rounds)
    assert report.rounds >= rounds
    return [found.what for found in report.findings if not found.what.startswith(SLOW)]


@pytest.mark.parametrize("target", READERS, ids=lambda target: target.name)
def test_no_bytes_break_a_reader(target: Target) -> None:
    assert not broken(target, ROUNDS)


def test_no_bytes_break_a_server(caplog: pytest.LogCaptureFixture) -> None:
    with servers.targets() as targets, caplog.at_level(logging.ERROR):
        for target in targets:
            assert not broken(target, SERVER_ROUNDS), target.name
    assert not [record for record in caplog.records if record.exc_info]


def test_no_bytes_break_a_port_of_srt() -> None:
    with srt.targets() as targets:
        for target in targets:
            assert not broken(target, ROUNDS), target.name


def test_every_stored_input_belongs_to_a_target() -> None:
    known = {target.name for target in READERS} | {"http_front", "json_api", "srt_packets"}
    assert {path.name for path in CORPUS.glob("*")} <= known


def test_the_same_seed_makes_the_same_inputs() -> None:
    seen: list[list[bytes]] = []

    def run(data: bytes) -> Hashable:
        seen[-1].append(data)
        return len(data) // 4

    target = Target("noted", run, [b"seed", b"other"], words=[b"word"])
    for _ in range(2):
        seen.append([])
        fuzz(target, seed=7, rounds=50)
    assert seen[0] == seen[1]
    assert len(set(seen[0])) > 40


def test_what_breaks_a_promise_is_found_once_and_stored(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(data: bytes) -> Hashable:
        if b"!" in data:
            raise KeyError("promised by nobody")
        raise ValueError("promised")

    monkeypatch.setattr("tests.fuzz.engine.CORPUS", tmp_path_factory.mktemp("corpus"))
    target = Target("promising", run, [b"a", b"b!"], (ValueError,), (b"!",))
    report = fuzz(target, seed=1, rounds=100)
    (finding,) = report.findings
    assert "promised by nobody" in finding.what
    assert store(target.name, finding.data).read_bytes() == b"b!"
    assert target.inputs() == [b"a", b"b!", b"b!"]


def test_inputs_stay_small() -> None:
    random_ = random.Random(1)
    data = bytes(MAX_BYTES)
    for _ in range(20):
        data = mutate(random_, data, [data], [])
        assert len(data) <= MAX_BYTES
