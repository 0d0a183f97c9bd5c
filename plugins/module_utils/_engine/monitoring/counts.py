# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many of each thing there are, by statements whose cost has a limit: big tables are counted by a part of them."""

from __future__ import annotations

from collections.abc import Collection

from ..database.base import Ask, Database
from ..database.revisions import TRACKING
from .metrics import Sample

# Tables up to here are counted; of bigger ones about so many rows are read.
EXACT_ROWS = 200_000
STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
# By metric: the table, and which of its rows count.
_COUNTED = {
    "experiments": ("experiments", "lifecycle_stage = 'active'"),
    "registered_models": ("registered_models", "1 = 1"),
    # What MLflow calls a version that was deleted.
    "model_versions": ("model_versions", "coalesce(current_stage, '') <> 'Deleted_Internal'"),
    "traces": ("trace_info", "1 = 1"),
    "workspaces": ("workspaces", "1 = 1"),
}


def of_tracking(database: Database, seconds: float) -> list[Sample]:
    """Of everything but users.

    :param seconds: that one statement may take.
    """
    tables = database.contents(TRACKING[1]).tables
    with database.bounded(seconds) as ask:
        rows = database.estimates(ask)
        found = [
            Sample(metric, _count(database, ask, rows, table, meant))
            for metric, (table, meant) in _COUNTED.items()
            if table in tables
        ]
        return found + (_runs(database, ask, rows) if "runs" in tables else [])


def of_users(database: Database, seconds: float) -> list[Sample]:
    with database.bounded(seconds) as ask:
        return [Sample("users", _number(ask("SELECT count(*) FROM users")))]


def _count(database: Database, ask: Ask, rows: dict[str, int], table: str, meant: str) -> float:
    part, times = _part(database, table, rows)
    return times * _number(ask(f"SELECT count(*) FROM {part} WHERE {meant}"))  # noqa: S608


def _runs(database: Database, ask: Ask, rows: dict[str, int]) -> list[Sample]:
    part, times = _part(database, "runs", rows)
    found = ask(f"SELECT status, count(*) FROM {part} WHERE lifecycle_stage = 'active' GROUP BY status")  # noqa: S608
    counted = dict.fromkeys(STATUSES, 0.0)
    for status, count in found:
        # A client's word is no label of ours.
        name = status if status in counted else "OTHER"
        counted[name] = counted.get(name, 0.0) + times * count
    return [Sample("runs", round(count), (status,)) for status, count in counted.items()]


def _part(database: Database, table: str, rows: dict[str, int]) -> tuple[str, float]:
    """What is read of a table, and how many times as much there is of it."""
    known = rows.get(table, 0)
    if known <= EXACT_ROWS:
        return table, 1.0
    share = EXACT_ROWS / known
    return database.sample(table, 100 * share), 1 / share


def _number(rows: Collection[tuple[int, ...]]) -> float:
    [(count,)] = rows
    return float(count)
