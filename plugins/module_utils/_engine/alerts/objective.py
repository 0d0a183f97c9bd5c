# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The objective: so much succeeds in 30 days. It is missed by requests that fail, and while no server answers.

Alerts compare how fast the budget is used up in a long and a short window (multi-window, multi-burn-rate).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .rule import Alert, Record

DAYS = 30


@dataclass(frozen=True)
class Burn:
    """The budget goes C(factor) times too fast, in both windows: for long enough, and still."""

    factor: float
    long: str
    short: str
    severity: str


# 2 % of a budget of 30 days in an hour, 5 % in six hours, 10 % in a day, 10 % in three days.
BURNS = (
    Burn(14.4, "1h", "5m", "critical"),
    Burn(6, "6h", "30m", "critical"),
    Burn(3, "1d", "2h", "warning"),
    Burn(1, "3d", "6h", "warning"),
)
_BY = "by (deployment, namespace)"


def missed(window: str) -> str:
    """Name of the series that says which share was missed within a window."""
    return f"deployment:mlflow_missed:ratio_{window}"


def records() -> Iterator[Record]:
    windows = {window: None for burn in BURNS for window in (burn.long, burn.short)}
    for window in windows:
        every = f"sum {_BY} (increase(mlflow_http_request_total{{$scope}}[{window}]))"
        failed = f'sum {_BY} (increase(mlflow_http_request_total{{status=~"5..",$scope}}[{window}]))'
        up = f'avg {_BY} (avg_over_time(mlflow_ops_check_up{{check="process",$scope}}[{window}]))'
        # Where hardly anybody asks, only the time without a server counts.
        parts = (("failed", f"({failed} or 0 * {every}) / ({every} >= $requests_least)"), ("down", f"1 - {up}"))
        added = " or ".join(f'label_replace({expression}, "part", "{name}", "", "")' for name, expression in parts)
        yield Record(missed(window), f"clamp_max(sum {_BY} ({added}), 1)")


def alerts() -> Iterator[Alert]:
    for burn in BURNS:
        limit = f"{burn.factor:g} * (1 - $availability_percent / 100)"
        yield Alert(
            "MlflowErrorBudgetBurns",
            f"{missed(burn.long)}{{$scope}} > {limit} and {missed(burn.short)}{{$scope}} > {limit}",
            burn.severity,
            f"{{{{ $value | humanizePercentage }}}} of {{{{ $labels.deployment }}}} failed in {burn.long}; "
            f"the objective is $availability_percent % in {DAYS} days",
            labels={"window": burn.long},
        )
