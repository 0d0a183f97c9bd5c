"""The target aks in one run of its playbook, from nothing to deeply healthy: Azure is emulated, the cluster real.

What is emulated, and named as such: Resource Manager and login by stand-ins (support/arm.py, support/azure_front.py),
Blob by Azurite, and AKS's webhook of identities by a stand-in (support/workload_identity.py). The kubeconfig of the
emulated cluster leads nowhere, so mlflow_cluster names the test cluster. Its volumes are of its own class.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.tokens import claims
from support import arm, azure_front, azurite, workload_identity
from support.certificates import Authority
from support.kubernetes.deployment import Deployment
from support.kubernetes.host import ADDRESS, need
from support.kubernetes.kubectl import Kubectl

pytestmark = pytest.mark.cluster

NAMESPACE, ACCOUNT = "t-aks", "mlflow0aa3981a"
BLOB = f"{ACCOUNT}.blob.core.windows.net"
HOSTS = (azure_front.LOGIN, BLOB)


@pytest.fixture(scope="module")
def azure(cluster: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[arm.Azure]:
    """Azure, at the names that it has; and the webhook that tells pods where these are."""
    need(azure_front.PORT)
    folder = tmp_path_factory.mktemp("azure")
    authority = Authority(folder)
    pair = authority.issue("azure", ",".join(f"DNS:{host}" for host in HOSTS))
    with ExitStack() as stack:
        azure, login = stack.enter_context(arm.serving())
        azure.issuer = json.loads(cluster("get", "--raw=/.well-known/openid-configuration"))["issuer"]
        blobs = stack.enter_context(azurite.running("artifactroot", "backups", pair=pair, account=ACCOUNT))
        stack.enter_context(azure_front.serving(ADDRESS, azure, blobs.port, *pair))
        stack.enter_context(workload_identity.webhook(cluster, NAMESPACE, ADDRESS, HOSTS, authority.file, folder))
        patched = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in login.items():
            patched.setenv(name, value)
        yield azure


@pytest.fixture(scope="module")
def aks(azure: arm.Azure, make: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("aks")
    deployment = make(
        NAMESPACE,
        aks_cluster_subscription=arm.SUBSCRIPTION,
        aks_cluster_authorized_ranges=["203.0.113.0/24"],
        aks_cluster_kubeconfig=str(folder / "kubeconfig"),
        aks_storage_account=ACCOUNT,
        aks_storage_identities_file=str(folder / "identities.json"),
        mlflow_storage_class="",
        # Of the pod's environment servers get only what AKS puts there.
        mlflow_server_env=workload_identity.TRUST,
    )
    deployment.target = "aks"
    try:
        deployment.deploy().succeeded()
        yield deployment
    finally:
        deployment.remove()


def said_by_health(aks: Deployment) -> str:
    return str(aks.play("health", mlflow_health_level="deep").message)


def rights(azure: arm.Azure, whose: str) -> dict[str, dict[str, Any]]:
    """The roles of an identity, by their ids."""
    [identity] = [one for id, one in azure.of("userassignedidentities").items() if id.endswith(f"/mlflow-{whose}")]
    principal = identity["properties"]["principalId"]
    found = azure.of("roleassignments").items()
    return {id: one for id, one in found if one["properties"]["principalId"] == principal}


def test_it_is_healthy_with_its_artifacts_in_blob_and_no_key_anywhere(aks: Deployment) -> None:
    said = aks.play("health", mlflow_health_level="full").succeeded().of("Report the verdict")["msg"]
    assert said.startswith("healthy at level full"), said
    assert azurite.KEY not in " ".join(aks.secrets().values())
    launch = json.loads(aks.kubectl.json("get", "configmap", "mlflow")["data"]["launch.json"])
    assert f"wasbs://artifactroot@{BLOB}" in json.dumps(launch)


def test_the_token_of_a_server_is_of_the_account_that_its_identity_believes(aks: Deployment) -> None:
    token = workload_identity.TOKEN
    said = claims(aks.kubectl.execute(aks.server(), "cat", f"{token.folder}/{token.file}").strip())
    assert (said["sub"], said["aud"]) == (f"system:serviceaccount:{NAMESPACE}:mlflow", [token.audience])


def test_a_second_run_changes_nothing(aks: Deployment) -> None:
    assert aks.deploy().succeeded().stats["changed"] == 0


def test_backup_and_drill_use_the_identity_of_backups(aks: Deployment, azure: arm.Azure) -> None:
    aks.play("backup").succeeded()
    aks.play("drill").succeeded()
    may = rights(azure, "backup")
    backups = next(id for id in may if "/containers/backups/" in id)
    held = azure.resources.pop(backups)
    try:
        said = aks.play("backup").message
        assert "backups" in said and "may not" in said, said
    finally:
        azure.resources[backups] = held


def test_health_names_an_identity_that_is_not_federated(aks: Deployment, azure: arm.Azure) -> None:
    [credential] = [one for id, one in azure.of("federatedidentitycredentials").items() if "/mlflow-server/" in id]
    subject = credential["properties"]["subject"]
    try:
        credential["properties"]["subject"] = "system:serviceaccount:other:mlflow"
        # Pods keep a token of Azure for an hour: those that have none yet are refused.
        for said in (aks.play("restart").message, said_by_health(aks)):
            assert "AADSTS700213" in said and subject in said, said
    finally:
        credential["properties"]["subject"] = subject
    aks.play("restart").succeeded()


def test_health_names_a_container_that_the_identity_may_not_reach(aks: Deployment, azure: arm.Azure) -> None:
    artifacts = next(id for id in rights(azure, "server") if "/containers/artifactroot/" in id)
    held = azure.resources.pop(artifacts)
    try:
        said = said_by_health(aks)
        assert "Azure refuses it the container artifactroot" in said and "Storage Blob Data Contributor" in said, said
    finally:
        azure.resources[artifacts] = held
    aks.play("health", mlflow_health_level="deep").succeeded()


def test_keys_of_the_account_that_are_switched_off_are_named(aks: Deployment) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "keys"},
        "stringData": {"account-key": azurite.KEY},
    }
    aks.kubectl.apply(secret)
    with_keys = {"mlflow_artifact_store_use_keys": True, "mlflow_artifact_store_secret": "keys"}
    said = aks.deploy(**with_keys).message
    assert "The keys of the account are switched off" in said, said
    aks.deploy().succeeded()


def test_an_account_without_its_identity_is_named_and_its_pods_are_replaced_when_it_has_one_again(
    aks: Deployment,
) -> None:
    refused = aks.deploy(mlflow_server_labels={}, mlflow_server_service_account_annotations={})
    for result in (refused, aks.play("health", mlflow_health_level="deep")):
        assert f"lacks the label {workload_identity.LABEL}" in result.message, result.message
    aks.deploy().succeeded()
    aks.play("health", mlflow_health_level="deep").succeeded()
