# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an alert is, and a series that Prometheus computes for others to read.

Expressions and summaries are templates: C($scope) selects one deployment, the names of thresholds are their numbers.
What Prometheus itself fills in, C($value) and C($labels), stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Record:
    name: str
    expression: str


@dataclass(frozen=True)
class Alert:
    """
    :param wait: how long the expression must hold, as Prometheus writes durations.
    :param summary: what happened, with numbers.
    """

    name: str
    expression: str
    severity: str
    summary: str
    wait: str = "0m"
    labels: Mapping[str, str] = field(default_factory=dict)
