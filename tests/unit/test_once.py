"""What the processes of a test run share is made by one of them, whole."""

import os
from pathlib import Path

import pytest

from tests.support.once import once


def test_it_is_made_once_and_what_failed_half_way_is_made_anew(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    name = f"clip-of-{os.getpid()}.ts"
    made = list[Path]()

    def make(path: Path) -> None:
        made.append(path)
        path.write_text("half")
        if len(made) == 1:
            raise OSError("no space")
        path.write_text("whole")

    with pytest.raises(OSError, match="no space"):
        once(tmp_path_factory, name, make)
    found = once(tmp_path_factory, name, make)
    assert (found.name, found.read_text()) == (name, "whole")
    assert once(tmp_path_factory, name, make) == found
    assert len(made) == 2
    assert {path.suffix for path in made} == {".ts"}
