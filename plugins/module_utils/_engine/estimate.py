# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What things cost a month, said in lines: an estimate, to be checked with the calculator of the cloud."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

HOURS = 730
# What it is, US dollars a month of its least, and how many more it may become.
Line = tuple[str, float, float]


def said(lines: Sequence[Line], where: str, unknown: Iterable[str], option: str) -> list[str]:
    """A line for each thing that costs whether it is used or not, and one for all of it.

    :param where: whose prices they are.
    :param unknown: of what no price is known; C(option) is the variable that says it.
    """
    found = [f"{what}: {_range(price, price + more)}" for what, price, more in lines]
    least = sum(price for _what, price, _more in lines)
    most = least + sum(more for _what, _price, more in lines)
    found.append(
        f"together about {_range(least, most)} US dollars a month{where}, without traffic, logs and what is stored"
    )
    if names := sorted(set(unknown)):
        found.append(f"not counted, because {option} does not say what they cost: {', '.join(names)}")
    return found


def _range(least: float, most: float) -> str:
    return f"{least:.0f}" if round(least) == round(most) else f"{least:.0f} to {most:.0f}"
