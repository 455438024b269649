from media_rest.csv_table import attachment, csv_table, wants_csv


def test_rows_have_a_header_and_times_for_people() -> None:
    rows = [{"at": 1767225600000, "bitrate": 2.5}, {"at": 1767225660000, "name": "=1+1", "x": None}]
    assert csv_table(rows).decode().splitlines() == [
        "time,at,bitrate,name,x",
        "2026-01-01T00:00:00+00:00,1767225600000,2.5,,",
        "2026-01-01T00:01:00+00:00,1767225660000,,'=1+1,",
    ]
    assert csv_table([]) == b"time\r\n"


def test_who_wants_it() -> None:
    assert wants_csv({"format": "csv"}, "")
    assert wants_csv({}, "text/csv;q=0.9")
    assert not wants_csv({"format": "json"}, "application/json")


def test_names_are_safe_in_a_header() -> None:
    value = attachment('a/b"\r\n.csv')["Content-Disposition"]
    assert value == 'attachment; filename="a_b___.csv"'
