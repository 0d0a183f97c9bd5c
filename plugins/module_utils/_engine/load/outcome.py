# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Locust counted, as the result of a load test: operations, targets, failures, and what each second saw."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import EngineError, one_line
from .operations import MIB, OPERATIONS, WAKE

# Between the target's name and the operation's in Locust's counters, where there are several targets.
SEPARATOR = " / "
FORMAT = "mlops.mlflow/load/1"


@dataclass
class Counted:
    """Counters of one kind of request. Locust keeps response times in ms, rounded to two digits from 100 ms on."""

    requests: int = 0
    failures: int = 0
    total_ms: float = 0.0
    min_ms: float | None = None
    max_ms: float = 0.0
    bytes: int = 0
    times: Counter[int] = field(default_factory=Counter)
    untimed: int = 0

    def add(self, entry: Mapping[str, Any], timed: bool = True) -> None:
        """C(timed): whether its response times count, which those of servers that slept do not among others."""
        self.requests += int(entry["num_requests"])
        self.failures += int(entry["num_failures"])
        if not timed:
            self.untimed += int(entry["num_requests"])
            return
        self.total_ms += float(entry["total_response_time"])
        if entry["min_response_time"] is not None:
            self.min_ms = min(float(entry["min_response_time"]), self.min_ms if self.min_ms is not None else 1e12)
        self.max_ms = max(self.max_ms, float(entry["max_response_time"] or 0))
        self.bytes += int(entry["total_content_length"])
        for time, count in entry["response_times"].items():
            self.times[round(float(time))] += int(count)

    def percentile(self, share: float) -> float | None:
        """The response time in ms that so many did not exceed."""
        wanted, seen = share * sum(self.times.values()), 0
        for time in sorted(self.times):
            seen += self.times[time]
            if seen >= wanted:
                return float(min(time, self.max_ms) if self.max_ms else time)
        return None

    def summary(self, seconds: float, payload: int = 0) -> dict[str, Any]:
        """C(per_second) counts good answers; C(mib_per_second) is what one client moves while it waits."""
        good = self.requests - self.failures
        found: dict[str, Any] = {
            "requests": self.requests,
            "failures": self.failures,
            "error_rate": round(self.failures / self.requests, 6) if self.requests else 0.0,
            "per_second": round(good / seconds, 3) if seconds > 0 else 0.0,
            "mean_ms": round(self.total_ms / timed, 2) if (timed := self.requests - self.untimed) else None,
            "min_ms": self.min_ms and round(self.min_ms, 2),
            "p50_ms": self.percentile(0.50),
            "p95_ms": self.percentile(0.95),
            "p99_ms": self.percentile(0.99),
            "max_ms": round(self.max_ms, 2),
        }
        if payload:
            moved = payload * good / MIB
            found["mib_per_second"] = round(moved / (self.total_ms / 1000), 3) if self.total_ms else None
        return found


def load(path: Path) -> dict[str, Any]:
    """What the scenario left (C(locust.json)).

    :raises EngineError: Locust ended without it.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EngineError(f"Locust left no result in {path}: {error.strerror}. Its log is beside it.") from error
    except ValueError as error:
        raise EngineError(f"What Locust left in {path} is cut off: {error}.") from error
    return dict(found)


def read(raw: Mapping[str, Any], targets: Iterable[str] = ()) -> dict[str, Any]:
    """Locust's counters as a result, without a verdict. All times in ms from the client's view.

    :param raw: what load() read.
    :param targets: names of the targets; with several, Locust's names begin with them.
    """
    seconds = max(float(raw["seconds"]), 0.001)
    by_operation: dict[str, Counted] = {}
    by_target: dict[str, Counted] = {}
    total = Counted()
    for entry in raw["stats"]:
        target, operation = split(entry["name"])
        by_operation.setdefault(operation, Counted()).add(entry)
        for counted in (total, by_target.setdefault(target, Counted())) if target else (total,):
            counted.add(entry, timed=operation != WAKE)
    failures: Counter[tuple[str, str]] = Counter()
    for failure in raw["failures"]:
        target, operation = split(failure["name"])
        failures[(operation, _error(failure["error"], target))] += int(failure["occurrences"])
    return {
        "format": FORMAT,
        "locust": raw["locust"],
        "started": float(raw["start"]),
        "seconds": round(seconds, 2),
        "total": total.summary(seconds),
        "operations": [
            {"name": name, "about": one.about, **by_operation[name].summary(seconds, one.payload)}
            for name, one in OPERATIONS.items()
            if name in by_operation
        ],
        "targets": [
            {"name": name, **by_target[name].summary(seconds)} for name in dict.fromkeys(targets) if name in by_target
        ],
        "failures": [
            {"operation": operation, "error": error, "count": count}
            for (operation, error), count in failures.most_common()
        ],
        "exceptions": [
            {"count": int(one["count"]), "message": one_line(one["message"], 300)} for one in raw["exceptions"]
        ],
        # Workers of a distributed test report every 3 s.
        "series": _series(raw["series"], 3 if int(raw["processes"]) > 1 else 1),
        "processes": int(raw["processes"]),
        "cores": int(raw["cores"]),
    }


def split(name: str) -> tuple[str, str]:
    """The target ('' with a single one) and the operation in a name of Locust's counters."""
    target, _separator, operation = name.rpartition(SEPARATOR)
    return target, operation


def _error(text: str, target: str) -> str:
    found = one_line(text)
    for wrapping in ("CatchResponseError('", 'CatchResponseError("'):
        if found.startswith(wrapping):
            found = found.removeprefix(wrapping)[:-2]
    return f"{target}: {found}" if target else found


def _series(moments: list[Mapping[str, Any]], over: int) -> list[dict[str, Any]]:
    """Counters since the start become rates over so many seconds; C(at) is seconds since it began."""
    result = []
    beginning: Mapping[str, Any] = {"at": 0.0, "requests": 0, "failures": 0}
    for number, moment in enumerate(moments):
        before = moments[number - over] if number >= over else beginning
        passed = moment["at"] - before["at"]
        if passed <= 0:
            continue
        failed = max(moment["failures"] - before["failures"], 0) / passed
        result.append(
            {
                "at": round(moment["at"], 2),
                "users": moment["users"],
                "per_second": round(max(moment["requests"] - before["requests"], 0) / passed - failed, 3),
                "failures_per_second": round(failed, 3),
                # Locust knows none in the first second.
                "p50_ms": moment["p50"] or None,
                "p95_ms": moment["p95"] or None,
                "client_cpu": moment["client_cpu"],
                "client_lag": moment["client_lag"],
                "machine_cpu": moment["machine_cpu"],
            }
        )
    return result
