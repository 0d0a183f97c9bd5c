"""The part of the target eks that AWS gives, from nothing to nothing, against an emulator of AWS (moto)."""

from __future__ import annotations

import base64
import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes import config
from support.aws import ACCOUNT, REGION, SECRET
from support.playbooks import REPOSITORY, WITHOUT_FORKS, PlayResult, run_playbook

Client = Callable[[str], Any]
PLAYBOOK, INVENTORY = REPOSITORY / "playbooks/eks_cluster.yml", REPOSITORY / "inventories/eks/hosts.yml"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA0TEST0OF0THE0TARGET", "AWS_SECRET_ACCESS_KEY": SECRET}
REMOVE = {"eks_cluster_remove": True}


@dataclass
class Target:
    """A deployment of the target; each run is logged in by the environment, as people are."""

    name: str
    kubeconfig: Path

    def run(self, *options: str, **variables: Any) -> PlayResult:
        given = {
            "mlflow_name": self.name,
            "eks_cluster_account": ACCOUNT,
            "eks_cluster_kubeconfig": str(self.kubeconfig),
            "eks_cluster_public_access_cidrs": ["203.0.113.0/24"],
            **variables,
        }
        return run_playbook(PLAYBOOK, INVENTORY, given, *options, program=WITHOUT_FORKS)


@pytest.fixture
def target(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    return Target(f"mlflow-{uuid.uuid4().hex[:6]}", tmp_path / "kube/config")


@pytest.fixture
def another_vpc(client: Client) -> Iterator[str]:
    vpc = client("ec2").create_vpc(CidrBlock="10.42.128.0/17")["Vpc"]["VpcId"]
    yield vpc
    client("ec2").delete_vpc(VpcId=vpc)


def changed(done: PlayResult) -> list[str]:
    return [name for name, result in done.results if result.get("changed")]


def holds(client: Client, name: str) -> dict[str, list[str]]:
    """All that an account holds of a deployment, by kind."""
    ec2, iam = client("ec2"), client("iam")
    vpcs = [vpc["VpcId"] for vpc in ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [name]}])["Vpcs"]]
    within = [{"Name": "vpc-id", "Values": vpcs or ["none"]}]
    gateways = ec2.describe_nat_gateways(Filters=within)["NatGateways"]
    tables = ec2.describe_route_tables(Filters=within)["RouteTables"]
    found = {
        "vpcs": vpcs,
        "subnets": [one["SubnetId"] for one in ec2.describe_subnets(Filters=within)["Subnets"]],
        "gateways": [one["NatGatewayId"] for one in gateways if one["State"] != "deleted"],
        "addresses": [one["AllocationId"] for one in ec2.describe_addresses()["Addresses"]],
        "tables": [one["RouteTableId"] for one in tables if one.get("Tags")],
        "templates": [
            one["LaunchTemplateName"]
            for one in ec2.describe_launch_templates()["LaunchTemplates"]
            if one["LaunchTemplateName"].startswith(name)
        ],
        "clusters": [one for one in client("eks").list_clusters()["clusters"] if one == name],
        "providers": [one["Arn"] for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]],
        "roles": [one["RoleName"] for one in iam.list_roles()["Roles"] if one["RoleName"].startswith(name)],
        "buckets": [one["Name"] for one in client("s3").list_buckets()["Buckets"] if one["Name"].startswith(name)],
        "keys": [one["AliasName"] for one in client("kms").list_aliases()["Aliases"] if name in one["AliasName"]],
        "logs": [
            one["logGroupName"]
            for one in client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/eks/{name}/")["logGroups"]
        ],
    }
    return {kind: sorted(names) for kind, names in found.items() if names}


def test_it_comes_from_nothing_and_goes_with_nothing_but_data_left(target: Target, client: Client) -> None:
    name, before = target.name, holds(client, target.name)
    would = target.run("--check").succeeded()
    listed = str(would.results)
    for words in (
        f"EKS cluster {name}",
        "node group nodes of 2 to 4 nodes",
        "US dollars a month",
        f"bucket {name}-{ACCOUNT}",
    ):
        assert words in listed, words
    assert holds(client, name) == before == {}

    target.run().succeeded()
    made = holds(client, name)
    counts = {kind: len(names) for kind, names in made.items()}
    assert counts == {
        **{"vpcs": 1, "subnets": 4, "gateways": 1, "addresses": 1, "tables": 3, "templates": 1, "clusters": 1},
        **{"providers": 1, "roles": 6, "buckets": 2, "keys": 2, "logs": 1},
    }
    check_cluster(client, name)
    check_storage(client, name)
    check_login(target)

    assert changed(target.run().succeeded()) == []
    assert changed(target.run("--check", "--diff").succeeded()) == []

    elb = client("elb")
    subnet = client("ec2").describe_subnets(Filters=[{"Name": "vpc-id", "Values": made["vpcs"]}])["Subnets"][0]
    listener = {"Protocol": "TCP", "LoadBalancerPort": 80, "InstancePort": 80}
    elb.create_load_balancer(LoadBalancerName="of-a-pod", Listeners=[listener], Subnets=[subnet["SubnetId"]])
    refused = target.run(**REMOVE)
    assert "load balancers (of-a-pod)" in refused.message and "Nothing was changed" in refused.message
    assert holds(client, name) == made
    elb.delete_load_balancer(LoadBalancerName="of-a-pod")

    removed = target.run(**REMOVE).succeeded()
    assert {kind: len(names) for kind, names in holds(client, name).items() if kind != "keys"} == {
        "buckets": 2,
        "logs": 1,
    }
    said = [str(result["msg"]) for task, result in removed.results if task.endswith("Report what stays")]
    assert f"/aws/eks/{name}/cluster, for 90 days" in said[1] and f"{name}-{ACCOUNT}-backups" in said[0]
    assert not target.kubeconfig.exists()
    assert changed(target.run(**REMOVE).succeeded()) == []
    target.run(**REMOVE, eks_storage_remove_data=True).succeeded()
    assert {kind for kind in holds(client, name) if kind != "keys"} == {"logs"}


