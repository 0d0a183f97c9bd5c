"""An account with the rights of docs/kubernetes_deployer.yaml, and no others, deploys, operates and removes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.kubernetes.deployment import Deployment
from support.kubernetes.kubectl import Kubectl
from support.kubernetes.requests import as_account
from support.kubernetes.snapshots import what_was_deleted_after_a_backup_is_there_again_after_the_restore
from support.playbooks import REPOSITORY

pytestmark = pytest.mark.cluster

NAMESPACE = "t-deployer"
# Outside of what it deploys into, so that its own objects are not in the way.
HOME = "t-deployer-home"
RIGHTS = REPOSITORY / "docs" / "kubernetes_deployer.yaml"
SUBJECT = f"--serviceaccount={HOME}:deployer"


@pytest.fixture(scope="module")
def limited(cluster: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    deployment = Deployment(
        cluster,
        NAMESPACE,
        mlflow_namespace_existing=True,
        mlflow_backup_enabled=True,
        mlflow_backup_storage_size="1Gi",
    )
    deployment.remove(wait=True)
    try:
        for namespace in (NAMESPACE, HOME):
            cluster("create", "namespace", namespace)
        cluster.within(HOME)("create", "serviceaccount", "deployer")
        within = cluster.within(NAMESPACE)
        within("apply", "--filename", str(RIGHTS))
        within("create", "rolebinding", "mlflow-deployer", "--role=mlflow-deployer", SUBJECT)
        within("create", "clusterrolebinding", NAMESPACE, "--clusterrole=mlflow-deployer", SUBJECT)
        account = as_account(cluster.within(HOME), "deployer", tmp_path_factory.mktemp("access"))
        deployment.variables["mlflow_cluster"] = {"kubeconfig": str(account.kubeconfig), "context": account.context}
        deployment.deploy().succeeded()
        yield deployment
    finally:
        cluster("delete", "clusterrolebinding", NAMESPACE, "--ignore-not-found")
        cluster("delete", "clusterrole", "mlflow-deployer", "--ignore-not-found")
        deployment.remove()
        cluster.remove_namespace(HOME, wait=False)


def test_the_account_has_no_more_than_these_rights(limited: Deployment) -> None:
    access: dict[str, str] = limited.variables["mlflow_cluster"]
    account = Kubectl(Path(access["kubeconfig"]), access["context"])
    assert "yes" in account.within(NAMESPACE)("auth", "can-i", "create", "deployments.apps", check=False)
    assert "no" in account.within("default")("auth", "can-i", "list", "pods", check=False)
    assert "no" in account("auth", "can-i", "create", "namespaces", check=False)


def test_a_second_run_changes_nothing(limited: Deployment) -> None:
    assert limited.deploy().succeeded().stats["changed"] == 0


def test_it_restarts_scales_and_sees_the_status(limited: Deployment) -> None:
    limited.play("restart").succeeded()
    limited.play("scale", mlflow_server_replicas=3, mlflow_server_max_replicas=3).succeeded()
    assert "Version" in limited.play("status").succeeded().of("Show the status")["msg"]
    limited.deploy().succeeded()


def test_what_was_deleted_after_a_backup_is_there_again_after_the_restore(limited: Deployment) -> None:
    what_was_deleted_after_a_backup_is_there_again_after_the_restore(limited)


def test_it_removes_all_that_it_deployed(limited: Deployment) -> None:
    limited.destroy(mlflow_remove_data=True, mlflow_backup_remove_data=True).succeeded()
    assert limited.kubectl.has_namespace(NAMESPACE)
    for kind in ("deployments", "statefulsets", "persistentvolumeclaims", "secrets", "jobs"):
        assert not limited.kubectl.items(kind), kind
