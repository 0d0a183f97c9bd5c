"""How often a test tries: a few times in every run, many times with C(-m "cluster and soak")."""

from __future__ import annotations

import pytest


def amounts(small: int, full: int, what: str) -> pytest.MarkDecorator:
    """Gives a test the argument C(amount)."""
    cases = [
        pytest.param(small, id=f"{small} {what}"),
        pytest.param(full, id=f"{full} {what}", marks=pytest.mark.soak),
    ]
    return pytest.mark.parametrize("amount", cases)
