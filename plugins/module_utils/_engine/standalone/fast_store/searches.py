# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The calls that search.

What a filter and an order mean, MLflow's own functions say: their clauses make the statement that finds. Around it
comes what reads all of what was found. The text of a statement is kept for the next search of its kind.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any

from . import statements
from .attempt import Unusual, or_stock
from .connections import Connections
from .entities import experiment_of, run_of
from .reads import usual_experiments

with contextlib.suppress(ImportError):
    from mlflow.entities import Run, RunInputs, RunOutputs
    from mlflow.entities.lifecycle_stage import LifecycleStage
    from mlflow.store.tracking import sqlalchemy_store as stock
    from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlRun
    from mlflow.utils.search_utils import SearchExperimentsUtils, SearchUtils
    from mlflow.utils.validation import _parse_experiment_ids
    from sqlalchemy import Integer, any_, bindparam, select
    from sqlalchemy.dialects.postgresql import ARRAY
    from sqlalchemy.orm import Session

_KEPT = 256
# Longer ones are seldom the same.
_LONGEST = 2000


class Searches:
    """Mixed into MLflow's store."""

    connections: Connections
    ManagedSessionMaker: Any
    _validate_max_results_param: Any
    _get_run_inputs: Any
    _get_model_outputs_bulk: Any

    @or_stock
    def _search_runs(
        self, experiment_ids: Any, filter_string: Any, run_view_type: Any, max_results: Any, order_by: Any,
        page_token: Any,
    ) -> Any:  # fmt: skip
        if max_results is None:
            raise Unusual
        self._validate_max_results_param(max_results, allow_null=True)
        offset = SearchUtils.parse_start_offset_from_page_token(page_token)
        ids = _parse_experiment_ids(experiment_ids)
        stages = tuple(LifecycleStage.view_type_to_stages(run_view_type))
        order = tuple(order_by or ())
        text, values = _kept(_runs, self.connections.dialect, filter_string or "", order, stages, len(ids) == 1)
        values = {**values, "ids": ids[0] if len(ids) == 1 else ids, "skipped": offset, "most": max_results + 1}
        rows = self.connections.all(text, values)
        token = SearchUtils.create_page_token(offset + max_results) if len(rows) > max_results else None
        rows = rows[:max_results]
        return self._with_inputs(rows), token

    def _with_inputs(self, rows: Any) -> list[Any]:
        """Runs; what MLflow's own methods know of their data sets and models, where there are any."""
        having = [row[0] for row in rows if row[12]]
        inputs: dict[str, Any] = {}
        outputs: dict[str, Any] = {}
        if having:
            with self.ManagedSessionMaker() as session:
                inputs = dict(zip(having, self._get_run_inputs(run_uuids=having, session=session), strict=True))
                outputs = self._get_model_outputs_bulk(run_ids=having, session=session)
        return [
            Run(*run_of(row), RunInputs(dataset_inputs=inputs.get(row[0], [])), RunOutputs(outputs.get(row[0], [])))
            for row in rows
        ]

    @or_stock
    def _search_experiments(
        self, view_type: Any, max_results: Any, filter_string: Any, order_by: Any, page_token: Any
    ) -> Any:
        usual_experiments()
        self._validate_max_results_param(max_results)
        offset = SearchUtils.parse_start_offset_from_page_token(page_token)
        stages = tuple(LifecycleStage.view_type_to_stages(view_type))
        order = tuple(order_by or ())
        text, values = _kept(_experiments, self.connections.dialect, filter_string or "", order, stages)
        rows = self.connections.all(text, {**values, "skipped": offset, "most": max_results + 1})
        token = SearchExperimentsUtils.create_page_token(offset + max_results) if len(rows) > max_results else None
        return [experiment_of(row) for row in rows[:max_results]], token


def _kept(made: Any, dialect: Any, filter_string: str, order: tuple[str, ...], *more: Any) -> Any:
    long = len(filter_string) + sum(map(len, order)) > _LONGEST
    return (made.__wrapped__ if long else made)(dialect, filter_string, order, *more)


@functools.lru_cache(_KEPT)
def _runs(
    dialect: Any, filter_string: str, order: tuple[str, ...], stages: tuple[str, ...], one: bool
) -> tuple[str, dict[str, Any]]:
    session = Session()  # only makes clauses
    columns, ordered, joined_for_order = stock._get_orderby_clauses(list(order), session)
    parsed = SearchUtils.parse_search_filter(filter_string or None)
    attributes, joined, datasets = stock._get_sqlalchemy_filter_clauses(parsed, session, dialect.name)
    if datasets:
        raise Unusual
    found = select(*SqlRun.__table__.columns, *columns).select_from(SqlRun)
    for clause in joined:
        found = found.join(clause)
    for clause in joined_for_order:
        found = found.outerjoin(clause)
    ids = bindparam("ids", required=False, type_=Integer() if one else ARRAY(Integer))
    within = SqlRun.experiment_id == (ids if one else any_(ids))
    return _text(statements.search_runs, dialect, found.where(within, *attributes), SqlRun, stages, ordered)


@functools.lru_cache(_KEPT)
def _experiments(
    dialect: Any, filter_string: str, order: tuple[str, ...], stages: tuple[str, ...]
) -> tuple[str, dict[str, Any]]:
    parsed = SearchExperimentsUtils.parse_search_filter(filter_string or None)
    attributes, joined = stock._get_search_experiments_filter_clauses(parsed, dialect.name)
    ordered = stock._get_search_experiments_order_by_clauses(list(order))
    found = select(*SqlExperiment.__table__.columns).select_from(SqlExperiment)
    for clause in joined:
        found = found.join(clause)
    return _text(statements.search_experiments, dialect, found.where(*attributes), SqlExperiment, stages, ordered)


def _text(
    around: Any, dialect: Any, found: Any, model: Any, stages: tuple[str, ...], ordered: Any
) -> tuple[str, dict[str, Any]]:
    stage = model.lifecycle_stage == stages[0] if len(stages) == 1 else model.lifecycle_stage.in_(stages)
    skipped, most = (bindparam(name, required=False, type_=Integer()) for name in ("skipped", "most"))
    found = found.where(stage).order_by(*ordered).offset(skipped).limit(most)
    compiled = found.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    values = {name: value for name, value in compiled.params.items() if name not in ("ids", "skipped", "most")}
    return around(str(compiled)), values
