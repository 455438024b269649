"""Quantities as Kubernetes reads them."""

from decimal import Decimal
from typing import Any

import pytest
from media_operator.quantity import quantity


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("500m", "0.5"),
        ("0.5", "0.5"),
        (".5", "0.5"),
        (1, "1"),
        ("1.", "1"),
        ("-3", "-3"),
        ("128Mi", 128 * 2**20),
        ("2e3", "2000"),
        ("2E3", "2000"),
        ("2E", "2e18"),
        ("7u", "7e-6"),
        ("", None),
        ("Mi", None),
        ("1 Gi", None),
        ("1gb", None),
        (None, None),
    ],
)
def test_quantities(value: Any, number: Any) -> None:
    assert quantity(value) == (None if number is None else Decimal(number))
