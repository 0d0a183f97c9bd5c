"""Every query of every panel, in a real Prometheus over a week of made-up metrics; and the pictures in the docs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.alerts.rendering import rules_file
from support import dashboards, metrics_history
from support.processes import until
from support.prometheus import PATIENCE, ask, ask_over, backfill, prometheus

pytestmark = pytest.mark.ci

Shown = Callable[..., list[dict[str, Any]]]
QUERIES = [query for name in dashboards.NAMES for query in dashboards.queries(name)]


@pytest.fixture(scope="module")
def end() -> int:
    return int(time.time())


@pytest.fixture(scope="module")
def url(end: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    backfill(folder, metrics_history.page(end))
    # What rules record comes after that end, when a busy machine may have taken minutes for a start.
    with prometheus(folder, rules_file({}), interval="5s", lookback="1h") as one:
        until(lambda: ask(one, "deployment:mlflow_missed:ratio_3d"), "no rule was evaluated", PATIENCE)
        yield one


@pytest.fixture
def shown(url: str, end: int) -> Shown:
    """What a panel shows at the end of the week; of what is recorded, what it shows now."""
    return lambda query, *chosen: ask(
        url, query.asked(*chosen), **({} if "deployment:" in query.expression else {"time": str(end)})
    )


def values(samples: list[dict[str, Any]]) -> list[float]:
    return [float(sample["value"][1]) for sample in samples]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.dashboard}: {query.panel}, {query.legend}")
def test_a_panel_shows_something(query: dashboards.Query, shown: Shown) -> None:
    found = shown(query)
    assert found and all(math.isfinite(value) for value in values(found)), query.asked()
    # A legend has no placeholder that a series lacks.
    for label in [part.partition("}}")[0] for part in query.legend.split("{{")[1:]]:
        assert all(sample["metric"].get(label) for sample in found), label


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.dashboard}: {query.panel}, {query.legend}")
def test_a_panel_shows_one_deployment_where_one_was_chosen(query: dashboards.Query, shown: Shown) -> None:
    found = shown(query, "team", "mlflow")
    assert {sample["metric"].get("deployment", "mlflow") for sample in found} == {"mlflow"}


@pytest.mark.parametrize(
    ("dashboard", "panel", "most"),
    [
        ("server", "Requests that failed", 0.006),
        ("server", "Time of requests", 1.0),
        ("database", "Connections in use", 0.5),
        ("backups", "Age of the newest snapshot", 86400),
    ],
)
def test_shares_and_ages_are_of_the_size_that_was_made_up(
    dashboard: str, panel: str, most: float, shown: Shown
) -> None:
    queries = [query for query in QUERIES if (query.dashboard, query.panel) == (dashboard, panel)]
    assert queries
    for query in queries:
        assert all(0 < value <= most for value in values(shown(query)))


def test_deployments_and_their_sum_are_those_that_were_made_up(shown: Shown) -> None:
    (query,) = [query for query in QUERIES if (query.dashboard, query.panel) == ("fleet", "Deployments")]
    assert values(shown(query)) == [2]
    runs = next(query for query in QUERIES if (query.dashboard, query.panel) == ("usage", "Runs"))
    found = {sample["metric"]["deployment"]: float(sample["value"][1]) for sample in shown(runs)}
    assert found["mlflow"] == pytest.approx(20000, rel=0.02) and found["laptop"] == pytest.approx(4000, rel=0.02)


@pytest.mark.parametrize("name", dashboards.NAMES)
def test_the_picture_in_the_docs_is_drawn_by_the_same_queries(
    name: str, end: int, url: str, pytestconfig: pytest.Config
) -> None:
    drawn = dashboards.picture(name, lambda query: ask_over(url, query, end - 6 * 3600, end, 300))
    assert dashboards.written(name, drawn, pytestconfig.getoption("update_golden")), (
        "pytest tests/integration/test_dashboards.py --update-golden"
    )
