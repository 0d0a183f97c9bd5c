"""The playbook load_test on compose: Locust's master and workers beside the servers, the verdict, and what is left."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.compose.deployment import Deployment
from support.compose.engine import docker, everything, inspect
from support.kubernetes.kubectl import eventually

pytestmark = pytest.mark.compose

SMALL = {"locust_users": 4, "locust_run_time": 15, "locust_workers": 2, "locust_weights": {"artifact_32m": 0}}
ACTIVE = "SELECT count(*) FROM experiments WHERE lifecycle_stage = 'active'"
RUNNING = (
    "ps",
    "--quiet",
    "--filter=label=mlops.mlflow.deployment=t-load",
    "--filter=label=mlops.mlflow.component=load",
)
REPORTS = {"result.json", "junit.xml", "report.html"}


@pytest.fixture(scope="module")
def loaded(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    deployment = make(
        "compose_multi_az",
        "t-load",
        mlflow_server_port=5012,
        mlflow_server_auth="basic",
        mlflow_load_test_allowed=True,
        **SMALL,
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


@pytest.fixture(autouse=True)
def nothing_left(loaded: Deployment) -> Iterator[None]:
    """Whatever becomes of a load test: no container, volume or file of it stays."""
    before, files = everything(loaded.name), set(loaded.folder.rglob("*"))
    yield
    assert everything(loaded.name) == before
    assert set(loaded.folder.rglob("*")) == files


def test_a_load_test_beside_the_servers_passes_and_leaves_nothing(loaded: Deployment, tmp_path: Path) -> None:
    before = loaded.sql(ACTIVE)
    played = loaded.play("load_test", "--diff", locust_report_dir=str(tmp_path)).succeeded()
    assert "The load test passed: 1 objective held" in played.of("Report the verdict")["msg"]
    assert str(tmp_path / "report.html") in played.of("Report the verdict")["msg"]
    assert " users " in played.output  # the progress was shown
    assert {path.name for path in tmp_path.iterdir()} == REPORTS
    report = json.loads((tmp_path / "result.json").read_text())
    assert report["targets"][0]["url"] == "http://t-load-load-balancer:5000"
    assert report["client"]["processes"] == 2
    assert report["total"]["requests"] > 20 and report["total"]["failures"] == 0
    assert {one["name"]: one["measured"] for one in report["servers"]} == dict.fromkeys(loaded.servers(), True)
    for server in report["servers"]:
        assert server["cpu_seconds"] > 0 and server["database_connections_peak"] >= 1
    assert loaded.sql(ACTIVE) == before
    assert loaded.sql("SELECT count(*) FROM trace_info") == "0"
    for secret in (loaded.folder / "secrets").iterdir():
        assert secret.read_text() not in played.output


def test_an_objective_that_does_not_hold_fails_the_play_with_its_name(loaded: Deployment, tmp_path: Path) -> None:
    slos = {"log_metric": {"p95_ms": 0.001}}
    played = loaded.play("load_test", locust_report_dir=str(tmp_path), locust_slos=slos)
    assert played.code != 0 and played.message.startswith("The load test failed: log_metric:")
    assert {path.name for path in tmp_path.iterdir()} == REPORTS


def test_check_mode_says_what_would_run_and_starts_nothing(loaded: Deployment, tmp_path: Path) -> None:
    played = loaded.play("load_test", "--check", locust_report_dir=str(tmp_path)).succeeded()
    said = played.of("Report what would be run, in check mode")["msg"]
    assert said == "Would load http://t-load-load-balancer:5000 with 4 users for 15 s from 2 workers."
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_work_is_refused_before_a_container_exists(loaded: Deployment, tmp_path: Path) -> None:
    report = {"locust_report_dir": str(tmp_path)}
    unknown = loaded.play("load_test", locust_slos={"fly": {"p95_ms": 1}}, **report)
    assert unknown.code != 0 and "the operation 'fly', which does not exist" in unknown.output
    refused = loaded.play("load_test", mlflow_load_test_allowed=False, **report)
    assert "set mlflow_load_test_allowed: true in its inventory" in refused.message
    image = "mlops-test.local/nothing:here"
    missing = loaded.play("load_test", locust_image=image, **report)
    assert missing.code != 0 and image in missing.message and "locust_image" in missing.message


def test_a_locust_that_dies_fails_the_play_with_the_reason(loaded: Deployment, tmp_path: Path) -> None:
    """With 16 MiB it does not even come up."""
    tiny = {"limits": {"cpu": "1", "memory": "16Mi"}}
    played = loaded.play("load_test", locust_master_resources=tiny, locust_report_dir=str(tmp_path))
    assert played.code != 0 and "Locust's master ended without a result" in played.output
    assert "out of memory" in played.output


def test_what_a_killed_play_left_is_refused_while_it_runs_and_replaced_afterwards(
    loaded: Deployment, tmp_path: Path
) -> None:
    master = "t-load-load-master"
    report = {"locust_report_dir": str(tmp_path)}
    killed = loaded.begin("load_test", **report)
    try:
        # Without one of its workers the master would wait for it, five minutes.
        eventually("all of Locust runs", lambda: len(docker(*RUNNING).split()) == 3, 60)
    finally:
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
    refused = loaded.play("load_test", **report)
    assert "A load test of t-load is running: wait for its end, or stop it with docker stop" in refused.message
    assert inspect(master)["State"]["Status"] == "running"
    eventually("it has ended", lambda: inspect(master)["State"]["Status"] == "exited", 60)
    again = loaded.play("load_test", **report).succeeded()
    assert "The load test passed" in again.of("Report the verdict")["msg"]
