"""Experiments and queries as Jobs in the cluster: their results come back, and nothing of them is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import served_model
from support.kubernetes.deployment import Deployment
from support.kubernetes.kubectl import eventually, is_ready, name
from support.testbed import images, registry, settings
from support.testbed.target_images import MLFLOW, OLD_MLFLOW, OLD_VERSION

pytestmark = pytest.mark.cluster

ALL = [
    {"name": "dummy", "src": "dummy.py", "parameters": {"learning-rate": 0.2}},
    {"name": "test", "src": "test.py"},
    {"name": "series", "src": "time_series.py"},
]
QUERIES = [
    {"name": "experiments", "src": "list_experiments.py"},
    {"name": "runs", "src": "list_runs.py", "parameters": {"experiment": ["dummy-experiment"]}},
]
ASKS = "import json, os; print(json.dumps([sorted(os.environ), os.listdir('/run')]))"
VERSION = "import json, mlflow; mlflow.search_experiments(); print(json.dumps(mlflow.__version__))"


@pytest.fixture(scope="module")
def lab(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    """With users: scripts log in as the deployment does."""
    deployment = make("t-lab", mlflow_server_replicas=1, mlflow_server_max_replicas=1, mlflow_server_auth="basic")
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def results(lab: Deployment, scripts: list[dict[str, Any]], **variables: Any) -> dict[str, Any]:
    done = lab.play("experiments", mlflow_experiments_scripts=scripts, **variables).succeeded()
    return {one["name"]: one["result"] for one in done.of("Show their results")["msg"]}


def left(lab: Deployment) -> list[str]:
    """What is there of experiments."""
    kinds = "cronjob,job,pod,networkpolicy"
    return [name(one) for one in lab.kubectl.items(kinds, "--selector=app.kubernetes.io/component=experiments")]


def test_experiments_log_and_queries_bring_their_rows_back(lab: Deployment) -> None:
    done = results(lab, ALL)
    assert done["dummy"]["precision"] == 0.33 and done["test"]["runs"] == 1
    assert done["series"]["recall"] > 0.5
    rows = results(lab, QUERIES)
    assert {"dummy-experiment", "Default"} <= {row["name"] for row in rows["experiments"]}
    [run] = rows["runs"]
    assert (run["run_id"], run["params"]) == (done["dummy"]["run_id"], {"learning_rate": "0.2"})
    eventually("nothing of them is left", lambda: not left(lab), 60)


def test_a_script_has_an_image_of_its_own_beside_one_that_has_that_of_all(lab: Deployment) -> None:
    own = {"name": "own", "script": VERSION, "image": OLD_MLFLOW}
    found = results(lab, [own, {"name": "all", "script": VERSION}])
    assert found["own"] == OLD_VERSION != found["all"]


def test_its_pod_has_no_secret_of_the_servers(lab: Deployment) -> None:
    names, files = results(lab, [{"name": "asks", "script": ASKS}])["asks"]
    assert "MLFLOW_TRACKING_URI" in names
    assert not [one for one in names if one.startswith(("PG", "AWS", "MLFLOW_AUTH", "MLFLOW_FLASK"))]
    assert "secrets" not in files


def test_one_that_fails_or_does_not_end_is_named_and_nothing_of_it_is_left(lab: Deployment) -> None:
    scripts = [
        {"name": "broken", "script": "raise ValueError('no rows')", "retries": 1},
        {"name": "late", "script": "import time; time.sleep(600)"},
    ]
    failed = lab.play("experiments", mlflow_experiments_scripts=scripts, mlflow_experiments_deadline=30)
    assert failed.code and "broken: The script ended with 1" in failed.message and "no rows" in failed.message
    assert "late: " in failed.message and "did not end within 30 s" in failed.message
    eventually("nothing of them is left", lambda: not left(lab), 60)


def test_a_killed_play_leaves_no_script_running(lab: Deployment) -> None:
    script = {"name": "endless", "script": "import time; time.sleep(600)"}
    process = lab.begin("experiments", mlflow_experiments_scripts=[script])
    pods = "--selector=app.kubernetes.io/component=experiments"

    def running() -> list[str]:
        return [one["status"]["phase"] for one in lab.kubectl.items("pods", pods)]

    eventually("it runs", lambda: running() == ["Running"], 120)
    process.kill()
    process.wait()
    eventually("it has ended", lambda: "Running" not in running(), 120)


def test_check_mode_runs_nothing(lab: Deployment) -> None:
    never = {"name": "never", "src": "dummy.py", "parameters": {"experiment": "never"}}
    lab.play("experiments", "--check", mlflow_experiments_scripts=[never]).succeeded()
    assert "never" not in {row["name"] for row in results(lab, QUERIES[:1])["experiments"]}


def test_a_registered_model_becomes_an_image_that_predicts_and_a_second_time_nothing_is_pushed(lab: Deployment) -> None:
    results(lab, [{"name": "wine", "src": "wine.py", "parameters": {"model": "wine"}}])
    # Engine and kubelet take a registry on loopback without TLS; the Job reaches it at the node's address.
    base = f"{settings.REGISTRY}/mlflow:1"
    with registry.running(settings.REGISTRY_PORT):
        images.docker("tag", MLFLOW, base)
        images.docker("push", base)
        images.docker("rmi", base)
        script = served_model.script(f"{settings.NODE_IP}:{settings.REGISTRY_PORT}")
        made = results(lab, [script])["image"]
        again = results(lab, [script])["image"]
        assert made["pushed_bytes"] > 0 == again["pushed_bytes"] and again["digest"] == made["digest"]
        lab.kubectl.apply(pod_of(f"{settings.REGISTRY}/team/wine@{made['digest']}"))
        try:
            # Not earlier: a refused connection ends the forwarding of all.
            eventually("it is ready", lambda: is_ready(lab.kubectl.json("get", "pod", "wine")), 300)
            with lab.kubectl.forwarded("pod/wine", 8080) as port:
                served_model.predicts(port)
        finally:
            lab.kubectl("delete", "pod", "wine", "--wait=false")


def pod_of(image: str) -> dict[str, Any]:
    """What Pod Security C(restricted) lets run."""
    context = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": "model",
        "image": image,
        "readinessProbe": {"httpGet": {"path": "/ping", "port": 8080}, "periodSeconds": 2},
        "securityContext": context,
        "resources": {
            "requests": {"cpu": "50m", "memory": "256Mi", "ephemeral-storage": "64Mi"},
            "limits": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "256Mi"},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "wine"}, "spec": spec}
