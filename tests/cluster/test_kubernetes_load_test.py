"""The playbook load_test in a cluster: Locust's master and workers as Jobs, the verdict, and that nothing is left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.kubernetes.deployment import Deployment
from support.kubernetes.kubectl import name

pytestmark = pytest.mark.cluster

SMALL = {"locust_users": 4, "locust_run_time": 15, "locust_workers": 2, "locust_weights": {"artifact_32m": 0}}
ACTIVE = "SELECT count(*) FROM experiments WHERE lifecycle_stage = 'active'"


@pytest.fixture(scope="module")
def loaded(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    deployment = make(
        "t-load",
        mlflow_server_replicas=1,
        mlflow_server_max_replicas=1,
        mlflow_server_auth="basic",
        mlflow_load_test_allowed=True,
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def left_by_load(deployment: Deployment) -> list[str]:
    listed = deployment.kubectl.items("job,service,configmap,pod", "--ignore-not-found")
    return [name(item) for item in listed if "-load-" in name(item)]


def test_a_load_test_in_the_cluster_passes_and_leaves_nothing(loaded: Deployment, tmp_path: Path) -> None:
    before = loaded.sql(ACTIVE)
    played = loaded.play("load_test", **SMALL, locust_report_dir=str(tmp_path)).succeeded()
    assert "The load test passed: 1 objective held" in played.of("Report the verdict")["msg"]
    assert " users " in played.output  # the progress was shown
    report = json.loads((tmp_path / "result.json").read_text())
    assert report["client"]["processes"] == 2
    assert report["total"]["requests"] > 20 and report["total"]["failures"] == 0
    assert {one["name"]: one["measured"] for one in report["servers"]} == {"servers": True, "database": True}
    assert report["servers"][0]["cpu_seconds"] > 0 and report["servers"][0]["database_connections_peak"] >= 1
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert left_by_load(loaded) == []
    assert loaded.sql(ACTIVE) == before
    assert loaded.sql("SELECT count(*) FROM trace_info") == "0"
    for secret in loaded.secrets().values():
        assert secret not in played.output


def test_an_impossible_objective_fails_the_play_and_still_everything_is_removed(
    loaded: Deployment, tmp_path: Path
) -> None:
    slos = {"log_metric": {"p95_ms": 0.001}}
    played = loaded.play("load_test", **SMALL, locust_report_dir=str(tmp_path), locust_slos=slos)
    assert played.code != 0 and played.message.startswith("The load test failed: log_metric:")
    assert left_by_load(loaded) == []


def test_what_cannot_work_is_refused_before_an_object_exists(loaded: Deployment, tmp_path: Path) -> None:
    unknown = loaded.play("load_test", **SMALL, locust_slos={"fly": {"p95_ms": 1}}, locust_report_dir=str(tmp_path))
    assert unknown.code != 0 and "the operation 'fly', which does not exist" in unknown.output
    refused = loaded.play("load_test", **SMALL, mlflow_load_test_allowed=False)
    assert "set mlflow_load_test_allowed: true in its inventory" in refused.message
    assert left_by_load(loaded) == []


def test_an_image_that_does_not_exist_is_named(loaded: Deployment, tmp_path: Path) -> None:
    image = "mlops-test.local/nothing:here"
    played = loaded.play("load_test", **SMALL, locust_image=image, locust_report_dir=str(tmp_path))
    assert played.code != 0 and image in played.message
    assert left_by_load(loaded) == []


def test_check_mode_says_what_would_run_and_starts_nothing(loaded: Deployment, tmp_path: Path) -> None:
    played = loaded.play("load_test", "--check", **SMALL, locust_report_dir=str(tmp_path)).succeeded()
    assert "Would load" in played.of("Report what would be run, in check mode")["msg"]
    assert left_by_load(loaded) == [] and list(tmp_path.iterdir()) == []
