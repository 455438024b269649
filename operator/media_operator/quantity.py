"""Quantities of Kubernetes: `500m`, `0.5`, `2Gi`. The API server writes them in a form of its own.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

import re
from decimal import Decimal
from typing import Any

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_TEXT = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)")


def quantity(value: Any) -> Decimal | None:
    """The number; None for what is no quantity."""
    found = _TEXT.fullmatch(str(value))
    if found is None:
        return None
    number, exponent, suffix = Decimal(found[1]), found[2], found[3] or ""
    if exponent is not None:
        return number.scaleb(int(exponent))
    if suffix in _BINARY:
        return number * Decimal(2) ** _BINARY[suffix]
    return number.scaleb(_DECIMAL[suffix])
