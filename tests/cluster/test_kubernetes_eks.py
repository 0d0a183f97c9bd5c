"""The target eks in one run of its playbook, from nothing to deeply healthy: AWS is an emulator, the cluster real.

What is emulated, and named as such: AWS by moto; EKS's webhook of roles by a stand-in (support/irsa.py). The kubeconfig
of the emulated cluster leads nowhere, so mlflow_cluster names the test cluster. Its volumes are of its own class, and
nodes are not autoscaled: the autoscaler's objects are only shown to the API server.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.tokens import claims
from support import irsa, moto
from support.aws import ACCOUNT, SECRET
from support.certificates import Authority
from support.kubernetes.deployment import Deployment
from support.kubernetes.host import ADDRESS, need
from support.kubernetes.kubectl import Kubectl
from support.rendered.roles import rendered

pytestmark = pytest.mark.cluster

NAMESPACE = "t-eks"
STORAGE_CLASS = "t-eks-gp3"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """By which the emulator serves TLS: for a role by a token, obstore asks nobody without."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def emulator(authority: Authority) -> Iterator[str]:
    """Where the emulator is, for pods and for this machine alike."""
    need()
    pair = authority.issue(ADDRESS, f"IP:{ADDRESS}")
    with moto.serving(ADDRESS, *pair) as endpoint, pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_CA_BUNDLE", str(authority.file))
        yield endpoint


@pytest.fixture(scope="module")
def aws(emulator: str) -> Callable[[str], Any]:
    return moto.clients(emulator)


