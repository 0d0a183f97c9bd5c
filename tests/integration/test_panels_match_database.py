"""What panels show of a real server, by its exporter and a Prometheus, is what is in its database."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.alerts.rendering import rules_file
from integration.test_exporter import PARTS, Exporter, fill
from support import dashboards
from support.environments import Environments
from support.processes import until
from support.prometheus import PATIENCE, ask, prometheus
from support.servers import RunningServer

pytestmark = pytest.mark.ci

QUERIES = {(query.dashboard, query.panel): query for name in dashboards.NAMES for query in dashboards.queries(name)}
SCOPE = {"deployment": "mlflow"}
_RUNS = "SELECT count(*) FROM runs WHERE lifecycle_stage = 'active'"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data") / "mlflow.db"


@pytest.fixture(scope="module")
def url(
    environments: Environments,
    run_server: Callable[..., RunningServer],
    database: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The Prometheus, when it has scraped what was filled in."""
    server = run_server(environments.slim, "light", {"type": "sqlite", "uri": f"sqlite:///{database}"})
    fill(server)
    folder = tmp_path_factory.mktemp("prometheus")
    settings = {
        "server": {"url": server.url},
        "database": {"uri": f"sqlite:///{database}"},
        "artifacts": {"artifacts_uri": str(server.artifacts)},
        "disks": {"data": str(database.parent)},
    }
    with Exporter(environments.slim / "bin" / "python", folder, settings) as exporter:
        exporter.until(PARTS)
        where = [{"targets": [f"127.0.0.1:{exporter.port}"], "labels": SCOPE | {"job": "mlflow-ops"}}]
        with prometheus(folder, rules_file({}, SCOPE), where, interval="2s") as one:
            until(lambda: ask(one, "mlflow_ops_runs"), "nothing was scraped", PATIENCE)
            yield one


def shown(url: str, dashboard: str, panel: str) -> dict[str, float]:
    """What a panel shows, by the label of its legend."""
    query = QUERIES[dashboard, panel]
    label = query.legend.strip("{}")
    return {sample["metric"].get(label, ""): float(sample["value"][1]) for sample in ask(url, query.asked())}


def counted(database: Path, statement: str) -> int:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return int(connection.execute(statement).fetchone()[0])


@pytest.mark.parametrize(
    ("dashboard", "panel", "statement", "least"),
    [
        ("usage", "Experiments", "SELECT count(*) FROM experiments WHERE lifecycle_stage = 'active'", 2),
        ("usage", "Runs", _RUNS, 4),
        ("usage", "Traces", "SELECT count(*) FROM trace_info", 0),
        ("registry", "Registered models", "SELECT count(*) FROM registered_models", 1),
        (
            "registry",
            "Model versions",
            "SELECT count(*) FROM model_versions WHERE current_stage != 'Deleted_Internal'",
            2,
        ),
    ],
)
def test_a_count_is_that_of_the_database(
    dashboard: str, panel: str, statement: str, least: int, url: str, database: Path
) -> None:
    held = counted(database, statement)
    assert held >= least
    assert shown(url, dashboard, panel) == {"mlflow": held}


def test_runs_are_told_apart_by_their_status(url: str, database: Path) -> None:
    found = {name: number for name, number in shown(url, "usage", "Runs by status").items() if number}
    assert found == {
        status: counted(database, f"{_RUNS} AND status = '{status}'") for status in ("FINISHED", "FAILED", "RUNNING")
    }


def test_the_server_is_well_and_no_alert_of_a_fault_fires(url: str) -> None:
    assert shown(url, "server", "Checks that hold") == {"mlflow": 1}
    assert shown(url, "server", "Schema fits") == {"mlflow": 1}
    assert shown(url, "database", "Size")["mlflow"] > 100_000
    assert ask(url, 'ALERTS{alertstate="firing",severity="critical"}') == []
