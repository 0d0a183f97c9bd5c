"""Examples of the documentation that need a cluster run as they are written, those that destroy something at the end.

pytest tests/cluster/test_kubernetes_examples.py -m cluster
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import examples
from support.kubernetes.deployment import Deployment
from support.kubernetes.kubectl import Kubectl, name
from support.testbed.target_images import OLD_MLFLOW, OLD_VERSION

pytestmark = pytest.mark.cluster

OWN, THEIRS, RUN = "t-examples", "t-examples-theirs", "mlops-load-4f0a9d1c22"
FIRST = {
    "Create the namespace of a deployment": True,
    "Check that the namespace that an administrator made may be used": False,
}
# What each changes: nothing where the deployment has it already.
CHANGES = {
    "Train with two depths at once, alongside the servers": True,
    "Inspect them on Kubernetes with the image of another version, which is what an upgrade to it would find": False,
    "Check what a deployment needs": False,
    "Generate the passwords of a database": False,
    # TLS inside is nothing that a deployment has unless it is asked for.
    "See that the database of a deployment has a certificate": True,
    "See that servers have one that is also for their own pods": True,
    "Apply a note to the deployment": True,
    "Apply manifests that have the marks of the deployment": True,
    "Wait for the server": False,
    "Follow the Jobs that the role has started": True,
    "Stop the servers": True,
    "Start one again": True,
    "Remove the server, and keep its Secret": True,
}
# What these roles do before they call the modules.
LOCUST = [
    {"ansible.builtin.include_role": {"name": "mlops.mlflow.locust", "tasks_from": tasks}}
    for tasks in ("plan", "kubernetes/start")
]
EXPERIMENTS = [
    {"ansible.builtin.include_role": {"name": "mlops.mlflow.mlflow_experiments", "tasks_from": "kubernetes/prepare"}}
]
BEFORE = {
    "Train with two depths at once, alongside the servers": EXPERIMENTS,
    "Follow the Jobs that the role has started": LOCUST,
}
TRAIN = """
import json, sys, mlflow
depth = sys.argv[1].removeprefix("--depth=")
with mlflow.start_run():
    mlflow.log_param("depth", depth)
print(json.dumps([mlflow.__version__, depth]))
"""


@pytest.fixture(scope="module")
def deployment(make: Callable[..., Deployment], cluster: Kubectl) -> Iterator[Deployment]:
    """Nothing is deployed yet."""
    made = make(
        OWN,
        mlflow_server_replicas=1,
        mlflow_server_max_replicas=1,
        mlflow_artifact_store_type="volume",
        mlflow_load_test_allowed=True,
        __locust_run=RUN,
        locust_users=4,
        locust_run_time=10,
        locust_workers=1,
        locust_weights={"artifact_32m": 0},
    )
    cluster.remove_namespace(THEIRS)
    cluster("create", "namespace", THEIRS)
    try:
        yield made
    finally:
        made.remove()
        cluster.remove_namespace(THEIRS, wait=False)


@pytest.fixture(scope="module")
def tasks(cluster: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    places = {
        "context: kind-mlflow": f"context: {cluster.context}",
        "namespace: mlflow": f"namespace: {OWN}",
        "'namespace': 'mlflow'": f"'namespace': '{OWN}'",
        "namespace: team-a": f"namespace: {OWN}",
        "namespace: team-b": f"namespace: {THEIRS}",
        "http://mlflow.mlflow.svc": f"http://mlflow.{OWN}.svc",
        "registry.example.com/mlflow-torch:1": OLD_MLFLOW,
        "registry.example.com/mlflow:3.17.2": OLD_MLFLOW,
        "/tmp/load-test": str(tmp_path_factory.mktemp("load-test")),
        "users: 50": "users: 4",
    }
    return examples.at("kubernetes", places)


def test_every_example_of_a_cluster_is_run_here(tasks: dict[str, dict[str, Any]]) -> None:
    assert set(tasks) == set(FIRST) | set(CHANGES)


def test_the_examples_of_a_namespace_make_one_that_a_deployment_can_be_made_in(
    deployment: Deployment, tasks: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    examples.run(deployment, tasks, FIRST, tmp_path, connections=False)
    deployment.deploy().succeeded()


def test_every_other_example_does_what_it_says(
    deployment: Deployment, tasks: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "train.py").write_text(TRAIN)
    found = examples.run(deployment, tasks, CHANGES, tmp_path, before=BEFORE)
    trained = found["Train with two depths at once, alongside the servers"]["experiments"]
    assert [(one["name"], one["result"][1]) for one in trained] == [("shallow", "2"), ("deep", "8")]
    assert trained[1]["result"][0] == OLD_VERSION
    assert found["Follow the Jobs that the role has started"]["total"]["requests"] > 0
    kubectl = deployment.kubectl
    assert kubectl.json("get", "configmap", "note")["data"] == {"owner": "team-a"}
    labels = kubectl.json("get", "serviceaccount", "notebooks")["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "extra"
    assert kubectl.items("deployments") == []
    kept = {name(one) for one in kubectl.items("secrets")}
    assert {"mlflow-auth", "mlflow-database", "mlflow-server-tls"} <= kept
