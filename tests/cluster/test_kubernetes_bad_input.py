"""What cannot work on a cluster is refused with the thing, the cause and the remedy, and nothing is created."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.kubernetes import roles
from support.kubernetes.deployment import Deployment
from support.kubernetes.kubectl import Kubectl
from support.ports import free_port

pytestmark = pytest.mark.cluster

ONE = {"mlflow_server_replicas": 1, "mlflow_server_max_replicas": 1}


@pytest.fixture
def bad(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    deployment = make("t-bad")
    try:
        yield deployment
    finally:
        deployment.remove()


@pytest.fixture
def shared(main: Deployment) -> Iterator[Deployment]:
    """The deployment that others share, with a bucket that every namespace reaches."""
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "t-open", "namespace": main.namespace},
        "spec": {"podSelector": {"matchLabels": {"app.kubernetes.io/component": "artifact-store"}}, "ingress": [{}]},
    }
    main.kubectl.apply(policy)
    try:
        yield main
    finally:
        main.kubectl("delete", "networkpolicy", "t-open")


def refused(deployment: Deployment, *words: str, **variables: Any) -> None:
    """The playbook fails, its last message has these words, and the namespace was not made."""
    result = deployment.deploy(**variables)
    assert result.code
    missing = [word for word in words if word not in result.message]
    assert not missing, f"{missing} not in: {result.message}"
    assert not result.stats["changed"]
    assert not deployment.kubectl.has_namespace(deployment.namespace)


def refused_in_namespace(deployment: Deployment, *words: str, **variables: Any) -> None:
    """The same where the namespace exists: nothing was put into it."""
    kinds = "all,configmap,persistentvolumeclaim,networkpolicy,poddisruptionbudget"
    before = deployment.kubectl("get", kinds, "--output=name")
    result = deployment.deploy(**variables)
    assert result.code
    missing = [word for word in words if word not in result.message]
    assert not missing, f"{missing} not in: {result.message}"
    assert not result.stats["changed"]
    assert deployment.kubectl("get", kinds, "--output=name") == before


def test_a_cluster_that_does_not_answer_is_named(bad: Deployment, tmp_path: Path) -> None:
    port = free_port()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(roles.kubeconfig(f"https://127.0.0.1:{port}", "gone", {})))
    start = time.monotonic()
    refused(
        bad, "gone", "127.0.0.1", str(port), "onnection refused", "Is it running", "kubeconfig and context",
        mlflow_cluster={"kubeconfig": str(kubeconfig), "context": "gone"},
    )  # fmt: skip
    assert time.monotonic() - start < 60


def test_a_context_that_does_not_exist_is_named(bad: Deployment) -> None:
    cluster = {**bad.variables["mlflow_cluster"], "context": "no-such-context"}
    refused(bad, "no-such-context", "kubeconfig and context", mlflow_cluster=cluster)


def test_a_missing_permission_is_named_by_verb_and_resource(bad: Deployment, cluster: Kubectl, tmp_path: Path) -> None:
    make_namespace(bad, cluster)
    with roles.account_without_deployments(cluster, bad.namespace) as limited:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(json.dumps(limited))
        refused_in_namespace(
            bad, "patch deployments.apps", bad.namespace, "grant",
            mlflow_cluster={"kubeconfig": str(kubeconfig), "context": limited["current-context"]},
        )  # fmt: skip


def test_a_storage_class_that_does_not_exist_is_named_with_those_that_do(bad: Deployment, cluster: Kubectl) -> None:
    classes = cluster("get", "storageclass", "--output=jsonpath={.items[*].metadata.name}").split()
    refused(bad, "no storage class nowhere", *classes, mlflow_storage_class="nowhere")


def test_a_quota_that_is_too_small_is_named_with_both_numbers(bad: Deployment, cluster: Kubectl) -> None:
    make_namespace(bad, cluster)
    bad.kubectl("create", "quota", "team", "--hard=pods=3,requests.storage=512Mi")
    refused_in_namespace(
        bad, "team", "pods 3 where 8 is needed", "requests.storage 512Mi where 2048Mi is needed",
        "mlflow_server_max_replicas",
    )  # fmt: skip


def test_connections_that_cannot_suffice_are_named_with_the_numbers(bad: Deployment) -> None:
    # 20, without 3 for superusers and 10 reserved.
    refused(
        bad, "7 for 5 servers", "need 5", "mlflow_database_max_connections", "mlflow_server_max_replicas",
        mlflow_database_max_connections=20,
    )  # fmt: skip


def test_a_name_that_kubernetes_would_refuse_is_named(bad: Deployment) -> None:
    refused(bad, "mlflow_name", "My_Flow", "small letters", mlflow_name="My_Flow")


def test_a_namespace_that_kubernetes_would_refuse_is_named(bad: Deployment) -> None:
    refused(bad, "mlflow_namespace", "My_Space", "small letters", mlflow_namespace="My_Space")


def test_a_secret_of_an_external_bucket_that_is_missing_is_named(bad: Deployment) -> None:
    refused(bad, "t-keys/access-key", "t-keys/secret-key", "Create them first", **external("s3://mlflow", "t-main"))


def test_a_bucket_that_does_not_exist_is_named(shared: Deployment, bad: Deployment, cluster: Kubectl) -> None:
    keys = {key: shared.secrets()[f"mlflow-artifacts/{key}"] for key in ("access-key", "secret-key")}
    make_namespace(bad, cluster)
    put_keys(bad, keys)
    result = bad.deploy(**external("s3://no-such-bucket", shared.namespace), **ONE)
    assert result.code
    for word in ("bucket no-such-bucket", f"mlflow-artifacts.{shared.namespace}:7070", "does not exist", "Create it"):
        assert word in result.message
    # With the bucket's wish mended, the same command goes on from where it was.
    bad.deploy(**external("s3://mlflow/of-another", shared.namespace), **ONE).succeeded()


def test_keys_that_do_not_fit_the_bucket_are_named(shared: Deployment, bad: Deployment, cluster: Kubectl) -> None:
    access = shared.secrets()["mlflow-artifacts/access-key"]
    make_namespace(bad, cluster)
    put_keys(bad, {"access-key": access, "secret-key": "wrong-wrong-wrong"})
    result = bad.deploy(**external("s3://mlflow", shared.namespace), **ONE)
    assert result.code
    assert "bucket mlflow at" in result.message and "cannot be used" in result.message
    assert "keys are wrong" in result.message or "secret key is wrong" in result.message
    assert "wrong-wrong-wrong" not in result.output


def test_an_image_that_cannot_be_pulled_is_named_long_before_the_roll_out_is_given_up(bad: Deployment) -> None:
    start = time.monotonic()
    result = bad.deploy(mlflow_image="mlops-test.local/nowhere:1", mlflow_server_rollout_timeout=600)
    assert time.monotonic() - start < 300
    assert result.code
    assert "mlops-test.local/nowhere:1" in result.message and "ImagePullBackOff" in result.message
    assert not [pod for pod in bad.servers() if pod["status"]["phase"] == "Running"]
    # What the failed roll-out left does not count in the next one.
    bad.deploy(**ONE).succeeded()


def test_a_database_that_could_not_start_does_so_with_the_corrected_image(bad: Deployment) -> None:
    result = bad.deploy(mlflow_database_image="mlops-test.local/nowhere:1", **ONE)
    assert result.code
    assert "mlflow-database-0" in result.message and "mlops-test.local/nowhere:1" in result.message
    bad.deploy(**ONE).succeeded()


def make_namespace(deployment: Deployment, cluster: Kubectl) -> None:
    """As an administrator does, before anything is deployed."""
    cluster("create", "namespace", deployment.namespace)
    deployment.variables["mlflow_namespace_existing"] = True


def external(uri: str, namespace: str) -> dict[str, Any]:
    """The gateway of another deployment as a bucket that exists already."""
    return {
        "mlflow_artifact_store_type": "external_s3",
        "mlflow_artifact_store_uri": uri,
        "mlflow_artifact_store_endpoint": f"http://mlflow-artifacts.{namespace}:7070",
        "mlflow_artifact_store_secret": "t-keys",
    }


def put_keys(deployment: Deployment, keys: dict[str, str]) -> None:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in keys.items()}
    deployment.kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "t-keys"}, "data": data})