def check_cluster(client: Client, name: str) -> None:
    cluster = client("eks").describe_cluster(name=name)["cluster"]
    network = cluster["resourcesVpcConfig"]
    assert (cluster["version"], cluster["accessConfig"]["authenticationMode"]) == ("1.34", "API")
    assert network["endpointPrivateAccess"] and network["publicAccessCidrs"] == ["203.0.113.0/24"]
    assert cluster["encryptionConfig"][0]["resources"] == ["secrets"] and cluster["tags"] == {
        "managed-by": "mlops.mlflow"
    }
    group = client("eks").describe_nodegroup(clusterName=name, nodegroupName="nodes")["nodegroup"]
    assert group["scalingConfig"] == {"minSize": 2, "maxSize": 4, "desiredSize": 2}
    ec2 = client("ec2")
    subnets = ec2.describe_subnets(SubnetIds=group["subnets"])["Subnets"]
    assert {tag["Key"] for one in subnets for tag in one["Tags"]} >= {"kubernetes.io/role/internal-elb"}
    [version] = ec2.describe_launch_template_versions(LaunchTemplateId=group["launchTemplate"]["id"])[
        "LaunchTemplateVersions"
    ]
    metadata = version["LaunchTemplateData"]["MetadataOptions"]
    assert (metadata["HttpTokens"], metadata["HttpPutResponseHopLimit"]) == ("required", 1)
    assert version["LaunchTemplateData"]["BlockDeviceMappings"][0]["Ebs"]["Encrypted"]
    driver = client("eks").describe_addon(clusterName=name, addonName="aws-ebs-csi-driver")["addon"]
    assert driver["serviceAccountRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/{name}-ebs-csi"


def check_storage(client: Client, name: str) -> None:
    s3, iam = client("s3"), client("iam")
    for bucket in (f"{name}-{ACCOUNT}-artifacts", f"{name}-{ACCOUNT}-backups"):
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
        [rule] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
        assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}
        [statement] = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
        assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
        [rule] = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] == 30
    role = iam.get_role(RoleName=f"{name}-server")["Role"]["AssumeRolePolicyDocument"]["Statement"][0]
    subjects = {key.rpartition(":")[2]: value for key, value in role["Condition"]["StringEquals"].items()}
    assert subjects == {"sub": f"system:serviceaccount:mlflow:{name}", "aud": "sts.amazonaws.com"}
    assert iam.list_role_policies(RoleName=f"{name}-server")["PolicyNames"] == ["artifacts"]
    assert sorted(iam.list_role_policies(RoleName=f"{name}-backup")["PolicyNames"]) == ["artifacts", "backups"]
    policy = iam.get_role_policy(RoleName=f"{name}-server", PolicyName="artifacts")["PolicyDocument"]["Statement"]
    artifacts = f"arn:aws:s3:::{name}-{ACCOUNT}-artifacts"
    assert [one["Resource"] for one in policy[:2]] == [artifacts, f"{artifacts}/mlflow-artifacts/*"]
    assert policy[0]["Condition"] == {"StringLike": {"s3:prefix": ["mlflow-artifacts", "mlflow-artifacts/*"]}}
    assert policy[2]["Resource"].startswith(f"arn:aws:kms:{REGION}:{ACCOUNT}:key/")


def check_login(target: Target) -> None:
    """The kubeconfig logs in without AWS CLI: its token is a request that tells STS who asks, for this cluster."""
    written = target.kubeconfig.read_text()
    assert not any(value in written for value in KEYS.values()) and target.kubeconfig.stat().st_mode & 0o077 == 0
    connected = config.new_client_from_config(str(target.kubeconfig))
    token = connected.configuration.api_key["BearerToken"].removeprefix("Bearer k8s-aws-v1.")
    url = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    assert "X-Amz-Expires=60" in url and "x-k8s-aws-id" in url
    with urllib.request.urlopen(urllib.request.Request(url, headers={"x-k8s-aws-id": target.name})) as answer:
        assert ACCOUNT in answer.read().decode()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"eks_cluster_account": "210987654321"}, "log in to that one"),
        ({"eks_cluster_account": ""}, "give the 12 digits"),
        ({"eks_storage_artifact_bucket": ""}, "eks_storage_artifact_bucket is empty"),
        ({"eks_storage_artifact_prefix": "*"}, "'*' is no prefix"),
    ],
)
def test_bad_input_gets_one_clear_error_before_anything_is_changed(
    target: Target, client: Client, variables: dict[str, Any], words: str
) -> None:
    refused = target.run(**variables)
    assert refused.code != 0 and words in refused.message
    assert holds(client, target.name) == {}


def test_a_network_that_overlaps_another_is_refused(target: Target, another_vpc: str) -> None:
    assert f"overlaps the VPC {another_vpc}" in target.run().message


def test_a_cluster_of_somebody_else_is_not_taken(target: Target, client: Client, cluster: str) -> None:
    target.name = cluster
    refused = target.run()
    assert f"The cluster {cluster} exists, in the VPC" in refused.message and "eks_cluster_existing" in refused.message
    assert "which this role has not created" in target.run(**REMOVE).message
    assert client("eks").describe_cluster(name=cluster)["cluster"]["status"] == "ACTIVE"


def test_who_is_not_logged_in_is_told_how_to(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert "Give access_key and secret_key, or a profile, or let the environment" in target.run().message
