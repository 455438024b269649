"""Ranges of archives that requests ask for."""

import pytest
from media_rest.errors import ApiError
from media_streamer.api.dvr import range_of


def test_a_range() -> None:
    wanted = range_of({"from": 1_700_000_000, "duration": 60, "more": "is left out"})
    assert (wanted.from_, wanted.duration) == (1_700_000_000, 60)


@pytest.mark.parametrize(
    "body",
    [
        {"from": 1_700_000_000, "duration": 0},
        {"from": 1_700_000_000, "duration": 0.4},
        {"from": 1_795_633_200_000, "duration": 60},  # ms in place of s: after all times
        {"from": 1_700_000_000},
        {"from": "x", "duration": 1},
        [],
        None,
    ],
)
def test_a_range_that_is_none_is_refused(body: object) -> None:
    with pytest.raises(ApiError) as refused:
        range_of(body)
    assert refused.value.status == 400
