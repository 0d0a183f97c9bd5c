# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objectives of a load test as data, and the verdict: which held, which did not, and why.

An objective is C({operation: {measure: limit}}), where an operation may be C(all):

    {"all": {"error_rate": 0.01, "per_second": 20}, "log_batch_100": {"p95_ms": 250}}
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import BadInput
from .operations import ALL, OPERATIONS

# Measure: (whether less is better, unit).
MEASURES: dict[str, tuple[bool, str]] = {
    "p50_ms": (True, "ms"),
    "p95_ms": (True, "ms"),
    "p99_ms": (True, "ms"),
    "max_ms": (True, "ms"),
    "error_rate": (True, "%"),
    "per_second": (False, "/s"),
    "mib_per_second": (False, "MiB/s"),
}
DEFAULT_OBJECTIVES: dict[str, dict[str, float]] = {ALL: {"error_rate": 0.01}}

BOTTLENECK = "The client or its machine was the bottleneck, so the server may be better than this"

# A core that is this busy answers late by itself.
_BUSY_CORE = 0.9
_BUSY_MACHINE = 0.97
# A timer of the client may be so late, in seconds, before what it measured is not the server's time any more.
_LATE_TIMER = 0.1
# The share of the run for which one of these must hold.
_MOST_OF_IT = 0.25
# On a machine that client and servers share, they alone should be what fills it.
_OWN_SHARE = 0.6


@dataclass(frozen=True)
class Objective:
    """One limit for one operation."""

    operation: str
    measure: str
    limit: float

    @property
    def text(self) -> str:
        less, _unit = MEASURES[self.measure]
        name = self.measure.removesuffix("_ms").replace("_", " ")
        name = {"per second": "throughput", "mib per second": "transfer rate"}.get(name, name)
        return f"{self.operation}: {name} {'at most' if less else 'at least'} {self.amount(self.limit)}"

    def amount(self, value: float) -> str:
        """A value of this measure as people write it."""
        unit = MEASURES[self.measure][1]
        return f"{value * 100:.4g} %" if unit == "%" else f"{value:.4g}{'' if unit == '/s' else ' '}{unit}"


@dataclass(frozen=True)
class Judgement:
    """What became of an objective. C(seen) is None where there was nothing to judge, which counts as not held."""

    operation: str
    measure: str
    limit: float
    seen: float | None
    ok: bool
    text: str
    reason: str


def parse(wanted: Mapping[str, Any] | None, sent: Collection[str] | None = None) -> list[Objective]:
    """Read objectives; None means the default: at most 1 % errors.

    :param sent: the operations that the workload sends; an objective for another one could never be judged.
    :raises BadInput: an unknown operation or measure, an operation that is not part of the run, or a limit that is no
        number.
    """
    objectives = []
    for operation, limits in (DEFAULT_OBJECTIVES if wanted is None else wanted).items():
        if operation != ALL and operation not in OPERATIONS:
            raise BadInput(
                f"slos names the operation '{operation}', which does not exist; there are {ALL}, "
                f"{', '.join(OPERATIONS)}."
            )
        if operation != ALL and sent is not None and operation not in sent:
            raise BadInput(
                f"slos names the operation {operation}, which no task of this run sends, so it could not be judged: "
                f"give its task a weight, or take it out. Sent are {', '.join(sent)}."
            )
        if not isinstance(limits, Mapping) or not limits:
            raise BadInput(f"slos of {operation} must be a dict of limits, such as {{p95_ms: 250}}.")
        for measure, limit in limits.items():
            objectives.append(Objective(operation, str(measure), _limit(operation, str(measure), limit)))
    return objectives


