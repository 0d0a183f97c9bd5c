"""Experiments and queries in containers alongside the servers: their results come back, and nothing of them is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import served_model
from support.compose.deployment import Deployment
from support.compose.engine import docker, everything
from support.kubernetes.kubectl import eventually
from support.testbed import registry

pytestmark = pytest.mark.compose

ALL = [
    {"name": "dummy", "src": "dummy.py", "parameters": {"learning-rate": 0.2}},
    {"name": "test", "src": "test.py"},
    {"name": "wine", "src": "wine.py", "parameters": {"model": "wine"}},
    {"name": "series", "src": "time_series.py"},
]
QUERIES = [
    {"name": "experiments", "src": "list_experiments.py"},
    {"name": "runs", "src": "list_runs.py", "parameters": {"experiment": ["dummy-experiment", "wine-model"]}},
]
OWN = "mlops-test.local/mlflow:own"
# What a container of an experiment is told of servers.
ASKS = "import json, os; print(json.dumps([sorted(os.environ), os.listdir('/run')]))"


@pytest.fixture(scope="module")
def lab(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    """With users: scripts log in as the deployment does."""
    deployment = make("compose_local", "t-lab", mlflow_server_port=5013, mlflow_server_auth="basic")
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def results(deployment: Deployment, scripts: list[dict[str, Any]], **variables: Any) -> dict[str, Any]:
    done = deployment.play("experiments", mlflow_experiments_scripts=scripts, **variables).succeeded()
    return {one["name"]: one["result"] for one in done.of("Show their results")["msg"]}


def test_experiments_log_and_queries_bring_their_rows_back(lab: Deployment) -> None:
    before = everything("t-lab")
    done = results(lab, ALL)
    assert done["dummy"]["precision"] == 0.33 and done["test"]["runs"] == 1
    assert done["wine"]["r2"] > 0.5 and done["wine"]["model_uri"]
    assert done["series"]["recall"] > 0.5
    rows = results(lab, QUERIES)
    assert {"dummy-experiment", "wine-model", "Default"} <= {row["name"] for row in rows["experiments"]}
    runs = {row["run_id"]: row for row in rows["runs"]}
    assert set(runs) == {done["dummy"]["run_id"], done["wine"]["run_id"]}
    assert runs[done["dummy"]["run_id"]]["params"] == {"learning_rate": "0.2"}
    assert runs[done["wine"]["run_id"]]["metrics"]["r2"] == pytest.approx(done["wine"]["r2"])
    assert everything("t-lab") == before
    assert not (lab.folder / "compose" / "experiments").exists()


def test_one_that_fails_is_named_with_its_reason_and_nothing_of_it_is_left(lab: Deployment) -> None:
    before = everything("t-lab")
    failed = lab.play(
        "experiments",
        mlflow_experiments_scripts=[{"name": "broken", "script": "raise ValueError('no rows')", "retries": 1}],
    )
    assert failed.code and "broken: The script ended with 1" in failed.message and "no rows" in failed.message
    assert everything("t-lab") == before


def test_one_that_does_not_end_is_ended(lab: Deployment) -> None:
    before = everything("t-lab")
    late = lab.play(
        "experiments",
        mlflow_experiments_scripts=[{"name": "late", "script": "import time; time.sleep(600)"}],
        mlflow_experiments_deadline=5,
    )
    assert late.code and "did not end within 5 s" in late.message
    assert everything("t-lab") == before


def test_a_killed_play_leaves_no_script_running(lab: Deployment) -> None:
    script = {"name": "endless", "script": "import time; time.sleep(600)"}
    process = lab.begin("experiments", mlflow_experiments_scripts=[script])
    marked = ["ps", "--quiet", "--filter=label=mlops.mlflow.component=experiments"]
    eventually("it runs", lambda: docker(*marked).split(), 120)
    time.sleep(2)
    process.kill()
    process.wait()
    eventually("it has ended", lambda: not docker(*marked).split(), 60)


def test_a_script_has_an_image_of_its_own_beside_one_that_has_that_of_all(lab: Deployment) -> None:
    [everybodys] = set(docker("ps", "--filter=label=mlops.mlflow.component=server", "--format={{.Image}}").split())
    docker("tag", everybodys, OWN)
    shown = ["ps", "--filter=label=mlops.mlflow.component=experiments", "--format={{.Image}}"]
    waits = "import time; time.sleep(20)"
    scripts = [{"name": "own", "script": waits, "image": OWN}, {"name": "all", "script": waits}]
    process = lab.begin("experiments", mlflow_experiments_scripts=scripts)
    try:
        eventually("both run", lambda: sorted(docker(*shown).split()) == sorted([OWN, everybodys]), 120)
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.wait()
        docker("rmi", OWN)


def test_its_container_has_no_secret_of_the_servers(lab: Deployment) -> None:
    found = results(lab, [{"name": "asks", "script": ASKS}])["asks"]
    names, files = found
    assert "MLFLOW_TRACKING_URI" in names
    assert not [name for name in names if name.startswith(("PG", "AWS", "MLFLOW_AUTH", "MLFLOW_FLASK"))]
    assert "secrets" not in files


def test_check_mode_runs_nothing(lab: Deployment) -> None:
    never = {"name": "never", "src": "dummy.py", "parameters": {"experiment": "never"}}
    lab.play("experiments", "--check", mlflow_experiments_scripts=[never]).succeeded()
    assert "never" not in {row["name"] for row in results(lab, QUERIES[:1])["experiments"]}


def test_a_registered_model_becomes_an_image_that_predicts_and_a_second_time_nothing_is_pushed(lab: Deployment) -> None:
    [base] = set(docker("ps", "--filter=label=mlops.mlflow.component=server", "--format={{.Image}}").split())
    [network] = docker("network", "ls", "--filter=label=mlops.mlflow.deployment=t-lab", "--format={{.Name}}").split()
    gateway = docker("network", "inspect", network, "--format={{(index .IPAM.Config 0).Gateway}}").strip()
    results(lab, [{"name": "wine", "src": "wine.py", "parameters": {"model": "wine"}}])
    with registry.running(5014):
        docker("tag", base, "127.0.0.1:5014/mlflow:1")
        docker("push", "127.0.0.1:5014/mlflow:1")
        script = served_model.script(f"{gateway}:5014")
        made = results(lab, [script])["image"]
        again = results(lab, [script])["image"]
        assert made["pushed_bytes"] > 0 == again["pushed_bytes"] and again["digest"] == made["digest"]
        image = f"127.0.0.1:5014/team/wine@{made['digest']}"
        docker("pull", image)
    serving = ["run", "--detach", "--read-only", "--tmpfs=/tmp", "--publish=127.0.0.1:5015:8080", image]
    container = docker(*serving).strip()
    try:
        served_model.predicts(5015)
    finally:
        docker("rm", "--force", container)
        docker("rmi", image, "127.0.0.1:5014/mlflow:1")
