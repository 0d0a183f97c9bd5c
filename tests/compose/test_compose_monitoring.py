"""The exporter under compose, with a login and backups in a volume: on loopback of the host, for a Prometheus there."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import exporter
from support.compose.deployment import Deployment
from support.compose.engine import docker, inspect

pytestmark = pytest.mark.compose

URL = "http://127.0.0.1:9510/metrics"
RULES = {"groups": [{"name": "mlflow", "rules": [{"alert": "Down", "expr": "mlflow_ops_check_up == 0"}]}]}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prometheus")
    for name in ("targets", "rules"):
        (folder / name).mkdir()
    return folder


@pytest.fixture(scope="module")
def monitored(make: Callable[..., Deployment], prometheus: Path) -> Iterator[Deployment]:
    deployment = make(
        "compose_local",
        "t-monitoring",
        mlflow_server_port=5011,
        mlflow_server_auth="basic",
        mlflow_backup_enabled=True,
        mlflow_backup_scheduler="none",
        mlflow_monitoring_enabled=True,
        mlflow_monitoring_port=9510,
        mlflow_monitoring_interval=5,
        mlflow_monitoring_prometheus_dir=str(prometheus),
        mlflow_monitoring_rules=RULES,
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def test_every_part_is_measured_from_where_the_servers_are(monitored: Deployment) -> None:
    parts = ("health", "database", "counts", "schema", "lock", "artifacts", "snapshots", "drill", "disks")
    values = exporter.until(lambda: exporter.scrape(URL), exporter.measured(*parts))
    assert exporter.unmeasured(values) == set()
    assert {value for (name, _labels), value in values.items() if name == "check_up"} == {1}
    assert values["users", ()] >= 1 and values["artifact_store_up", ()] == 1
    assert values["disk_free_bytes", ("artifacts",)] > 0
    assert values["snapshot_timestamp_seconds", ()] == 0, "there is none yet"


def test_a_second_run_changes_nothing(monitored: Deployment) -> None:
    assert monitored.deploy().succeeded().stats.get("changed", 0) == 0


def test_a_snapshot_and_a_drill_are_seen(monitored: Deployment) -> None:
    monitored.play("backup").succeeded()
    monitored.play("drill").succeeded()
    docker("restart", "t-monitoring-exporter")  # snapshots are looked at every five minutes only
    values = exporter.until(lambda: exporter.scrape(URL), exporter.measured("snapshots", "drill"))
    assert values["snapshot_success", ()] == values["drill_success", ()] == 1
    assert values["snapshot_timestamp_seconds", ()] <= values["drill_timestamp_seconds", ()]


def test_it_is_on_loopback_alone_and_shows_no_secret(monitored: Deployment) -> None:
    [found] = [one for one in docker("ps", "--format={{.Names}}").split() if one.endswith("exporter")]
    seen = inspect(found)
    assert {bound["HostIp"] for bound in seen["NetworkSettings"]["Ports"]["9500/tcp"]} == {"127.0.0.1"}
    password = (monitored.folder / "secrets" / "admin-password").read_text().strip()
    assert password not in json.dumps(seen) and password not in docker("logs", found)


def test_prometheus_on_the_host_is_told_and_removal_takes_that_away(monitored: Deployment, prometheus: Path) -> None:
    [target] = json.loads((prometheus / "targets/t-monitoring-monitoring.json").read_text())
    assert target == {"targets": ["127.0.0.1:9510"], "labels": {"deployment": "t-monitoring", "job": "mlflow-ops"}}
    assert "alert: Down" in (prometheus / "rules/t-monitoring-monitoring.yml").read_text()
    monitored.destroy().succeeded()
    assert [path for path in prometheus.rglob("*") if path.is_file()] == []
    assert not [one for one in docker("ps", "--all", "--format={{.Names}}").split() if one.endswith("exporter")]


def test_a_port_that_another_program_holds_is_noticed_before_anything_is_made(monitored: Deployment) -> None:
    with socket.create_server(("127.0.0.1", 9510)):
        refused = monitored.deploy()
    assert refused.code != 0
    assert "Port 9510 on 127.0.0.1 cannot be used by the exporter" in refused.message
    assert "set mlflow_monitoring_port to one that is free" in refused.message
    assert not [one for one in docker("ps", "--all", "--format={{.Names}}").split() if one.startswith("t-monitoring")]
