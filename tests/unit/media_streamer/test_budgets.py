"""The threat model lists every budget with the value that holds."""

import re
from pathlib import Path

from media_streamer import budgets

DOCUMENT = Path(__file__).parents[3] / "docs" / "threat-model.md"
ROW = re.compile(r"^\| `([A-Z0-9_]+)` \| ([\d,.]+)(?: (KiB|MiB|s))? \|", re.MULTILINE)
UNITS = {"": 1, "s": 1, "KiB": 1024, "MiB": 1024 * 1024}


def test_the_threat_model_lists_all_budgets() -> None:
    rows = ROW.findall(DOCUMENT.read_text())
    listed = {name: float(number.replace(",", "")) * UNITS[unit] for name, number, unit in rows}
    units = ("KIB", "MIB")
    held = {k: v for k, v in vars(budgets).items() if k.isupper() and k not in units}
    assert listed == held
