# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Numbers, and quantities as Kubernetes writes them, which are those of compose files and quotas here as well.

Python alone reads 1_000, digits of other scripts, nan and inf as numbers: what is accepted here, everybody reads.
"""

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
_QUANTITY = re.compile(r"(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?)(?P<suffix>[A-Za-z]+)?")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[+-]?[0-9]+")
# Larger ones do not fit into the fields of Kubernetes, nor into the int of C.
MOST = 2**31 - 1


def quantity(value: Any) -> Decimal:
    """A Kubernetes quantity as a number: cores, bytes or a count.

    :raises BadInput: it is none.
    """
    found = _QUANTITY.fullmatch(str(value))
    if not found or (found["suffix"] or "") not in _SUFFIXES:
        raise BadInput(f"'{value}' is no Kubernetes quantity such as 500m, 2 or 1Gi.")
    return Decimal(found["number"]) * _SUFFIXES[found["suffix"] or ""]


def canonical(value: Any) -> str:
    """A quantity as an API server tells it back: whoever applies it again would find a difference otherwise.

    :raises BadInput: it is none.
    """
    amount, text = quantity(value), str(value)
    if "e" in text.lower().rstrip("i"):
        return text  # with an exponent, which is kept
    binary = text.endswith("i")
    suffixes = {suffix: factor for suffix, factor in _SUFFIXES.items() if suffix.endswith("i") == binary}
    for suffix, factor in sorted(suffixes.items(), key=lambda pair: -pair[1]):
        if amount % factor == 0:
            return f"{int(amount / factor)}{suffix if amount else ''}"
    return str(int(amount)) if binary else text


def number(value: Any, name: str, least: float | None = None) -> float:
    """A finite number, whatever type an inventory, a survey or -e gave it.

    :param name: the variable or option it came from, for the error.
    :raises BadInput: it is none, too small, or larger than anybody takes.
    """
    if not _NUMBER.fullmatch(text := _text(value, name)):
        raise BadInput(f"{name} must be a number, and is '{text[:60]}'.")
    return _bounded(float(text), name, least)


def whole(value: Any, name: str, least: int | None = None) -> int:
    """A whole number, likewise."""
    text = _text(value, name).removesuffix(".0") if isinstance(value, float) else _text(value, name)
    if not _WHOLE.fullmatch(text):
        raise BadInput(f"{name} must be a whole number, and is '{str(value)[:60]}'.")
    return int(_bounded(float(text), name, least))


def _text(value: Any, name: str) -> str:
    try:
        return str(value).strip()
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        raise BadInput(f"{name} is more than anybody takes: at most {MOST}.") from None


def _bounded(found: float, name: str, least: float | None) -> float:
    if abs(found) > MOST:
        raise BadInput(f"{name} is {found:g}, which is more than anybody takes: at most {MOST}.")
    if least is not None and found < least:
        raise BadInput(f"{name} is {found:g}; it must be at least {least:g}.")
    return found
