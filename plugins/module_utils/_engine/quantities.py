# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Quantities as Kubernetes writes them, which are those of compose files and quotas here as well."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from .errors import BadInput

_SUFFIXES = {
    **{suffix: Decimal(1000) ** n for n, suffix in enumerate(["", "k", "M", "G", "T", "P", "E"])},
    **{suffix: Decimal(1024) ** n for n, suffix in enumerate(["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"], start=1)},
    **{suffix: Decimal(1000) ** -n for n, suffix in enumerate(["m", "u", "n"], start=1)},
}


_QUANTITY = re.compile(r"(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?P<suffix>[A-Za-z]+)?")


def quantity(value: Any) -> Decimal:
    """A Kubernetes quantity as a number: cores, bytes or a count.

    :raises BadInput: it is none.
    """
    found = _QUANTITY.fullmatch(str(value).strip())
    if not found or (found["suffix"] or "") not in _SUFFIXES:
        raise BadInput(f"'{value}' is no Kubernetes quantity such as 500m, 2 or 1Gi.")
    return Decimal(found["number"]) * _SUFFIXES[found["suffix"] or ""]
