"""The modules, run by Ansible against a real server: what they return, in check mode too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.http import Client
from support.databases import Databases
from support.playbooks import PlayResult, run_module, run_play
from support.ports import free_port
from support.postgresql import PostgreSQL
from support.servers import API, RunningServer, create_run

pytestmark = pytest.mark.heart

READY = ["process", "version", "capabilities", "database_read"]
DEEP = [*READY, "database_write", "artifacts", "web_page"]


def run_tasks(module: str, tasks: dict[str, dict[str, Any]], *options: str) -> PlayResult:
    """Several tasks in one run of Ansible; each goes on after a failure."""
    return run_play(
        [
            {"name": name, f"mlops.mlflow.{module}": arguments, "ignore_errors": True, "register": "result"}
            for name, arguments in tasks.items()
        ],
        *options,
    )


def names(result: dict[str, Any]) -> list[str]:
    return [check["name"] for check in result["checks"]]


@pytest.fixture(scope="module")
def health_run(light_server: RunningServer) -> PlayResult:
    url = light_server.url
    return run_tasks(
        "mlflow_health",
        {
            "default": {"url": url},
            "live": {"url": url, "level": "live"},
            "deep": {"url": url, "level": "deep"},
            "full without a database": {"url": url, "level": "full"},
            "wrong version": {"url": url, "version": "1.0"},
            "wrong version, reported": {"url": url, "version": "1.0", "fail_when_unhealthy": False},
            "unknown level": {"url": url, "level": "deepest"},
            "two kinds of credentials": {"url": url, "token": "t-o-k-e-n", "username": "admin"},
        },
    )


def test_health_climbs_to_the_level_that_was_asked_for(health_run: PlayResult) -> None:
    assert names(health_run.of("default")) == READY
    assert names(health_run.of("live")) == ["process"]
    assert names(health_run.of("deep")) == DEEP
    deep = health_run.of("deep")
    assert deep["healthy"] is True and deep["changed"] is False
    assert all(check["ok"] and check["seconds"] > 0 and check["message"] for check in deep["checks"])


def test_a_check_that_could_not_be_tried_is_named_and_the_task_does_not_count_as_skipped(
    health_run: PlayResult,
) -> None:
    result = health_run.of("full without a database")
    assert result["not_tried"] == [{"name": "schema", "reason": "no database_uri was given"}]
    assert names(result) == [*DEEP, "foreign_host"]
    assert health_run.stats["skipped"] == 0


def test_an_unhealthy_server_fails_the_task_unless_it_is_only_to_be_reported(health_run: PlayResult) -> None:
    failed, reported = health_run.of("wrong version"), health_run.of("wrong version, reported")
    assert failed["failed"] is True
    assert failed["msg"].startswith("MLflow at http://127.0.0.1:") and "not 1.0" in failed["msg"]
    assert reported.get("failed", False) is False
    assert reported["healthy"] is False and "not 1.0" in reported["verdict"]
    assert names(failed) == names(reported) == READY


def test_bad_options_are_refused(health_run: PlayResult) -> None:
    assert "live, ready, deep, full" in health_run.of("unknown level")["msg"]
    assert "mutually exclusive" in health_run.of("two kinds of credentials")["msg"]
    assert "t-o-k-e-n" not in health_run.output


def test_in_check_mode_health_writes_nothing(light_server: RunningServer) -> None:
    result = run_module("mlflow_health", {"url": light_server.url, "level": "full"}, "--check")
    assert result["level"] == "ready"
    assert names(result) == READY


def test_waiting_ends_with_the_reason_when_nothing_ever_answers() -> None:
    port = free_port()
    arguments = {"url": f"http://127.0.0.1:{port}", "wait": True, "wait_timeout": 1.5, "wait_sleep": 0.2, "timeout": 1}
    result = run_module("mlflow_health", arguments)
    assert result["failed"] is True
    assert f"Nothing accepts connections on 127.0.0.1:{port}" in result["msg"]


def test_waiting_ends_as_soon_as_the_server_is_ready(databases: Databases, light_server: RunningServer) -> None:
    light_server.stop()
    light_server.begin()
    result = run_module("mlflow_health", {"url": light_server.url, "wait": True, "wait_timeout": 3600})
    assert result["healthy"] is True, result


def test_info_tells_what_the_server_is_and_holds(light_server: RunningServer, postgresql: PostgreSQL) -> None:
    client = Client(light_server.server())
    for _turn in range(3):
        create_run(client)
    client.post(f"{API}/registered-models/create", {"name": "info"})
    client.close()
    rows = postgresql.row_counts("light")
    run = run_tasks(
        "mlflow_info",
        {
            "all": {"url": light_server.url},
            "at most two": {"url": light_server.url, "count_limit": 2},
            "no counts": {"url": light_server.url, "count_limit": 0},
        },
        "--check",  # an info module does in check mode what it does otherwise
    )
    found = run.of("all")
    with postgresql.superuser("light") as connection:
        active = connection.execute("SELECT count(*) FROM runs WHERE lifecycle_stage = 'active'").fetchone()
    assert active and found["runs"] == {"count": active[0], "exact": True}
    assert found["registered_models"] == {"count": rows["registered_models"], "exact": True}
    assert found["experiments"]["count"] >= 1
    assert found["capabilities"]["store_type"] == "SqlStore"
    assert (found["auth"], found["changed"]) == ("none", False)
    assert run.of("at most two")["runs"] == {"count": 2, "exact": False}
    assert "runs" not in run.of("no counts")
    assert postgresql.row_counts("light") == rows


def test_info_names_a_server_that_does_not_answer() -> None:
    port = free_port()
    result = run_module("mlflow_info", {"url": f"http://127.0.0.1:{port}"})
    assert f"127.0.0.1:{port}" in result["msg"] and result["failed"] is True


def test_the_smoke_test_proves_the_server_and_cleans_up(
    light_server: RunningServer, databases: Databases, postgresql: PostgreSQL
) -> None:
    def kept() -> tuple[int, int, list[Path]]:
        with postgresql.superuser("light") as connection:
            active = "SELECT count(*) FROM {} WHERE lifecycle_stage = 'active'"
            counts = [connection.execute(active.format(table)).fetchone() for table in ("experiments", "runs")]
        files = [path for path in light_server.artifacts.rglob("*") if path.is_file()]
        return counts[0][0], counts[1][0], files

    before = kept()
    dry = run_module("mlflow_smoke_test", {"url": light_server.url}, "--check", interpreter=databases.interpreter)
    assert dry["steps"] == []
    result = run_module("mlflow_smoke_test", {"url": light_server.url}, interpreter=databases.interpreter)
    assert [step["name"] for step in result["steps"]] == [
        "experiment", "run", "log_batch", "trace", "artifact", "registry", "search", "clean_up",
    ]  # fmt: skip
    assert result["changed"] is False
    assert kept() == before


def test_the_smoke_test_says_which_interpreter_it_needs(light_server: RunningServer) -> None:
    result = run_module("mlflow_smoke_test", {"url": light_server.url})
    assert result["failed"] is True
    assert "mlflow is needed" in result["msg"] and "ansible_python_interpreter" in result["msg"]
