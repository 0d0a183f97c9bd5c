# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tables: medians with their spread, and ratios beside what must be reached, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .measure import Results


@dataclass(frozen=True)
class Bar:
    """What one measure must reach: C(ours) divided by C(base), per round. A goal below 1 bounds it from above
    where C(less) is true."""

    measure: str
    ours: str
    base: str
    floor: float
    goal: float
    less: bool = False

    def ratios(self, results: Results) -> list[float]:
        pairs = zip(results[self.ours][self.measure], results[self.base][self.measure], strict=True)
        return [ours / base if base else float("inf") for ours, base in pairs]

    def verdict(self, ratio: float) -> str:
        for name, bar in (("goal met", self.goal), ("floor met", self.floor)):
            if ratio <= bar if self.less else ratio >= bar:
                return name
        return "**missed**"


def spread(values: Sequence[float]) -> str:
    """Median (minimum-maximum)."""
    if not values:
        return "-"
    numbers = [_number(value) for value in (statistics.median(values), min(values), max(values))]
    return numbers[0] if numbers[1] == numbers[2] else f"{numbers[0]} ({numbers[1]}-{numbers[2]})"


def bars(results: Results, wanted: Sequence[Bar]) -> str:
    lines = []
    for bar in wanted:
        ratios = bar.ratios(results)
        middle = statistics.median(ratios)
        sign = "≤" if bar.less else "≥"
        lines.append([
            bar.measure, bar.ours, bar.base, f"{_ratio(middle)} ({_ratio(min(ratios))}-{_ratio(max(ratios))})",
            f"{sign} {bar.floor}x", f"{sign} {bar.goal}x", bar.verdict(middle),
        ])  # fmt: skip
    return markdown(["measure", "ours", "beside", "ratio", "floor", "goal", "verdict"], lines)


def values(results: Results, measures: Sequence[str], prefix: str = "") -> str:
    """One line per set-up, one column per measure."""
    lines = [[name, *(spread(measured.get(prefix + m, [])) for m in measures)] for name, measured in results.items()]
    return markdown(["server", *measures], lines)


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *lines)) + "\n"


def _number(value: float) -> str:
    if value != value:  # not a number
        return "-"
    return f"{value:.0f}" if value >= 100 or value == 0 else f"{value:.3g}"


def _ratio(value: float) -> str:
    return f"{value:.3f}x" if value < 0.2 else f"{value:.2f}x" if value < 10 else f"{value:.1f}x"
