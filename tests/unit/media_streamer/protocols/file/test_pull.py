"""VOD paths: what may be read and what may not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_streamer.media.inputs.base import InputError, Vods
from media_streamer.protocols.file.pull import resolve


@pytest.fixture
def vods(tmp_path: Path) -> Vods:
    for name in ("a/one.mp4", "a/new/two.mp4", "b/three.mp4", "secret/four.mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "a/inside.mp4").symlink_to("one.mp4")
    (tmp_path / "a/outside.mp4").symlink_to(tmp_path / "secret/four.mp4")
    return {
        "vod": [str(tmp_path / "a"), str(tmp_path / "b")],
        "vod/new": [str(tmp_path / "a/new")],
    }


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("file://vod/one.mp4", "a/one.mp4"),
        ("file://vod/three.mp4", "b/three.mp4"),
        ("file://vod/inside.mp4", "a/one.mp4"),
        ("file://vod/new/two.mp4", "a/new/two.mp4"),
        ("file:///{root}/a/one.mp4", "a/one.mp4"),
    ],
)
def test_found(vods: Vods, tmp_path: Path, url: str, name: str) -> None:
    url = url.replace("/{root}", str(tmp_path))
    assert resolve(url, vods) == (tmp_path / name).resolve()


@pytest.mark.parametrize(
    "url",
    [
        "file://vod/none.mp4",
        "file://vod/",
        "file://vod",
        "file://other/one.mp4",
        "file://vod/../secret/four.mp4",
        "file://vod//../../secret/four.mp4",
        "file://vod/outside.mp4",
        "file://vod/new",
        "file:///etc/passwd",
        "file:///{root}/secret/four.mp4",
        "file:///{root}/a/../secret/four.mp4",
        "file://vod/one.mp4\0",
        "file://",
    ],
)
def test_refused(vods: Vods, tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError):
        resolve(url.replace("/{root}", str(tmp_path)), vods)


@given(parts=st.lists(st.sampled_from(["..", ".", "a", "b", "new", "one.mp4", "secret", ""])))
def test_nothing_outside_is_ever_reached(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    root = tmp_path_factory.getbasetemp() / "traversal"
    (root / "vod/a").mkdir(parents=True, exist_ok=True)
    (root / "one.mp4").write_bytes(b"x")
    (root / "vod/a/one.mp4").write_bytes(b"x")
    try:
        path = resolve(f"file://vod/{'/'.join(parts)}", {"vod": [str(root / "vod")]})
    except InputError:
        return
    assert path.is_relative_to((root / "vod").resolve())
