"""Completion of the command lines: as the programs are, asked as bash asks."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "packaging" / "completion" / "media-appliance.bash"


def completed(*words: str) -> list[str]:
    """What bash offers for the last word."""
    program = (
        f'source {FILE}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _media_appliance "$1"; '
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(
        ["bash", "-euc", program, "bash", *words],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize("program", ["streamer", "media-cache", "central", "media-operator"])
def test_options_are_those_of_the_program(program: str) -> None:
    command = [str(Path(sys.executable).parent / program), "--help"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True).stdout
    usage = said.partition("\n\n")[0]
    options = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", usage)) - {"-h"}
    offered = set(completed(f"/usr/bin/{program}", "-"))
    assert offered - {"--help"} == options - {"--help"}


def test_values_and_files() -> None:
    assert completed("media-operator", "--log-format", "") == ["text", "json"]
    found = completed("streamer", "-c", str(FILE)[:-5])
    assert str(FILE) in found
