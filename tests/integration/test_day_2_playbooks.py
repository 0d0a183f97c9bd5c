"""The playbooks health and status, a change and a kill, on a deployment that runs."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from support.host.deployment import Deployment
from support.host.kill import kill_and_recover
from support.ports import listeners


@pytest.fixture
def artifacts_replaced_by_a_file(laptop: Deployment) -> Iterator[None]:
    folder, kept = laptop.data / "artifacts", laptop.data / "kept"
    folder.rename(kept)
    folder.write_text("a file where the folder was")
    try:
        yield
    finally:
        folder.unlink()
        kept.rename(folder)


@pytest.mark.heart
def test_health_changes_nothing_and_says_that_all_is_well(laptop: Deployment) -> None:
    result = laptop.play("health", mlflow_health_level="full").succeeded()
    assert result.stats["changed"] == 0
    assert "healthy at level full" in result.of("Report the verdict")["msg"]
    assert result.stats["skipped"] == 0


@pytest.mark.heart
@pytest.mark.usefixtures("artifacts_replaced_by_a_file")
def test_health_fails_with_the_reason(laptop: Deployment) -> None:
    result = laptop.play("health")
    assert result.code != 0
    assert result.message.startswith("unhealthy at level deep: artifacts: ")


@pytest.mark.heart
def test_status_tells_what_runs(laptop: Deployment) -> None:
    said = str(laptop.play("status").succeeded().of("Show the status")["msg"])
    for words in (laptop.url, "healthy at level ready", f"pid {laptop.group}", "sqlite:///", "Experiments  1"):
        assert words in said


@pytest.mark.ci
def test_status_of_a_stopped_server_does_not_fail(laptop: Deployment) -> None:
    laptop.supervisorctl("stop", "all")
    try:
        assert listeners(laptop.port) == set()
        said = str(laptop.play("status").succeeded().of("Show the status")["msg"])
        assert "Nothing accepts connections" in said and "STOPPED" in said
    finally:
        laptop.supervisorctl("start", "all")
    laptop.wait_until_healthy()


@pytest.mark.heart
def test_restart_ends_in_another_healthy_server_on_the_same_port(laptop: Deployment) -> None:
    before = laptop.group
    assert laptop.play("restart").succeeded().stats["changed"] == 1
    assert laptop.group != before
    assert listeners(laptop.port) == {laptop.group}


@pytest.mark.ci
def test_restart_of_what_was_never_started_says_so(laptop: Deployment) -> None:
    result = laptop.play("restart", mlflow_server_dir=str(laptop.data / "elsewhere"))
    assert result.code != 0
    assert "deploy it, which also starts it" in result.message


@pytest.mark.heart
def test_no_row_of_the_deployments_smoke_run_stays(laptop: Deployment) -> None:
    with contextlib.closing(sqlite3.connect(laptop.data / "database" / "mlflow.db")) as database:
        for table in ("experiments", "registered_models"):
            assert database.execute(f"SELECT name FROM {table} WHERE name LIKE 'mlops-smoke-%'").fetchall() == []
        of_none = "SELECT count(*) FROM metrics WHERE run_uuid NOT IN (SELECT run_uuid FROM runs WHERE name <> 'smoke')"
        assert database.execute(of_none).fetchone() == (0,)


@pytest.mark.heart
def test_light_survives_the_kill_of_its_process(laptop: Deployment, record_property: Any) -> None:
    assert listeners(laptop.port) == {laptop.group}, "light is one process"
    before = laptop.group
    kill_and_recover(laptop, before, record_property, "light_server", {})
    assert laptop.group != before
