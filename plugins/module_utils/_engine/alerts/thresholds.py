# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The numbers in the alerts, each with its default and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BadInput
from ..quantities import number


@dataclass(frozen=True)
class Threshold:
    """C(least) and C(most) are what is accepted."""

    default: float
    least: float
    most: float
    meaning: str


THRESHOLDS = {
    "down_minutes": Threshold(2, 0, 1440, "Minutes in which nothing answers, until somebody is told."),
    # The highest bound of MLflow's histogram is 10 s: no quantile is found above it.
    "latency_seconds": Threshold(2, 0.005, 9.9, "Seconds that 95 of 100 requests stay below."),
    "errors_percent": Threshold(10, 0, 100, "Share of requests that may fail, in percent."),
    "requests_least": Threshold(
        20, 1, 1e9, "Fewer requests than these, in a window, say nothing about time and errors."
    ),
    "connections_percent": Threshold(80, 1, 100, "Share of the database's connections in use, in percent."),
    "disk_free_percent": Threshold(10, 0, 99, "Share of a disk or volume that must be free, in percent."),
    "certificate_days": Threshold(14, 0, 3650, "Days before its end at which a certificate is to be renewed."),
    "overdue_hours": Threshold(2, 0, 8760, "Hours after which a backup or drill that was promised must have ended."),
    "first_backup_hours": Threshold(26, 1, 8760, "Hours until a first snapshot, and a first drill, must be there."),
    "restarts": Threshold(3, 0, 1e6, "Restarts of a pod in an hour that are borne."),
    "unhealthy_instances": Threshold(0, 0, 1e6, "Instances of a fleet that may be unhealthy."),
    "availability_percent": Threshold(99.5, 50, 99.999, "The objective: share that succeeds in 30 days, in percent."),
}


def checked(given: Mapping[str, Any], variable: str = "mlflow_monitoring_thresholds") -> dict[str, float]:
    """All thresholds, those that are given instead of their defaults.

    :raises BadInput: one is unknown, no number, or out of its limits.
    """
    if unknown := sorted(map(str, given.keys() - THRESHOLDS)):
        raise BadInput(f"{variable} has {unknown[0]}, which is no threshold; these are: {', '.join(THRESHOLDS)}.")
    return {name: _number(one, given.get(name, one.default), f"{variable}.{name}") for name, one in THRESHOLDS.items()}


def _number(threshold: Threshold, value: Any, name: str) -> float:
    found = number(value, name)
    if not threshold.least <= found <= threshold.most:
        raise BadInput(f"{name} is {value}; it must be from {threshold.least:g} to {threshold.most:g}.")
    return found
