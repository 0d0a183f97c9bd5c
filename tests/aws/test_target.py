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

import boto3
import pytest
from botocore.exceptions import ClientError
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
            "eks_cluster_repositories": [self.name],
            "eks_storage_backup_lock_days": 7,
            "efs_csi_file_systems": 2,
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
        "images": [
            one["repositoryName"]
            for one in client("ecr").describe_repositories()["repositories"]
            if one["repositoryName"] == name
        ],
        "file systems": [
            one["FileSystemId"]
            for one in client("efs").describe_file_systems()["FileSystems"]
            if one["CreationToken"].startswith(name)
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
        **{"providers": 1, "roles": 8, "buckets": 2, "keys": 3, "logs": 1, "images": 1, "file systems": 2},
    }
    check_cluster(client, name)
    check_autoscaler(client, name)
    check_storage(client, name)
    check_rights(client, target)
    check_file_systems(client, name)
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
        "images": 1,
        "file systems": 2,
    }
    assert mount_targets(client, name) == [], "the network is gone"
    said = [str(result["msg"]) for task, result in removed.results if task.endswith("Report what stays")]
    assert f"EFS file systems {name}, {name}-2" in said[0] and f"{name}-{ACCOUNT}-backups" in said[1]
    assert f"/aws/eks/{name}/cluster, for 90 days" in said[2] and f"repositories of images - {name}" in said[2]
    assert not target.kubeconfig.exists()
    assert changed(target.run(**REMOVE).succeeded()) == []
    all_data = {"eks_storage_remove_data": True, "efs_csi_remove_data": True, "eks_cluster_remove_images": True}
    target.run(**REMOVE, **all_data).succeeded()
    assert {kind for kind in holds(client, name) if kind != "keys"} == {"logs"}


