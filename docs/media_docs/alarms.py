"""The alarms of `manifests/components/monitoring/rules.yaml` for who has no Kubernetes.

That file is a resource of the Prometheus operator; Prometheus itself wants its `spec` alone.
"""

from pathlib import Path
from typing import Any

import yaml

from media_docs.tables import cell, code, table

RULES = Path(__file__).resolve().parents[2] / "manifests/components/monitoring/rules.yaml"


def groups() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["spec"][
        "groups"
    ]
    return found


def as_rules() -> str:
    """A file of rules, as `rule_files` names it."""
    head = "# Made of manifests/components/monitoring/rules.yaml by `make crds`.\n"
    return head + yaml.safe_dump(
        {"groups": groups()}, sort_keys=False, allow_unicode=True, width=98
    )


def alarms() -> str:
    """A table for the documentation."""
    return table(
        ("alarm", "when", "for", "what to do"),
        [
            (
                code(rule["alert"]),
                code(cell(rule["expr"])),
                rule.get("for", ""),
                rule["annotations"]["description"],
            )
            for group in groups()
            for rule in group["rules"]
        ],
    )
