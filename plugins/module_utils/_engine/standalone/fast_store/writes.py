# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The calls that write."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable
from typing import Any

from . import statements
from .attempt import Undecided, Unusual, are, or_stock
from .connections import Connections, Lost
from .entities import info_of

with contextlib.suppress(ImportError):
    from mlflow.entities import LifecycleStage, Run, RunData, RunInfo, RunInputs, RunStatus, RunTag
    from mlflow.utils import validation
    from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
    from mlflow.utils.name_utils import _generate_random_name

_LATEST = "latest_"
_COLUMNS = ("keys", "values", "timestamps", "steps", "nans")


class Writes:
    """Mixed into MLflow's store."""

    connections: Connections
    sanitize_metric_value: Any

    @or_stock
    def log_metric(self, run_id: str, metric: Any) -> None:
        validation._validate_metric(metric.key, metric.value, metric.timestamp, metric.step)
        row = dict(zip(("key", "value", "timestamp", "step", "nan"), self._row(metric), strict=True))
        self._write(statements.LOG_METRIC, {"run": run_id, **row})

    @or_stock
    def log_param(self, run_id: str, param: Any) -> None:
        param = validation._validate_param(param.key, param.value)
        (key,), (value,) = _texts([param])
        self._write(statements.LOG_PARAM, {"run": run_id, "key": key, "value": value})

    @or_stock
    def set_tag(self, run_id: str, tag: Any) -> None:
        tag = validation._validate_tag(tag.key, tag.value)
        if tag.key == MLFLOW_RUN_NAME:
            raise Unusual
        (key,), (value,) = _texts([tag])
        self._write(statements.SET_TAG, {"run": run_id, "key": key, "value": value})

    @or_stock
    def log_batch(self, run_id: str, metrics: Any, params: Any, tags: Any) -> None:
        validation._validate_run_id(run_id)
        metrics, params, tags = validation._validate_batch_log_data(metrics, params, tags)
        validation._validate_batch_log_limits(metrics, params, tags)
        values: dict[str, Any] = {"run": run_id}
        if params:
            values["param_keys"], values["param_values"] = _texts(params)
            values["params"] = len(params)
            if len(set(values["param_keys"])) != len(params):
                raise Unusual
        if tags:
            if any(tag.key == MLFLOW_RUN_NAME for tag in tags):
                raise Unusual
            # Of several with one key, the last stays.
            values["tag_keys"], values["tag_values"] = _texts({tag.key: tag for tag in tags}.values())
        if metrics:
            values |= self._columns(metrics)
        self._write(statements.log_batch(bool(metrics), bool(params), bool(tags)), values)

    @or_stock
    def create_run(self, experiment_id: str, user_id: str, start_time: int, tags: Any, run_name: str) -> Any:
        tags = list(tags or [])
        named = next((tag.value for tag in tags if tag.key == MLFLOW_RUN_NAME), None)
        if named and run_name and named != run_name:
            raise Unusual
        name = run_name or named or _generate_random_name()
        if not named:
            tags.append(RunTag(MLFLOW_RUN_NAME, name))
        keys, texts = _texts(tags)
        plain = are(int, start_time) and are(str, name, user_id)
        if not plain or str(int(experiment_id)) != experiment_id or len(set(keys)) != len(keys):
            raise Unusual
        run_id = uuid.uuid4().hex
        values = {
            "experiment": int(experiment_id), "run": run_id, "name": name, "user": user_id, "start": start_time,
            "folder": f"/{run_id}/artifacts", "tag_keys": keys, "tag_values": texts,
        }  # fmt: skip
        place = self._once(statements.CREATE_RUN, values)
        info = RunInfo(
            run_id=run_id, run_name=name, experiment_id=experiment_id, user_id=user_id, start_time=start_time,
            status=RunStatus.to_string(RunStatus.RUNNING), end_time=None, lifecycle_stage=LifecycleStage.ACTIVE,
            artifact_uri=place,
        )  # fmt: skip
        data = RunData(metrics=[], params=[], tags=[RunTag(tag.key, tag.value) for tag in tags])
        return Run(info, data, RunInputs(dataset_inputs=[]))

    @or_stock
    def update_run_info(self, run_id: str, run_status: Any, end_time: int | None, run_name: str | None) -> Any:
        status = None if run_status is None else RunStatus.to_string(run_status)
        name = run_name or None
        if not (end_time is None or are(int, end_time)) or not (name is None or are(str, name)):
            raise Unusual
        values = {"run": run_id, "status": status, "end": end_time, "name": name}
        return info_of(self._write(statements.UPDATE_RUN, values))

    def _write(self, statement: str, values: dict[str, Any]) -> Any:
        row = self.connections.one(statement, values)
        if row is None or not row[0]:
            raise Unusual
        return row

    def _once(self, statement: str, values: dict[str, Any]) -> Any:
        """What a statement answers that MLflow's own method must not follow once it may have been carried out."""
        try:
            return self._write(statement, values)[0]
        except Lost:
            pass
        # The same run again, on a new connection: where it is there, the statement leaves it as it is.
        try:
            return self._write(statement, values)[0]
        except Exception as error:
            raise Undecided(str(error)) from error

    def _columns(self, metrics: Any) -> dict[str, list[Any]]:
        """The rows of a batch, each once, and those that are its latest, by columns."""
        rows = list(dict.fromkeys(self._row(metric) for metric in metrics))
        latest: dict[str, Any] = {}
        for row in rows:
            key, value, timestamp, step, _nan = row
            known = latest.get(key)
            if known is None or (step, timestamp, value) > (known[3], known[2], known[1]):
                latest[key] = row
        columns = zip(_COLUMNS, zip(*rows, strict=True), strict=True)
        of_latest = zip(_COLUMNS, zip(*latest.values(), strict=True), strict=True)
        return {name: list(column) for name, column in columns} | {
            _LATEST + name: list(column) for name, column in of_latest
        }

    def _row(self, metric: Any) -> tuple[str, float, int, int, bool]:
        value, timestamp, step = metric.value, metric.timestamp, metric.step
        if metric.model_id is not None or type(value) not in (float, int) or not are(str, metric.key):
            raise Unusual
        if not are(int, timestamp, step):
            raise Unusual
        nan, value = self.sanitize_metric_value(value)
        return metric.key, float(value), timestamp, step, nan


def _texts(pairs: Iterable[Any]) -> tuple[list[str], list[str]]:
    """Keys and values of parameters or tags, which are texts where they came by the API."""
    keys, values = [], []
    for pair in pairs:
        if not are(str, pair.key, pair.value):
            raise Unusual
        keys.append(pair.key)
        values.append(pair.value)
    return keys, values
