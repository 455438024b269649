import pytest
from media_central.trial import trial_keys


def test_keys_are_made_once_and_for_their_user_only(tmp_path):
    keys = trial_keys(tmp_path / "data")
    assert trial_keys(tmp_path / "data") == keys
    assert keys.api_key != keys.cluster_key
    assert len(keys.api_key) >= 32
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    assert (tmp_path / "data/keys.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"api_key": "x"}'])
def test_a_damaged_file_is_told_not_replaced(tmp_path, text):
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(ValueError, match="is damaged"):
        trial_keys(tmp_path)
    assert (tmp_path / "keys.json").read_text() == text
