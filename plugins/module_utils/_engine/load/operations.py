# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a load test can do to a server: operations (measured requests), tasks of users, and how often they do them.

The scenario (C(roles/locust/files/mlflow_scenario.py)) does it; a unit test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import BadInput

# Objectives may name it instead of one operation.
ALL = "all"
MIB = 1024**2


@dataclass(frozen=True)
class Operation:
    """One measured request. C(payload): bytes of the artifact that it carries; C(needs): what else it takes."""

    name: str
    about: str
    payload: int = 0
    needs: str = ""


@dataclass(frozen=True)
class Task:
    """What a user does in one go: the operations it sends, and its weights in the workloads."""

    operations: tuple[str, ...]
    mixed: float
    reference: float = 0
    needs: str = ""


# The first request to a server of a fleet that slept: measured apart from what it does awake.
WAKE = "wake"
ARTIFACTS = "artifacts that pass through the server"

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation(WAKE, "the first answer of a server that slept, a search"),
        Operation("search_experiments", "ten experiments"),
        Operation("create_experiment", "an experiment with a new name"),
        Operation("create_existing_experiment", "an experiment whose name is taken: refused, which is right"),
        Operation("get_experiment_by_name", "an experiment by its name"),
        Operation("create_run", "a run with two tags"),
        Operation("get_run", "a run with all it holds"),
        Operation("search_runs", "50 runs by a tag and a metric, in two orders"),
        Operation("log_metric", "one metric"),
        Operation("log_param", "one param"),
        Operation("log_batch_10", "10 metrics in one call"),
        Operation("log_batch_100", "100 metrics in one call"),
        Operation("log_batch_500", "500 metrics in one call"),
        Operation("get_metric_history", "the history of one metric, at most 1000 points"),
        Operation("log_model", "the description of a logged model"),
        Operation("put_artifact_4k", "4 KiB up", 4 * 1024, ARTIFACTS),
        Operation("get_artifact_4k", "4 KiB down, compared", 4 * 1024, ARTIFACTS),
        Operation("put_artifact_1m", "1 MiB up", MIB, ARTIFACTS),
        Operation("get_artifact_1m", "1 MiB down, compared", MIB, ARTIFACTS),
        Operation("put_artifact_32m", "32 MiB up", 32 * MIB, ARTIFACTS),
        Operation("get_artifact_32m", "32 MiB down, compared", 32 * MIB, ARTIFACTS),
        Operation("list_artifacts", "the artifacts of a run"),
        Operation("create_trace", "the record of a trace"),
        Operation("put_trace_data", "the spans of a trace", 0, ARTIFACTS),
        Operation("get_trace", "the record of a trace, read"),
        Operation("search_traces", "the 20 newest traces of an experiment"),
        Operation("create_registered_model", "a registered model with a new name"),
        Operation("create_existing_registered_model", "one whose name is taken: refused, which is right"),
        Operation("search_registered_models", "20 registered models"),
        Operation("get_registered_model", "a registered model"),
        Operation("create_model_version", "a version of a registered model"),
        Operation("get_model_version", "a version of a registered model, read"),
        Operation("delete_run", "a run deleted"),
        Operation("restore_run", "and restored"),
        Operation("delete_experiment", "an experiment deleted"),
        Operation("restore_experiment", "and restored"),
    )
}

# What a user has to make before a task can begin.
_HOME = ("create_experiment", "create_run")

TASKS: dict[str, Task] = {
    "search_experiments": Task(("search_experiments",), 10, 1),
    "create_experiment": Task(
        ("create_experiment", "create_existing_experiment", "get_experiment_by_name"), mixed=2, reference=1
    ),
    "create_run": Task(_HOME, 10, 1),
    "log_metrics_and_params": Task((*_HOME, "log_metric", "log_param"), 5, 1),
    "register_model": Task(
        (*_HOME, "log_model", "create_registered_model", "create_existing_registered_model"), mixed=2, reference=1
    ),
    "log_batch_10": Task((*_HOME, "log_batch_10"), 10),
    "log_batch_100": Task((*_HOME, "log_batch_100"), 5),
    "log_batch_500": Task((*_HOME, "log_batch_500"), 2),
    "read_run": Task((*_HOME, "get_run", "get_metric_history"), 10),
    "search_runs": Task(("create_experiment", "search_runs"), 10),
    "artifact_4k": Task((*_HOME, "put_artifact_4k", "get_artifact_4k"), 5, needs=ARTIFACTS),
    "artifact_1m": Task((*_HOME, "put_artifact_1m", "get_artifact_1m"), 2, needs=ARTIFACTS),
    "artifact_32m": Task((*_HOME, "put_artifact_32m", "get_artifact_32m"), 0.3, needs=ARTIFACTS),
    "list_artifacts": Task((*_HOME, "list_artifacts"), 3),
    "log_trace": Task(("create_experiment", "create_trace", "put_trace_data", "get_trace"), 4),
    "search_traces": Task(("create_experiment", "search_traces"), 3),
    "read_registry": Task(("create_registered_model", "search_registered_models", "get_registered_model"), mixed=5),
    "create_model_version": Task(
        (*_HOME, "create_registered_model", "create_model_version", "get_model_version"), mixed=2
    ),
    "delete_and_restore_run": Task((*_HOME, "delete_run", "restore_run"), 2),
    "delete_and_restore_experiment": Task(("create_experiment", "delete_experiment", "restore_experiment"), mixed=1),
}

# C(mixed) is everything, C(reference) the five tasks of the published setup that this scenario replaces.
WORKLOADS: dict[str, dict[str, float]] = {
    "mixed": {name: task.mixed for name, task in TASKS.items()},
    "reference": {name: task.reference for name, task in TASKS.items() if task.reference},
}
# Seconds between two tasks of a user: from, to.
WAITS: dict[str, tuple[float, float]] = {"mixed": (0.1, 0.5), "reference": (5.0, 15.0)}


def weights(workload: str, changed: Mapping[str, object] | None = None) -> dict[str, float]:
    """How often users do what: the workload's weights with the changed ones; without tasks of weight 0.

    :raises BadInput: an unknown workload or task, a weight that is none, or nothing left to do.
    """
    if workload not in WORKLOADS:
        raise BadInput(f"workload is '{workload}'; offered are {', '.join(WORKLOADS)}.")
    result = dict(WORKLOADS[workload])
    for name, value in (changed or {}).items():
        if name not in TASKS:
            raise BadInput(f"weights names the task '{name}', which does not exist; there are {', '.join(TASKS)}.")
        try:
            weight = float(str(value))
        except ValueError:
            weight = -1.0
        if not 0 <= weight < float("inf"):
            raise BadInput(f"The weight of the task {name} is '{value}'; it must be a number, 0 or more.")
        result[name] = weight
    result = {name: weight for name, weight in result.items() if weight > 0}
    if not result:
        raise BadInput("Every weight is 0, so the users would do nothing: give at least one task a weight.")
    return result


def operations_of(chosen: Mapping[str, float]) -> list[str]:
    """The operations that these tasks can send, in the order of OPERATIONS."""
    sent = {name for task in chosen for name in TASKS[task].operations}
    return [name for name in OPERATIONS if name in sent]
