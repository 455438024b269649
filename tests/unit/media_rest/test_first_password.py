"""A password that is made once, and told once."""

from pathlib import Path

from media_rest.first_password import first_password


def test_made_once_and_kept(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    first = first_password(directory)
    again = first_password(directory)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.password == again.password
    assert len(first.password) >= 20
    assert first.path.stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700
    assert first.password in first.told()
    assert first.password not in again.told() + repr(first)
    assert str(first.path) in again.told()


def test_two_servers_have_two(tmp_path: Path) -> None:
    assert first_password(tmp_path / "a").password != first_password(tmp_path / "b").password


def test_an_empty_file_is_no_password(tmp_path: Path) -> None:
    (tmp_path / "first_password").write_text("\n")
    assert first_password(tmp_path).is_new
