"""Rows of an answer as CSV (RFC 4180) for spreadsheets, with a header and times for people."""

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from media_api.base import JsonObject

CONTENT_TYPE = "text/csv"
_TIMES = ("at", "utc_ms", "closed_at")


def wants_csv(query: Mapping[str, str], accept: str) -> bool:
    """Whether a request asks for it by `format=csv` or its Accept."""
    return query.get("format") == "csv" or CONTENT_TYPE in accept


def csv_table(rows: Iterable[JsonObject]) -> bytes:
    """Columns are all keys in the order of their first use, behind `time` (ISO 8601, UTC)."""
    items = list(rows)
    keys = list(dict.fromkeys(key for item in items for key in item))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["time", *keys])
    for item in items:
        at = next((item[key] for key in _TIMES if key in item), None)
        time = datetime.fromtimestamp(at / 1000, UTC).isoformat() if at is not None else ""
        writer.writerow([time, *(_cell(item.get(key)) for key in keys)])
    return text.getvalue().encode(errors="replace")


def attachment(name: str) -> dict[str, str]:
    """The header that makes a browser save the answer as `name`."""
    safe = "".join(letter if letter.isalnum() or letter in "-._" else "_" for letter in name)
    return {"Content-Disposition": f'attachment; filename="{safe}"'}


def _cell(value: object) -> object:
    """A text that a spreadsheet would run as a formula is quoted (OWASP, CSV injection)."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return "" if value is None else value
