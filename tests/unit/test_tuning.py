"""What is done about a PostgreSQL and what is only said; with a real one: tests/integration/test_tune.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database import indexes, postgresql_advice
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.database.postgresql_inspect import (
    Index,
    Inspection,
    Table,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import reports
from support.playbooks import REPOSITORY

CALM = Table("metrics", 500_000, 60 << 20, 80 << 20, 0, 0, True, True, (), 0)
WHOLE = Index("metrics_pk", "metrics", True, 80 << 20, 9, 0)
QUIET = Inspection("public", 200 << 20, 1_000_000, 10_000, True, 1000, 0, [CALM], [WHOLE], [], {})


def done(found: Inspection, wanted: list[str] | None = None) -> list[tuple[str, str]]:
    return [(step.act, step.name) for step in postgresql_advice.work(found, wanted)[0]]


def with_table(**changes: Any) -> Inspection:
    return replace(QUIET, tables=[replace(CALM, **changes)])


def with_index(**changes: Any) -> Inspection:
    return replace(QUIET, indexes=[replace(WHOLE, **changes)])


def test_nothing_is_done_about_a_database_that_is_well() -> None:
    assert done(QUIET) == [] and postgresql_advice.findings(QUIET, {}) == []


@pytest.mark.parametrize(
    ("found", "act"),
    [
        (with_table(dead=200_000), ("vacuum", "metrics")),
        (with_table(modified=150_000), ("analyze", "metrics")),
        (with_table(analyzed=False, modified=1), ("analyze", "metrics")),
        (with_table(rows=1_000_000), ("autovacuum", "metrics")),
        (with_index(size=200 << 20, waste=150 << 20), ("reindex", "metrics_pk")),
        (with_index(name="mlops_runs_by_time", valid=False), ("drop", "mlops_runs_by_time")),
        (with_index(name="metrics_pk_ccnew", valid=False), ("drop", "metrics_pk_ccnew")),
    ],
)
def test_what_harms_nobody_is_done(found: Inspection, act: tuple[str, str]) -> None:
    assert done(found) == [act]


@pytest.mark.parametrize(
    "found",
    [
        with_table(dead=9_999, rows=100),
        with_table(dead=100_000),
        with_table(modified=9_999, rows=100),
        with_table(rows=2_000_000, options=[f"{name}={value}" for name, value in postgresql_advice.AUTOVACUUM.items()]),
        with_index(size=80 << 20, waste=60 << 20),
        with_index(size=1 << 30, waste=500 << 20),
        with_index(name="somebody_elses", valid=False),
    ],
    ids=["few", "small share", "few changes", "done before", "little waste", "half is no waste", "not ours"],
)
def test_and_no_more_than_that(found: Inspection) -> None:
    assert done(found) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (replace(QUIET, hit=900_000, read=200_000), "18 of 100 blocks came from the disk"),
        (replace(QUIET, autovacuum=False), "autovacuum is off"),
        (replace(QUIET, oldest=3 * 3600), "A transaction is open for 3.0 hours"),
        (replace(QUIET, frozen=1_500_000_000), "1,500,000,000 transactions old"),
        (with_table(size=300 << 20, waste=200 << 20), "VACUUM (FULL, ANALYZE) metrics;"),
        (replace(QUIET, statements=None), "CREATE EXTENSION pg_stat_statements"),
        (with_index(name="mlops_metrics_by_value", used=0), "Nothing has used the index metrics_by_value yet"),
    ],
)
def test_what_only_people_can_do_is_said(found: Inspection, said: str) -> None:
    [sentence] = postgresql_advice.findings(found, {})
    assert said in sentence


def test_indexes_are_built_once_and_those_that_nobody_names_are_removed() -> None:
    there = replace(QUIET, indexes=[replace(WHOLE, name="mlops_runs_by_time")])
    assert done(there) == [], "nobody named any"
    assert done(there, ["runs_by_time"]) == []
    assert done(there, ["runs_as_listed"]) == [("drop", "mlops_runs_by_time"), ("create", "mlops_runs_as_listed")]
    assert done(there, []) == [("drop", "mlops_runs_by_time")]
    cut_off = replace(QUIET, indexes=[replace(WHOLE, name="mlops_runs_by_time", valid=False)])
    assert done(cut_off, ["runs_by_time"]) == [("drop", "mlops_runs_by_time"), ("create", "mlops_runs_by_time")]


@pytest.mark.parametrize(
    ("rows", "counted", "refused"),
    [
        (49_999, None, "has 49,999 rows"),
        (50_000, None, ""),
        (500_000, (10, 100), ""),
        (500_000, (10, 1_000_000), "1,000,000 writes to latest_metrics would be dearer, and 10 searches would profit"),
        (500_000, (1000, 1_000_000), ""),
        (500_000, (0, 0), ""),
    ],
)
def test_what_costs_more_than_it_gives_is_refused(rows: int, counted: tuple[int, int] | None, refused: str) -> None:
    found = replace(
        QUIET,
        tables=[replace(CALM, name="latest_metrics", rows=rows)],
        counted={"metrics_by_value": counted} if counted else {},
    )
    steps, reasons = postgresql_advice.work(found, ["metrics_by_value"])
    assert bool(steps) is not bool(refused)
    assert refused in reasons.get("metrics_by_value", "")


def test_an_index_that_is_not_offered_is_named_with_those_that_are() -> None:
    with pytest.raises(BadInput, match=r"indexes has colour, which is not offered\. Offered: runs_by_time, "):
        indexes.check(["runs_by_time", "colour"])


def test_people_read_what_was_done_or_would_be() -> None:
    step = {
        "act": "vacuum",
        "name": "runs",
        "words": "clean and analyze runs",
        "why": "9 rows are dead",
        "seconds": 1.5,
    }
    result: dict[str, Any] = {
        "size": 3 << 30,
        "in_memory": 0.987,
        "tables": [{"name": "runs", "rows": 1234, "size": 1 << 20, "indexes": 0, "dead": 9, "waste": 0}],
        "indexes": [{"name": "runs_by_time", "state": "present", "size": 9 << 20, "used": 41}],
        "statements": [{"text": "SELECT 1", "calls": 20, "mean_milliseconds": 5.0, "total_seconds": 0.1}],
        "findings": ["autovacuum is off."],
        "work": [step],
    }
    done = reports.tune(result, {"check": False})
    assert "Did            clean and analyze runs: 9 rows are dead, 1.5 s" in done
    assert "Attention      autovacuum is off." in done
    assert any(line.startswith("runs_by_time") and "present" in line for line in done)
    assert "Would          clean and analyze runs: 9 rows are dead" in reports.tune(result, {"check": True})
    assert "There is nothing to do." in reports.tune({**result, "work": []}, {"check": True})


def test_the_role_offers_what_the_engine_does() -> None:
    """So does the module, by the engine itself; ansible-test compares that with its documentation."""
    specs = yaml.safe_load((REPOSITORY / "roles/mlflow_database/meta/argument_specs.yml").read_text())
    role = specs["argument_specs"]["main"]["options"]["mlflow_database_indexes"]
    assert role["choices"] == list(indexes.OFFERED)
