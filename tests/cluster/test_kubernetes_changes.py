"""What changes under a deployment that is there: a volume, a Secret; and servers are asked by address."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable, Iterator

import pytest
from support.kubernetes.deployment import Deployment
from support.kubernetes.kubectl import Kubectl, name
from support.kubernetes.snapshots import WEIGHTS, ask

pytestmark = pytest.mark.cluster

_ARTIFACT = "/api/2.0/mlflow-artifacts/artifacts/kept/weights.bin"


@pytest.fixture(scope="module")
def small(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    deployment = make(
        "t-changes",
        mlflow_server_replicas=1,
        mlflow_server_max_replicas=1,
        mlflow_server_metrics_dir="/tmp/metrics",
        mlflow_server_rollout_timeout=120,
    )
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def uids(small: Deployment) -> set[str]:
    found = [*small.servers(), small.database(), *small.kubectl.pods("artifact-store")]
    return {pod["metadata"]["uid"] for pod in found}


def overwrite(small: Deployment, secret: str, **values: str) -> None:
    data = {key.replace("_", "-"): base64.b64encode(value.encode()).decode() for key, value in values.items()}
    small.kubectl("patch", "secret", secret, "--patch", json.dumps({"data": data}))


def test_a_server_answers_to_the_address_of_its_pod(small: Deployment) -> None:
    [pod] = small.servers()
    connection = http.client.HTTPConnection(pod["status"]["podIP"], 5000, timeout=60)
    for path in ("/metrics", "/health", "/api/2.0/mlflow/experiments/get?experiment_id=0"):
        connection.request("GET", path)
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status == 200, f"{path}: {answer.status} {said[:200]!r}"
    connection.request("GET", "/metrics", headers={"Host": "evil.example"})
    assert connection.getresponse().status == 403


def test_a_volume_that_cannot_grow_is_refused_before_anything_is_changed_and_grows_where_it_can(
    small: Deployment, cluster: Kubectl
) -> None:
    before = uids(small)
    refused = small.deploy(mlflow_database_storage_size="2Gi", mlflow_server_workers=2)
    assert refused.code, "it was taken"
    assert "The volume mlflow-database has 1Gi and cannot grow to 2Gi" in refused.message, refused.message
    assert uids(small) == before
    claim = small.kubectl.json("get", "persistentvolumeclaim", "mlflow-database")
    storage_class = f"storageclass/{claim['spec']['storageClassName']}"
    cluster("patch", storage_class, "--patch", '{"allowVolumeExpansion": true}')
    try:
        small.deploy(mlflow_database_storage_size="2Gi").succeeded()
    finally:
        cluster("patch", storage_class, "--patch", '{"allowVolumeExpansion": false}')
    claim = small.kubectl.json("get", "persistentvolumeclaim", "mlflow-database")
    assert claim["spec"]["resources"]["requests"]["storage"] == "2Gi"
    small.variables["mlflow_database_storage_size"] = "2Gi"


def test_a_changed_secret_is_noticed_at_the_next_deploy_by_all_that_read_it_and_by_nobody_else(
    small: Deployment,
) -> None:
    assert ask(small, "PUT", _ARTIFACT, WEIGHTS)[0] == 200
    assert small.deploy().succeeded().stats.get("changed", 0) == 0
    database = name(small.database()), small.database()["metadata"]["uid"]
    before = uids(small)
    overwrite(small, "mlflow-artifacts", access_key="another", secret_key="another-secret-key")
    small.deploy().succeeded()
    assert (name(small.database()), small.database()["metadata"]["uid"]) == database
    assert uids(small) & before == {database[1]}, "gateway and servers read it"
    assert ask(small, "GET", _ARTIFACT) == (200, WEIGHTS)
    assert small.deploy().succeeded().stats.get("changed", 0) == 0


def test_a_changed_password_of_the_database_holds_on_both_sides_after_one_deployment(small: Deployment) -> None:
    before = uids(small)
    overwrite(small, "mlflow-database", password="it's \\ another % päss:word/@", owner_password="an owner's \\' one")
    small.deploy().succeeded()
    kept = {pod["metadata"]["uid"] for pod in small.kubectl.pods("artifact-store")}
    assert uids(small) & before == kept, "database and servers read it"
    assert ask(small, "GET", _ARTIFACT) == (200, WEIGHTS)
    assert small.deploy().succeeded().stats.get("changed", 0) == 0


def test_a_restart_that_breaks_the_server_is_not_green(small: Deployment) -> None:
    known = small.secrets()["mlflow-database/password"]
    overwrite(small, "mlflow-database", password="not what the database has")
    refused = small.play("restart", mlflow_server_rollout_timeout=45)
    assert refused.code, "it was green"
    overwrite(small, "mlflow-database", password=known)
    small.play("restart").succeeded()