def check_cluster(client: Client, name: str) -> None:
    cluster = client("eks").describe_cluster(name=name)["cluster"]
    network = cluster["resourcesVpcConfig"]
    assert (cluster["version"], cluster["accessConfig"]["authenticationMode"]) == ("1.34", "API")
    assert network["endpointPrivateAccess"] and network["publicAccessCidrs"] == ["203.0.113.0/24"]
    assert cluster["encryptionConfig"][0]["resources"] == ["secrets"] and cluster["tags"] == {
        "managed-by": "mlops.mlflow",
        "mlops.mlflow/deployment": f"{REGION}/{name}",
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


def check_autoscaler(client: Client, name: str) -> None:
    """Only its service account has the role, which changes the size of this cluster's node groups alone."""
    iam = client("iam")
    trust = iam.get_role(RoleName=f"{name}-autoscaler")["Role"]["AssumeRolePolicyDocument"]["Statement"][0]
    assert "system:serviceaccount:kube-system:cluster-autoscaler" in trust["Condition"]["StringEquals"].values()
    policy = iam.get_role_policy(RoleName=f"{name}-autoscaler", PolicyName="nodes")["PolicyDocument"]["Statement"]
    seen, groups, changes = policy
    assert all(":Describe" in one or ":Get" in one for one in seen["Action"])
    assert groups["Resource"].endswith(f":{ACCOUNT}:nodegroup/{name}/*")
    assert changes["Action"] == ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
    tag = {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{name}": "owned"}
    assert changes["Condition"] == {"StringEquals": tag}


def mount_targets(client: Client, name: str) -> list[dict[str, Any]]:
    efs = client("efs")
    found = [one for one in efs.describe_file_systems()["FileSystems"] if one["CreationToken"].startswith(name)]
    return [
        target
        for one in found
        for target in efs.describe_mount_targets(FileSystemId=one["FileSystemId"])["MountTargets"]
    ]


def check_file_systems(client: Client, name: str) -> None:
    """Encrypted, with a mount target in each zone that only the nodes reach, and a driver with a role of its own."""
    efs, ec2, iam = client("efs"), client("ec2"), client("iam")
    found = [one for one in efs.describe_file_systems()["FileSystems"] if one["CreationToken"].startswith(name)]
    assert all(one["Encrypted"] and ":key/" in one["KmsKeyId"] for one in found)
    targets = mount_targets(client, name)
    zones = [(target["FileSystemId"], target["AvailabilityZoneName"]) for target in targets]
    # In whatever order: the targets are made side by side.
    systems = sorted({one for one, _ in zones})
    assert len(systems) == 2
    assert sorted(zones) == [(one, f"{REGION}{zone}") for one in systems for zone in "ab"]
    nodes = client("eks").describe_cluster(name=name)["cluster"]["resourcesVpcConfig"]["clusterSecurityGroupId"]
    for target in targets:
        [group] = efs.describe_mount_target_security_groups(MountTargetId=target["MountTargetId"])["SecurityGroups"]
        [rule] = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
        assert (rule["FromPort"], rule["ToPort"], rule["IpRanges"]) == (2049, 2049, [])
        assert [pair["GroupId"] for pair in rule["UserIdGroupPairs"]] == [nodes]
    driver = client("eks").describe_addon(clusterName=name, addonName="aws-efs-csi-driver")["addon"]
    assert driver["serviceAccountRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/{name}-efs-csi"
    trust = iam.get_role(RoleName=f"{name}-efs-csi")["Role"]["AssumeRolePolicyDocument"]["Statement"][0]
    subjects = next(value for key, value in trust["Condition"]["StringEquals"].items() if key.endswith(":sub"))
    accounts = ["efs-csi-controller-sa", "efs-csi-node-sa"]
    assert subjects == [f"system:serviceaccount:kube-system:{one}" for one in accounts]


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
    lock = s3.get_object_lock_configuration(Bucket=f"{name}-{ACCOUNT}-backups")["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 7}
    [repository] = client("ecr").describe_repositories(repositoryNames=[name])["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE" and repository["imageScanningConfiguration"]["scanOnPush"]
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


def token_of(account: str) -> str:
    """As a cluster would sign it; the emulator believes the claims."""
    claims = {"sub": f"system:serviceaccount:mlflow:{account}", "aud": ["sts.amazonaws.com"], "iss": "https://cluster"}
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.signature"


def check_rights(client: Client, target: Target) -> None:
    """With moto asking for the rights of a role: each reaches what is its own, and a service account its own role."""
    name = target.name

    def assume(role: str, account: str) -> Any:
        arn = f"arn:aws:iam::{ACCOUNT}:role/{name}-{role}"
        given = client("sts").assume_role_with_web_identity(
            RoleArn=arn, RoleSessionName="test", WebIdentityToken=token_of(account)
        )["Credentials"]
        keys = {"aws_access_key_id": given["AccessKeyId"], "aws_secret_access_key": given["SecretAccessKey"]}
        endpoint = client("s3").meta.endpoint_url
        session = given["SessionToken"]
        return boto3.client("s3", region_name=REGION, endpoint_url=endpoint, aws_session_token=session, **keys)

    artifacts, backups = f"{name}-{ACCOUNT}-artifacts", f"{name}-{ACCOUNT}-backups"
    server, backup = assume("server", name), assume("backup", f"{name}-backup")
    for who, bucket, key, allowed in (
        (server, artifacts, "mlflow-artifacts/1/model", True),
        (server, artifacts, "other/1", False),
        (server, backups, "mlflow-backups/1", False),
        (backup, artifacts, "mlflow-artifacts/1/model", True),
        (backup, backups, "elsewhere/1", False),
    ):
        if allowed:
            who.put_object(Bucket=bucket, Key=key, Body=b"1")
            assert who.get_object(Bucket=bucket, Key=key)["Body"].read() == b"1"
            who.delete_object(Bucket=bucket, Key=key)
        else:
            with pytest.raises(ClientError, match="AccessDenied"):
                who.put_object(Bucket=bucket, Key=key, Body=b"1")
    for role, account in (("server", f"{name}-backup"), ("backup", name), ("server", "default")):
        with pytest.raises(ClientError, match="Not authorized to perform sts:AssumeRoleWithWebIdentity"):
            assume(role, account)


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
