"""A deployment on a host with everything that the role writes for a Prometheus and a Grafana that are there already."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import dashboards
from support.environments import Environments
from support.host.deployment import Deployment
from support.ports import free_port
from support.processes import until
from support.prometheus import PATIENCE, api, ask, prometheus

pytestmark = pytest.mark.ci

OF_GRAFANA = {f"{name}.json" for name in dashboards.NAMES}


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Prometheus and Grafana read."""
    folder = tmp_path_factory.mktemp("read")
    for name in ("targets", "rules", "grafana"):
        (folder / name).mkdir()
    (folder / "grafana" / "of-others.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def monitored(environments: Environments, read: Path) -> Iterator[Deployment]:
    deployment = Deployment(
        environments,
        "light",
        mlflow_monitoring_enabled="true",
        mlflow_monitoring_port=str(free_port()),
        mlflow_monitoring_interval="5",
        mlflow_monitoring_prometheus_dir=str(read),
        mlflow_monitoring_grafana_dir=str(read / "grafana"),
        mlflow_monitoring_thresholds={"latency_seconds": "5"},
    )
    deployment.variables["mlflow_server_metrics_dir"] = str(deployment.data / "metrics")
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        with contextlib.suppress(FileNotFoundError):  # its removal is one of the tests
            deployment.supervisorctl("stop", "all")
        deployment.remove()


@pytest.fixture(scope="module")
def url(monitored: Deployment, read: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prometheus(tmp_path_factory.mktemp("prometheus"), read, interval="1s") as one:
        until(lambda: len(ask(one, "up == 1")) == 2, f"not both are scraped: {ask(one, 'up')}", PATIENCE)
        # The last that is recorded; a worker may run any of the tests below alone.
        until(lambda: ask(one, "deployment:mlflow_missed:ratio_3d"), "no rule was evaluated", PATIENCE)
        yield one


def test_prometheus_scrapes_the_exporter_and_the_server_under_the_names_that_alerts_read(url: str) -> None:
    found = {(one["metric"]["job"], one["metric"]["deployment"]) for one in ask(url, "up")}
    assert found == {("mlflow", "mlflow"), ("mlflow-ops", "mlflow")}
    assert ask(url, 'mlflow_ops_info{deployment="mlflow"}')
    assert ask(url, 'mlflow_http_request_total{deployment="mlflow"}')
    assert ask(url, 'mlflow_http_request_duration_seconds_bucket{deployment="mlflow"}')


def test_prometheus_has_the_rules_with_the_threshold_of_the_inventory(url: str) -> None:
    rules = [rule for group in api(url, "/api/v1/rules")["data"]["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    (slow,) = [rule for rule in rules if rule["name"] == "MlflowSlow"]
    assert "> 5 and" in slow["query"] and 'deployment="mlflow"' in slow["query"]


def test_a_deployment_that_is_well_fires_nothing(url: str) -> None:
    firing = {one["metric"]["alertname"] for one in ask(url, 'ALERTS{alertstate="firing"}')}
    # How full the disk of the machine is that tests run on, is its own business.
    assert firing - {"MlflowDiskNearlyFull"} == set()


def test_the_panels_of_the_server_answer(url: str) -> None:
    silent = []
    for query in dashboards.queries("server"):
        # A certificate it has none; and rates take some requests.
        if "certificate" in query.expression or "rate(" in query.expression:
            continue
        silent += [] if ask(url, query.asked()) else [query.panel]
    assert silent == []


def test_grafana_has_the_dashboards_beside_those_of_others(monitored: Deployment, read: Path) -> None:
    assert {file.name for file in (read / "grafana" / "mlflow").iterdir()} == OF_GRAFANA
    for file in (read / "grafana" / "mlflow").iterdir():
        assert json.loads(file.read_text()) == dashboards.read(file.stem)


def test_a_second_deploy_changes_nothing(monitored: Deployment) -> None:
    assert monitored.deploy().succeeded().stats["changed"] == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mlflow_monitoring_thresholds": {"latency_seconds": 60}}, "latency_seconds is 60"),
        ({"mlflow_monitoring_thresholds": {"latency": 2}}, "latency"),
        ({"mlflow_monitoring_grafana_dir": "/nowhere"}, "/nowhere is not there: make it"),
    ],
)
def test_what_cannot_be_is_said(monitored: Deployment, given: dict[str, Any], said: str) -> None:
    result = monitored.deploy(**given)
    assert result.code != 0 and said in result.message + json.dumps(result.failures)


def test_destroy_takes_away_what_was_written_and_nothing_of_others(monitored: Deployment, read: Path) -> None:
    monitored.destroy().succeeded()
    assert list((read / "targets").iterdir()) == list((read / "rules").iterdir()) == []
    assert [file.name for file in (read / "grafana").rglob("*.json")] == ["of-others.json"]
