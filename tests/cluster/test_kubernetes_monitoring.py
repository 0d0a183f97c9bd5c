"""The exporter in the cluster, over TLS inside and with a login: its values are held against the database; what
Prometheus is told without its operator, and what is left of that."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import exporter
from support.kubernetes.deployment import Deployment

pytestmark = pytest.mark.cluster

RULES = {
    "groups": [{"name": "mlflow", "rules": [{"alert": "Down", "expr": 'mlflow_ops_check_up{check="process"} == 0'}]}]
}
CHECKS = {
    *("process", "version", "capabilities", "database_read", "database_write", "artifacts", "web_page", "schema"),
    "foreign_host",
}


@pytest.fixture(scope="module")
def monitored(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    deployment = make(
        "t-monitoring",
        mlflow_monitoring_enabled=True,
        mlflow_monitoring_interval=5,
        mlflow_monitoring_prometheus_namespace="t-prometheus",
        mlflow_monitoring_rules=RULES,
        mlflow_tls_inside=True,
        mlflow_server_auth="basic",
        mlflow_server_replicas=1,
        mlflow_server_max_replicas=1,
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def pod(deployment: Deployment) -> dict[str, Any]:
    [found] = deployment.kubectl.pods("monitoring")
    return found


def scraped(deployment: Deployment) -> exporter.Values:
    """By the address of the pod, as Prometheus does it."""
    return exporter.scrape(f"http://{pod(deployment)['status']['podIP']}:9500/metrics")


def test_every_check_holds_over_tls_inside_with_a_login(monitored: Deployment) -> None:
    values = exporter.until(lambda: scraped(monitored), exporter.measured("health", "database", "counts", "schema"))
    assert {labels[0] for (metric, labels), value in values.items() if metric == "check_up" and value} == CHECKS
    assert exporter.unmeasured(values) == set()
    assert values["artifact_store_up", ()] == 1, "also in a bucket behind the deployment's own authority"
    assert values["users", ()] == float(monitored.sql("SELECT count(*) FROM users", "mlflow_auth"))
    offered = float(monitored.sql("SELECT current_setting('max_connections')::int - 3"))
    assert values["database_connections_budget", ()] == offered
    assert values["certificate_expiry_timestamp_seconds", ("server",)] > 0
    assert values["certificate_expiry_timestamp_seconds", ("authority",)] > 0


def test_counts_follow_the_database(monitored: Deployment) -> None:
    before = exporter.until(lambda: scraped(monitored), exporter.measured("counts"))["experiments", ()]
    columns = "name, lifecycle_stage, artifact_location, creation_time, last_update_time"
    monitored.sql(
        f"INSERT INTO experiments ({columns}) VALUES ('counted', 'active', 'mlflow-artifacts:/counted', 1, 1)"
    )
    exporter.until(lambda: scraped(monitored), lambda values: values.get(("experiments", ())) == before + 1)


def test_a_second_run_changes_nothing(monitored: Deployment) -> None:
    assert monitored.deploy().succeeded().stats["changed"] == 0


def test_the_pod_has_no_rights_and_no_secret_in_clear(monitored: Deployment) -> None:
    spec = pod(monitored)["spec"]
    assert spec["automountServiceAccountToken"] is False and spec["securityContext"]["runAsNonRoot"] is True
    secret = [value for value in monitored.secrets().values() if len(value) > 8]
    text = json.dumps(pod(monitored)) + monitored.kubectl("get", "configmaps", "--output=json")
    assert not [value for value in secret if value in text and "BEGIN CERTIFICATE" not in value]


def test_servers_that_are_away_are_down_and_come_back(monitored: Deployment) -> None:
    monitored.kubectl("scale", "deployment/mlflow", "--replicas=0")
    exporter.until(lambda: scraped(monitored), lambda values: values.get(("check_up", ("process",))) == 0)
    assert exporter.unmeasured(scraped(monitored)) == set(), "the database is read all the same"
    monitored.kubectl("scale", "deployment/mlflow", "--replicas=1")
    exporter.until(lambda: scraped(monitored), lambda values: values.get(("check_up", ("process",))) == 1)


def test_without_the_operator_prometheus_is_told_by_annotations_and_a_config_map(monitored: Deployment) -> None:
    assert pod(monitored)["metadata"]["annotations"]["prometheus.io/port"] == "9500"
    rules = monitored.kubectl.json("get", "configmap", "mlflow-monitoring-rules")["data"]["mlflow.yml"]
    assert "alert: Down" in rules


def test_the_operator_is_missed_where_it_is_asked_for(monitored: Deployment) -> None:
    asked = monitored.deploy(mlflow_monitoring_operator="true")
    assert asked.code and "install the operator of Prometheus" in asked.message


def test_removal_leaves_nothing_of_the_exporter(monitored: Deployment) -> None:
    monitored.destroy().succeeded()
    assert monitored.kubectl.pods("monitoring") == []
