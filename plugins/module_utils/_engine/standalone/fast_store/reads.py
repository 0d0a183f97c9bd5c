# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The calls that read one thing."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from . import statements
from .attempt import Unusual, are, or_stock
from .connections import Connections
from .entities import experiment_of, metric, run_of

with contextlib.suppress(ImportError):
    from mlflow.entities import Run, RunInputs, RunOutputs
    from mlflow.store.entities.paged_list import PagedList
    from mlflow.utils.search_utils import SearchUtils


class Reads:
    """Mixed into MLflow's store."""

    connections: Connections

    @or_stock
    def get_run(self, run_id: str) -> Any:
        row = self.connections.one(statements.GET_RUN, {"run": run_id})
        if row is None or row[12]:
            raise Unusual
        info, data = run_of(row)
        return Run(info, data, RunInputs(dataset_inputs=[], model_inputs=[]), RunOutputs([]))

    @or_stock
    def get_experiment(self, experiment_id: str) -> Any:
        usual_experiments()
        row = self.connections.one(statements.GET_EXPERIMENT, {"id": int(experiment_id)})
        if row is None:
            raise Unusual
        return experiment_of(row)

    @or_stock
    def get_experiment_by_name(self, experiment_name: str) -> Any:
        usual_experiments()
        rows = self.connections.all(statements.GET_EXPERIMENT_BY_NAME, {"name": experiment_name})
        if len(rows) > 1 or not are(str, experiment_name):
            raise Unusual
        return experiment_of(rows[0]) if rows else None

    @or_stock
    def get_metric_history(
        self, run_id: str, metric_key: str, max_results: int | None = None, page_token: str | None = None
    ) -> Any:
        offset = SearchUtils.parse_start_offset_from_page_token(page_token)
        limit = None if max_results is None else max_results + 1
        values = {"run": run_id, "key": metric_key, "offset": offset, "limit": limit}
        rows = self.connections.all(statements.HISTORY, values)
        token = None
        if max_results is not None and len(rows) == limit:
            token = SearchUtils.create_page_token(offset + max_results)
            rows = rows[:max_results]
        return PagedList([metric(metric_key, *row) for row in rows], token)


def usual_experiments() -> None:
    """Where traces are archived, an experiment also says for how long it keeps them."""
    if os.environ.get("MLFLOW_TRACE_ARCHIVAL_CONFIG"):
        raise Unusual
