import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_central.store.documents import next_document, target_key
from media_central.store.port import InvalidResourceError, Kind

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=10,
)
KEYS = st.sampled_from(
    ["name", "inputs", "title", "meta", "dvr", "static", "labels", "streamer", "claims", "x"]
)


@given(st.dictionaries(KEYS, JSON), st.dictionaries(KEYS, JSON))
def test_any_patch_gives_a_document_or_the_error(first, second):
    document = None
    for patch in (first, second):
        with contextlib.suppress(InvalidResourceError):
            key = target_key(Kind.STREAM, "a", patch)
            document = next_document(Kind.STREAM, key, document, patch)
            assert document["name"] == key
            assert next_document(Kind.STREAM, key, document, {}) == document, "a fixed point"


def test_only_what_was_set_is_kept():
    document = next_document(Kind.STREAM, "a", None, {"title": "T", "stats": {}, "unknown": 1})
    assert document == {"name": "a", "title": "T"}


def test_an_error_points_at_the_value_and_does_not_repeat_it():
    with pytest.raises(InvalidResourceError) as caught:
        next_document(Kind.STREAM, "a", None, {"inputs": [{"url": "x", "priority": "hidden!"}]})
    assert "hidden!" not in str(caught.value)
    assert caught.value.pointer.startswith("/inputs/0/")


@pytest.mark.parametrize("hostname", ["a b", "", "x\n", "h" * 300])
def test_bad_hostnames_are_refused(hostname):
    with pytest.raises(InvalidResourceError):
        next_document(Kind.STREAMER, hostname, None, {})
