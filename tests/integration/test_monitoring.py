"""The exporter of a host under supervisor: deployed, told again, changed and removed, as the playbooks do it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support import exporter
from support.environments import Environments
from support.host.deployment import Deployment
from support.playbooks import PlayResult
from support.ports import free_port

PARTS = exporter.measured(
    "health", "lock", "database", "counts", "schema", "artifacts", "disks", "snapshots", "drill"
)  # fmt: skip
RULES = {"groups": [{"name": "mlflow", "rules": [{"alert": "Down", "expr": "mlflow_ops_check_up == 0"}]}]}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prometheus")
    for name in ("targets", "rules"):
        (folder / name).mkdir()
    return folder


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def monitored(environments: Environments, prometheus: Path, port: int) -> Iterator[Deployment]:
    deployment = Deployment(
        environments,
        "light",
        mlflow_server_health_timeout="300",
        mlflow_backup_enabled="true",
        mlflow_backup_scheduler="none",
        mlflow_monitoring_enabled="true",
        mlflow_monitoring_port=str(port),
        mlflow_monitoring_interval="5",
        mlflow_monitoring_prometheus_dir=str(prometheus),
        mlflow_monitoring_rules=RULES,
    )
    try:
        yield deployment
    finally:
        deployment.remove()


def changed(result: PlayResult) -> list[str]:
    return [name for name, one in result.results if one.get("changed")]


def scraped(port: int) -> exporter.Values:
    return exporter.scrape(f"http://127.0.0.1:{port}/metrics")


def test_a_deploy_does_what_check_mode_announces(monitored: Deployment, prometheus: Path) -> None:
    announced = changed(monitored.deploy("--check").succeeded())
    assert not (monitored.data / "monitoring").exists() and not list(prometheus.rglob("*.json"))
    done = changed(monitored.deploy().succeeded())
    of_exporter = [name for name in done if "exporter" in name or "program" in name or "the rules" in name]
    assert of_exporter and set(of_exporter) <= set(announced)


def test_every_part_is_measured_and_a_second_run_changes_nothing(monitored: Deployment, port: int) -> None:
    values = exporter.until(lambda: scraped(port), PARTS)
    assert exporter.unmeasured(values) == set()
    assert {value for (name, _labels), value in values.items() if name == "check_up"} == {1}
    with closing(sqlite3.connect(monitored.data / "database" / "mlflow.db")) as connection:
        asked = "SELECT count(*) FROM experiments WHERE lifecycle_stage = 'active'"
        assert values["experiments", ()] == connection.execute(asked).fetchone()[0]
    assert changed(monitored.deploy().succeeded()) == []


def test_nobody_else_reads_what_it_is_told_and_no_secret_is_in_it(monitored: Deployment) -> None:
    file = monitored.data / "monitoring" / "monitoring.json"
    assert file.stat().st_mode & 0o137 == 0
    assert (monitored.data / "monitoring" / "mlflow-ops").stat().st_mode & 0o022 == 0


def test_prometheus_on_the_host_is_told(prometheus: Path, monitored: Deployment, port: int) -> None:
    [target] = json.loads((prometheus / "targets/mlflow-monitoring.json").read_text())
    assert target == {"targets": [f"127.0.0.1:{port}"], "labels": {"deployment": "mlflow", "job": "mlflow-ops"}}
    assert "alert: Down" in (prometheus / "rules/mlflow-monitoring.yml").read_text()


def test_another_setting_restarts_the_exporter_alone(monitored: Deployment, port: int) -> None:
    server, before = monitored.group, monitored.supervisorctl("pid", "mlflow-monitoring")
    monitored.variables["mlflow_monitoring_drill_days"] = "7"
    monitored.deploy().succeeded()
    values = exporter.until(lambda: scraped(port), PARTS)
    assert values["drill_expected_seconds", ()] == 7 * 86400
    assert monitored.supervisorctl("pid", "mlflow-monitoring") != before
    assert monitored.group == server


def test_a_restore_is_not_held_up_by_it(monitored: Deployment, port: int) -> None:
    monitored.play("backup").succeeded()
    monitored.play("restore", mlflow_restore=True).succeeded()
    exporter.until(lambda: scraped(port), lambda values: values.get(("check_up", ("process",))) == 1)


def test_a_folder_of_prometheus_that_is_not_there_is_said(monitored: Deployment, tmp_path: Path) -> None:
    refused = monitored.deploy(mlflow_monitoring_prometheus_dir=str(tmp_path / "absent"))
    assert refused.code and "docs/monitoring.md" in refused.message


def test_destroy_takes_it_away_with_all_that_was_written(monitored: Deployment, prometheus: Path, port: int) -> None:
    announced = changed(monitored.destroy("--check").succeeded())
    assert any("supervisor" in name for name in announced)
    scraped(port)
    monitored.destroy().succeeded()
    with pytest.raises(OSError):
        scraped(port)
    assert not (monitored.data / "monitoring").exists()
    assert [path for path in prometheus.rglob("*") if path.is_file()] == []