@pytest.fixture(scope="module")
def eks(
    cluster: Kubectl,
    make: Callable[..., Deployment],
    emulator: str,
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("eks")
    deployment = make(
        NAMESPACE,
        eks_cluster_name=NAMESPACE,
        eks_cluster_account=ACCOUNT,
        eks_cluster_kubeconfig=str(folder / "kubeconfig"),
        eks_cluster_public_access_cidrs=["203.0.113.0/24"],
        eks_cluster_autoscaler=False,
        eks_cluster_storage_class=STORAGE_CLASS,
        mlflow_storage_class="",
        mlflow_server_replicas=1,
        mlflow_server_max_replicas=1,
        # Pods of AWS are told no URLs. Servers get of the pod's environment only what EKS puts there.
        mlflow_artifact_store_endpoint=emulator,
        mlflow_backup_endpoint=emulator,
        mlflow_server_env={"AWS_ENDPOINT_URL_STS": emulator, "AWS_CA_BUNDLE": irsa.AUTHORITY_FILE},
    )
    deployment.target = "eks"
    with pytest.MonkeyPatch.context() as patched:
        keys = {"AWS_ACCESS_KEY_ID": "AKIA0TEST0OF0THE0CLUSTER", "AWS_SECRET_ACCESS_KEY": SECRET}
        for name, value in {**keys, "AWS_ENDPOINT_URL": emulator}.items():
            patched.setenv(name, value)
        try:
            with irsa.webhook(cluster, NAMESPACE, ADDRESS, emulator, authority.file, folder):
                deployment.deploy().succeeded()
                yield deployment
        finally:
            deployment.remove()
            cluster("delete", "storageclass", STORAGE_CLASS, "--ignore-not-found", check=False)


def test_it_is_healthy_with_its_artifacts_in_a_bucket_and_no_key_anywhere(
    eks: Deployment, aws: Callable[[str], Any]
) -> None:
    said = eks.play("health", mlflow_health_level="full").succeeded().of("Report the verdict")["msg"]
    assert said.startswith("healthy at level full"), said
    # The smoke run of the deploy has written and removed: of that the bucket keeps versions.
    versions = aws("s3").list_object_versions(Bucket=f"mlflow-{ACCOUNT}-artifacts")
    keys = {one["Key"] for kind in ("Versions", "DeleteMarkers") for one in versions.get(kind, [])}
    assert keys and all(key.startswith("mlflow-artifacts/") for key in keys)
    held = " ".join(eks.secrets().values())
    assert SECRET not in held and "AKIA" not in held
    pod = eks.kubectl.json("get", "pod", eks.server())
    env = {one["name"]: one.get("value") for one in pod["spec"]["containers"][0]["env"]}
    assert env["AWS_ROLE_ARN"] == f"arn:aws:iam::{ACCOUNT}:role/mlflow-server" and "AWS_ACCESS_KEY_ID" not in env


def test_the_token_of_a_server_is_of_the_account_that_its_role_trusts(eks: Deployment) -> None:
    file = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
    said = claims(eks.kubectl.execute(eks.server(), "cat", file).strip())
    assert (said["sub"], said["aud"]) == (f"system:serviceaccount:{NAMESPACE}:mlflow", ["sts.amazonaws.com"])


def test_a_second_run_changes_nothing(eks: Deployment) -> None:
    assert eks.deploy().succeeded().stats["changed"] == 0


def test_backup_and_drill_use_the_role_of_backups(eks: Deployment, aws: Callable[[str], Any]) -> None:
    eks.play("backup").succeeded()
    listed = aws("s3").list_objects_v2(Bucket=f"mlflow-{ACCOUNT}-backups")["Contents"]
    assert listed and all(one["Key"].startswith("mlflow-backups/") for one in listed)
    eks.play("drill").succeeded()


def test_the_api_server_takes_the_autoscaler_and_the_storage_classes_of_efs(eks: Deployment, cluster: Kubectl) -> None:
    autoscaler = rendered(
        "eks_cluster/templates/autoscaler.yaml.j2",
        eks_cluster_name=NAMESPACE,
        eks_cluster_region="us-west-2",
        _eks_cluster_iam=f"arn:aws:iam::{ACCOUNT}",
        _eks_cluster_autoscaler={"role": "r", "image": "registry.k8s.io/autoscaling/cluster-autoscaler:v1.34.4"},
    )
    item = {"key": "t-efs", "value": "fs-0123456789abcdef0"}
    efs = rendered("efs_csi/templates/storage_class.yaml.j2", item=item, efs_csi_uid=10001, efs_csi_gid=10001)
    for text in (autoscaler, efs):
        said = cluster.within("kube-system")(
            "apply", "--dry-run=server", "--validate=strict", "--filename=-", stdin=text
        )
        assert said.count("(server dry run)") == len([one for one in yaml.safe_load_all(text) if one])


def test_health_names_a_role_that_does_not_trust_the_account(eks: Deployment, aws: Callable[[str], Any]) -> None:
    iam = aws("iam")
    trust = iam.get_role(RoleName="mlflow-server")["Role"]["AssumeRolePolicyDocument"]
    text = json.dumps(trust)
    try:
        other = text.replace(f"system:serviceaccount:{NAMESPACE}:mlflow", "system:serviceaccount:other:mlflow")
        iam.update_assume_role_policy(RoleName="mlflow-server", PolicyDocument=other)
        # A restart ends with the same checks, and says the same.
        for said in (eks.play("restart").message, eks.play("health", mlflow_health_level="deep").message):
            assert f"Its token is of system:serviceaccount:{NAMESPACE}:mlflow" in said, said
    finally:
        iam.update_assume_role_policy(RoleName="mlflow-server", PolicyDocument=text)


def test_an_account_without_its_role_is_named_and_its_pods_are_replaced_when_it_has_one_again(eks: Deployment) -> None:
    refused = eks.deploy(mlflow_server_service_account_annotations={})
    for result in (refused, eks.play("restart"), eks.play("health", mlflow_health_level="deep")):
        assert f"lacks the annotation {irsa.ANNOTATION}" in result.message, result.message
    eks.deploy().succeeded()
    eks.play("health", mlflow_health_level="deep").succeeded()
    assert eks.deploy().succeeded().stats["changed"] == 0


def test_the_kubeconfig_of_the_cluster_names_no_key(eks: Deployment) -> None:
    text = Path(eks.variables["eks_cluster_kubeconfig"]).read_text()
    assert "eks_token.py" in text and SECRET not in text
