# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""MLflow's entities from rows."""

from __future__ import annotations

import contextlib
import json
from typing import Any

with contextlib.suppress(ImportError):
    from mlflow.entities import Experiment, ExperimentTag, Metric, Param, RunData, RunInfo, RunTag
    from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME


def info_of(row: Any) -> Any:
    return RunInfo(
        run_id=row[0], run_name=row[1], experiment_id=str(row[2]), user_id=row[3], status=row[4], start_time=row[5],
        end_time=row[6], lifecycle_stage=row[7], artifact_uri=row[8],
    )  # fmt: skip


def run_of(row: Any) -> tuple[Any, Any]:
    """Info and data of a run."""
    info = info_of(row)
    metrics, params, tags = (json.loads(part) if part else () for part in row[9:12])
    if not info.run_name and (name := dict(tags).get(MLFLOW_RUN_NAME)):
        info._set_run_name(name)
    data = RunData(
        metrics=[metric(*values) for values in metrics],
        params=[Param(key, value) for key, value in params],
        tags=[RunTag(key, value) for key, value in tags],
    )
    return info, data


def metric(key: str, value: float, timestamp: int, step: int, is_nan: bool) -> Any:
    return Metric(key, float("nan") if is_nan else float(value), timestamp, step)


def experiment_of(row: Any) -> Any:
    tags = json.loads(row[7]) if row[7] else ()
    return Experiment(
        experiment_id=str(row[0]), name=row[1], artifact_location=row[2], lifecycle_stage=row[3], creation_time=row[4],
        last_update_time=row[5], workspace=row[6], tags=[ExperimentTag(key, value) for key, value in tags],
    )  # fmt: skip
