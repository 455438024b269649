"""Objects in memory: no order of events takes them back in time."""

from typing import Any

from media_central.store.kubernetes.table import Table


def body(name: str, version: int, uid: str = "u", created: str = "1") -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "ns",
            "name": name,
            "resourceVersion": str(version),
            "uid": uid,
            "creationTimestamp": created,
        }
    }


def test_never_older() -> None:
    table = Table()
    assert table.put(body("a", 5))
    assert not table.put(body("a", 4))
    assert not table.put(body("a", 5))
    assert table.get(("ns", "a")) == body("a", 5)


def test_what_was_deleted_here_does_not_come_back_with_an_old_event() -> None:
    table = Table()
    table.put(body("a", 5))
    table.deleted_here(body("a", 5))
    assert not table.put(body("a", 6))
    assert table.put(body("a", 9, uid="new")), "made again: another object"
    assert not table.deleted_event(body("a", 7)), "tells of the first one"
    assert table.get(("ns", "a")) == body("a", 9, uid="new")
    assert table.deleted_event(body("a", 10, uid="new"))
    assert table.get(("ns", "a")) is None


def test_a_list_ends_what_is_not_in_it_unless_it_is_newer() -> None:
    table = Table()
    for name, version in (("gone", 3), ("kept", 4)):
        table.put(body(name, version))
    table.begin_list()
    assert not table.listed(body("kept", 4))
    table.put(body("written", 12))
    assert [item["metadata"]["name"] for item in table.end_list(10)] == ["gone"]
    assert {item["metadata"]["name"] for item in table.all()} == {"kept", "written"}


def test_the_oldest_of_a_name_comes_first() -> None:
    table = Table()
    young, old = body("a", 1, created="2"), body("a", 2, created="1")
    young["metadata"]["namespace"] = "x"
    table.put(young)
    table.put(old)
    assert table.named("a") == [old, young]