def judge(objectives: list[Objective], result: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict on a result of outcome.read(): C(passed), C(text), C(reasons) and the C(slos) one by one."""
    judged = [_judge(objective, result) for objective in objectives]
    reasons = [one.reason for one in judged if not one.ok]
    total = result["total"]
    if not total["requests"]:
        reasons.insert(0, "no request was made at all")
    reasons += [f"the scenario itself failed, {one['count']} times: {one['message']}" for one in result["exceptions"]]
    if left := result.get("clean_up", {}).get("left"):
        reasons.append(f"what was made could not be removed: {'; '.join(left)}")
    client = result["client"]["reasons"]
    summary = (
        f"{total['requests']} requests in {result['seconds']:.0f} s, {total['per_second']:.1f}/s, "
        f"p95 {_milliseconds(total['p95_ms'])}, {total['failures']} failed"
    )
    count = f"{len(judged)} objective{'s' if len(judged) != 1 else ''} held" if judged else "no objectives were given"
    text = f"failed: {'; '.join(reasons)} ({summary})" if reasons else f"passed: {count} ({summary})"
    if client:
        text += f". {BOTTLENECK}: {'; '.join(client)}"
    return {"passed": not reasons, "text": text, "reasons": reasons, "slos": [asdict(one) for one in judged]}


def bottleneck(
    series: list[Mapping[str, Any]], same_machine: bool = False, cores: int = 1, explained: float | None = None
) -> dict[str, Any]:
    """Whether the client, and not the server, limited what was seen.

    :param series: moments with C(client_cpu) (share of a core of the busiest process), C(client_lag) (seconds by which
        its timers were late) and C(machine_cpu) (share of all cores).
    :param same_machine: the server runs there too; then a busy machine is no sign of a busy client.
    :param cores: of the client's machine. :param explained: how many of them client and servers used, where known.
    """
    steady = series[1:] or series  # the first moment holds the start of the interpreter
    reasons = []
    if steady:
        busy = _share(steady, "client_cpu", _BUSY_CORE)
        if busy > _MOST_OF_IT:
            reasons.append(
                f"a Locust process used its whole core for {busy:.0%} of the time: raise the number of its processes"
            )
        late = _share(steady, "client_lag", _LATE_TIMER)
        if late > _MOST_OF_IT:
            worst = max(moment["client_lag"] for moment in steady)
            reasons.append(
                f"its timers were more than {_LATE_TIMER * 1000:.0f} ms late in {late:.0%} of the seconds (at most "
                f"{worst * 1000:.0f} ms), and so were its measurements: take fewer users, or another machine"
            )
        full = _share(steady, "machine_cpu", _BUSY_MACHINE)
        if full > _MOST_OF_IT and not same_machine:
            reasons.append(f"all cores of its machine were busy for {full:.0%} of the time: take a larger machine")
        elif full > _MOST_OF_IT and explained is not None and explained < _OWN_SHARE * cores:
            reasons.append(
                f"other programs kept the machine busy: client and servers used {explained:.1f} of its {cores} cores, "
                f"and none was free for {full:.0%} of the time. Repeat it on a quiet machine"
            )
    return {
        "bottleneck": bool(reasons),
        "reasons": reasons,
        "cpu_peak": max((moment["client_cpu"] for moment in steady), default=0.0),
        "lag_peak": max((moment["client_lag"] for moment in steady), default=0.0),
    }


def _share(series: list[Mapping[str, Any]], key: str, above: float) -> float:
    return sum(moment[key] > above for moment in series) / len(series)


def _limit(operation: str, measure: str, limit: Any) -> float:
    if measure not in MEASURES:
        raise BadInput(f"slos of {operation} has the measure '{measure}'; offered are {', '.join(MEASURES)}.")
    if measure == "mib_per_second" and not (operation in OPERATIONS and OPERATIONS[operation].payload):
        carriers = [name for name, one in OPERATIONS.items() if one.payload]
        raise BadInput(f"mib_per_second is for operations that carry an artifact: {', '.join(carriers)}.")
    try:
        value = float(str(limit))
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise BadInput(f"slos of {operation}: {measure} is '{limit}'; it must be a number, 0 or more.")
    if measure == "error_rate" and value > 1:
        raise BadInput(f"slos of {operation}: error_rate is {limit}; it is a share, so 1 % is 0.01.")
    return value


def _judge(objective: Objective, result: Mapping[str, Any]) -> Judgement:
    found = (
        result["total"]
        if objective.operation == ALL
        else next((one for one in result["operations"] if one["name"] == objective.operation), None)
    )
    seen = None if found is None or not found["requests"] else found.get(objective.measure)
    less, _unit = MEASURES[objective.measure]
    ok = seen is not None and (seen <= objective.limit if less else seen >= objective.limit)
    said = objective.text.partition(": ")[2]
    if seen is None:
        reason = f"{objective.operation}: there is nothing to judge, because no such request was answered well"
    elif ok:
        reason = f"{objective.amount(seen)}"
    else:
        reason = f"{objective.operation}: {objective.amount(seen)} seen, but {said} was wanted"
    return Judgement(objective.operation, objective.measure, objective.limit, seen, ok, objective.text, reason)


def _milliseconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f} ms"
