"""Health says no where MLflow's own /health goes on saying 200."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.server import health
from support.databases import Databases
from support.environments import Environments
from support.playbooks import run_module
from support.postgresql import PostgreSQL
from support.servers import PATIENCE, RunningServer

pytestmark = pytest.mark.heart


@pytest.fixture(autouse=True)
def healthy_before_and_after(light_server: RunningServer) -> Iterator[None]:
    """No test may find a fault that it did not make, nor leave one behind."""
    before = light_server.check("deep")
    assert before.healthy, before.verdict
    yield
    after = health.wait(light_server.server(), health.Wanted("deep"), PATIENCE, 0.2)
    assert after.healthy, after.verdict


def failed(report: health.Report) -> dict[str, str]:
    return {check.name: check.message for check in report.checks if not check.ok}


def test_a_stopped_server_is_caught_and_waiting_ends_as_soon_as_it_is_back(light_server: RunningServer) -> None:
    light_server.stop()
    report = light_server.check()
    assert set(failed(report)) == {"process"}
    assert f"Nothing accepts connections on 127.0.0.1:{light_server.port}" in report.verdict

    light_server.begin()
    seen: list[health.Report] = []
    report = health.wait(light_server.server(), health.Wanted("deep"), PATIENCE, 0.1, seen.append)
    assert report.healthy, report.verdict
    assert seen, "the server was not awaited at all"
    assert not any(earlier.healthy for earlier in seen), "it went on waiting for a healthy server"


def test_a_frozen_server_is_caught(light_server: RunningServer) -> None:
    os.kill(light_server.pid, signal.SIGSTOP)
    try:
        report = light_server.check(timeout=1)
    finally:
        os.kill(light_server.pid, signal.SIGCONT)
    assert "frozen or overloaded" in failed(report)["process"]


def test_a_stopped_database_is_caught_while_plain_health_says_200(
    light_server: RunningServer, postgresql: PostgreSQL
) -> None:
    with postgresql.stopped():
        report = light_server.check("ready", timeout=60)
        assert set(failed(report)) == {"database_read"}
        assert light_server.plain_health() == 200
        assert light_server.check("live").healthy, "live asks no more than MLflow does"


def test_a_schema_that_is_behind_is_caught_while_plain_health_says_200(
    light_server: RunningServer, postgresql: PostgreSQL, databases: Databases
) -> None:
    arguments = {
        "url": light_server.url,
        "level": "full",
        "database_uri": light_server.database["uri"],
        "database_password_file": str(databases.server_password_file),
    }
    current = run_module("mlflow_health", arguments, interpreter=databases.interpreter)
    assert current["healthy"] and not current["not_tried"], current

    with postgresql.superuser("light") as connection:
        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")  # MLflow's first one
        try:
            behind = run_module("mlflow_health", arguments, interpreter=databases.interpreter)
            plain = light_server.plain_health()
        finally:
            connection.execute("UPDATE alembic_version SET version_num = %s", (revision,))
    assert [check["name"] for check in behind["checks"] if not check["ok"]] == ["schema"]
    assert behind["failed"] and "older (revision 451aebb31d03)" in behind["msg"]
    assert plain == 200


def test_an_unwritable_artifact_folder_is_caught_while_plain_health_says_200(light_server: RunningServer) -> None:
    kept = light_server.artifacts.rename(light_server.home / "kept")
    light_server.artifacts.write_text("a file where the folder was")
    try:
        report, plain = light_server.check(), light_server.plain_health()
    finally:
        light_server.artifacts.unlink()
        kept.rename(light_server.artifacts)
    assert set(failed(report)) == {"artifacts"}
    assert plain == 200


def test_a_wrong_version_is_caught_while_plain_health_says_200(light_server: RunningServer) -> None:
    report = light_server.check("ready", version="3.0.0")
    assert "not 3.0.0" in failed(report)["version"]
    assert light_server.check("ready", version=report.version).healthy
    assert light_server.plain_health() == 200


def test_an_accepted_foreign_host_is_caught_even_under_a_prefix_while_plain_health_says_200(
    environments: Environments, databases: Databases, run_server: Callable[..., RunningServer]
) -> None:
    connection = databases.connection(databases.copy("open"))
    server = run_server(environments.slim, "light", connection, allowed_hosts=["*"], static_prefix="/mlflow")
    assert server.url.endswith("/mlflow")
    report = server.check("full")
    assert set(failed(report)) == {"foreign_host"}
    assert "DNS rebinding" in report.verdict
    assert server.plain_health() == 200


def test_a_foreign_host_is_refused_by_a_server_as_launch_starts_it(light_server: RunningServer) -> None:
    checks = {check.name: check.ok for check in light_server.check("full").checks}
    assert checks["foreign_host"] is True


def test_a_deep_check_leaves_nothing_behind(light_server: RunningServer, postgresql: PostgreSQL) -> None:
    def files() -> list[str]:
        return sorted(str(path) for path in light_server.artifacts.rglob("*"))

    rows, artifacts = postgresql.row_counts("light"), files()
    assert rows["experiments"] >= 1
    for _turn in range(3):
        names = [check.name for check in light_server.check("deep").checks]
        assert {"database_write", "artifacts"} <= set(names)
    assert postgresql.row_counts("light") == rows
    assert files() == artifacts
