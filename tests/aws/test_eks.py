"""What community.aws lacks of EKS, in playbooks against an emulator. Examples of the documentation run as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support import examples
from support.aws import SECRET, Play

Client = Callable[[str], Any]
OPEN, CLOSED = ["0.0.0.0/0"], ["203.0.113.0/24"]


def changed(results: list[tuple[str, dict[str, Any]]]) -> list[bool]:
    return [bool(result["changed"]) for _name, result in results]


def test_the_group_says_once_for_modules_of_all_three_collections_which_aws_is_meant(
    play: Play, client: Client
) -> None:
    cluster = {
        "name": "by-community",
        "version": "1.32",
        "role_arn": "arn:aws:iam::123456789012:role/cluster",
        "subnets": ["{{ subnet.subnet.id }}"],
        "security_groups": ["default"],
    }
    subnet = {"vpc_id": "{{ vpc.vpc.id }}", "cidr": "10.0.1.0/24"}
    tasks = [
        {"name": "vpc", "amazon.aws.ec2_vpc_net": {"name": "v", "cidr_block": "10.0.0.0/16"}, "register": "vpc"},
        {"name": "subnet", "amazon.aws.ec2_vpc_subnet": subnet, "register": "subnet"},
        {"name": "cluster", "community.aws.eks_cluster": cluster},
        {"name": "provider", "mlops.mlflow.eks_oidc_provider": {"cluster": "by-community"}},
        {"name": "remove", "mlops.mlflow.eks_oidc_provider": {"cluster": "by-community", "state": "absent"}},
    ]
    done = play(tasks).succeeded()
    assert done.of("provider")["arn"].startswith("arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-west-2.")
    client("eks").delete_cluster(name="by-community")


def test_examples_of_the_provider(play: Play, client: Client, cluster: str) -> None:
    iam = client("iam")
    issuer = client("eks").describe_cluster(name=cluster)["cluster"]["identity"]["oidc"]["issuer"]
    places = {"cluster: mlflow": f"cluster: {cluster}", "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE": issuer}
    create, remove, remove_by_issuer = examples.of("eks_oidc_provider", places)

    would = play([create], "--check", "--diff").succeeded()
    assert changed(would.results) == [True] and iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
    done = play([create, create]).succeeded()
    assert changed(done.results) == [True, False]
    arn = done.results[-1][1]["arn"]
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert f"https://{found['Url']}" == issuer and found["ClientIDList"] == ["sts.amazonaws.com"]
    assert found["Tags"] == [{"Key": "team", "Value": "ml-platform"}]

    removed = play([remove, remove, remove_by_issuer, create, remove_by_issuer]).succeeded()
    assert changed(removed.results) == [True, False, False, True, True]
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


def test_examples_of_the_configuration(play: Play, client: Client, cluster: str) -> None:
    tasks = examples.of("eks_cluster_config", {"name: mlflow": f"name: {cluster}"})
    eks = client("eks")
    before = eks.describe_cluster(name=cluster)["cluster"]
    would = play(tasks, "--check", "--diff").succeeded()
    assert changed(would.results) == [True] * 4
    assert eks.describe_cluster(name=cluster)["cluster"] == before
    done = play(tasks).succeeded()
    for (name, planned), (_name, did) in zip(would.results, done.results, strict=True):
        assert (planned["changes"], planned["updates"]) == (did["changes"], did["updates"]), name
    assert [update for _name, result in done.results for update in result["updates"]] == [
        "access mode API_AND_CONFIG_MAP",
        "access mode API",
        "endpoint access",
        "logging",
        "encryption of Secrets",
        "creation",
        "version 1.33",
    ]
    after = eks.describe_cluster(name=cluster)["cluster"]
    assert after["status"] == "ACTIVE" and after["version"] == "1.33"
    assert after["accessConfig"] == {"authenticationMode": "API"}
    network = after["resourcesVpcConfig"]
    assert (before["resourcesVpcConfig"]["publicAccessCidrs"], network["publicAccessCidrs"]) == (OPEN, CLOSED)
    assert network["endpointPrivateAccess"] and network["subnetIds"] == before["resourcesVpcConfig"]["subnetIds"]
    assert {"types": ["api", "audit", "authenticator"], "enabled": True} in after["logging"]["clusterLogging"]
    assert after["encryptionConfig"][0]["provider"]["keyArn"].startswith("arn:aws:kms:")
    made = eks.describe_cluster(name="created")["cluster"]
    assert not made["resourcesVpcConfig"]["endpointPublicAccess"] and made["tags"] == {"team": "ml-platform"}
    assert changed(play(tasks).succeeded().results) == [False] * 4
    eks.delete_cluster(name="created")


def test_examples_of_ownership(play: Play, client: Client) -> None:
    ecr = client("ecr")
    made = ecr.create_repository(repositoryName="mlflow")["repository"]
    tasks = examples.of("aws_ownership", {})
    marked = [task for task in tasks if "Mark" in task["name"]]
    done = play([*tasks, *marked]).succeeded()
    assert done.of(tasks[0]["name"])["foreign"] == []
    assert changed(done.results)[-2:] == [True, False]
    tags = ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"]
    assert {"Key": "mlops.mlflow/deployment", "Value": "us-west-2/mlflow"} in tags


def test_the_example_of_an_inspection(play: Play, cluster: str) -> None:
    [task] = examples.of("eks_cluster_info", {"name: mlflow": f"name: {cluster}"})
    found = play([task]).succeeded().of("Inspect a cluster")
    assert (found["account"], found["cluster"]["status"]) == ("123456789012", "ACTIVE")
    assert "us-west-2a" in found["zones"] and found["left"] == {"load_balancers": [], "volumes": [], "others": []}


def test_examples_of_an_access_entry(play: Play, client: Client, cluster: str) -> None:
    eks = client("eks")
    give, take = examples.of("eks_access_entry", {"cluster: mlflow": f"cluster: {cluster}"})
    refused = play([give])
    assert "takes no access entries: its access mode is CONFIG_MAP" in refused.message
    mode = {"name": cluster, "authentication_mode": "API_AND_CONFIG_MAP"}
    play([{"name": "mode", "mlops.mlflow.eks_cluster_config": mode}]).succeeded()

    would = play([give], "--check", "--diff").succeeded()
    done = play([give, give]).succeeded()
    assert changed([*would.results, *done.results]) == [True, True, False]
    entry = {"clusterName": cluster, "principalArn": give["mlops.mlflow.eks_access_entry"]["principal"]}
    assert eks.describe_access_entry(**entry)["accessEntry"]["kubernetesGroups"] == ["ml-platform"]
    scopes = {
        one["policyArn"].rpartition("/")[2]: one["accessScope"]
        for one in eks.list_associated_access_policies(**entry)["associatedAccessPolicies"]
    }
    assert scopes == {
        "AmazonEKSEditPolicy": {"type": "namespace", "namespaces": ["mlflow"]},
        "AmazonEKSViewPolicy": {"type": "cluster"},
    }
    assert would.results[0][1]["entry"]["policies"] == done.results[0][1]["entry"]["policies"]

    less = {name: value for name, value in give["mlops.mlflow.eks_access_entry"].items() if name != "groups"}
    less |= {"policies": [{"policy": "AmazonEKSViewPolicy", "namespaces": ["mlflow"]}], "tags": {"team": "ml"}}
    play([{"name": "less", "mlops.mlflow.eks_access_entry": less}]).succeeded()
    [left] = eks.list_associated_access_policies(**entry)["associatedAccessPolicies"]
    assert left["accessScope"] == {"type": "namespace", "namespaces": ["mlflow"]}
    now = eks.describe_access_entry(**entry)["accessEntry"]
    assert (now["kubernetesGroups"], now["tags"]) == (["ml-platform"], {"team": "ml"})

    assert changed(play([take, take]).succeeded().results) == [True, False]


def test_examples_of_an_addon(play: Play, client: Client, cluster: str) -> None:
    eks = client("eks")
    volumes, network, unmanaged = examples.of("eks_addon", {"cluster: mlflow": f"cluster: {cluster}"})
    options = volumes["mlops.mlflow.eks_addon"]
    without_nodes = play([{**volumes, "mlops.mlflow.eks_addon": options | {"wait_timeout": 0}}])
    assert "is still DEGRADED (InsufficientNumberOfReplicas: " in without_nodes.message
    role = "arn:aws:iam::123456789012:role/node"
    eks.create_nodegroup(clusterName=cluster, nodegroupName="n", nodeRole=role, subnets=["subnet-1"])
    assert changed(play([volumes], "--check").succeeded().results) == [False]
    eks.delete_addon(clusterName=cluster, addonName="aws-ebs-csi-driver")

    would = play([volumes, network], "--check", "--diff").succeeded()
    done = play([volumes, network, volumes, network]).succeeded()
    assert changed([*would.results, *done.results]) == [True, True, True, True, False, False]
    addon = eks.describe_addon(clusterName=cluster, addonName="aws-ebs-csi-driver")["addon"]
    assert addon["serviceAccountRoleArn"] == options["service_account_role"]
    assert (addon["status"], addon["tags"]) == ("ACTIVE", {"team": "ml-platform"})
    assert would.results[0][1]["addon"] | {"arn": addon["addonArn"]} == done.results[0][1]["addon"]
    newer = {"cluster": cluster, "name": "aws-ebs-csi-driver", "version": "v1.20.0-eksbuild.1", "tags": {"team": "ml"}}
    play([{"name": "newer", "mlops.mlflow.eks_addon": newer}]).succeeded()
    addon = eks.describe_addon(clusterName=cluster, addonName="aws-ebs-csi-driver")["addon"]
    assert (addon["addonVersion"], addon["tags"]) == ("v1.20.0-eksbuild.1", {"team": "ml"})
    assert addon["serviceAccountRoleArn"] == options["service_account_role"]

    assert changed(play([unmanaged, unmanaged]).succeeded().results) == [True, False]
    unknown = {"name": "unknown", "mlops.mlflow.eks_addon": {"cluster": cluster, "name": "nothing", "version": "v1"}}
    assert "EKS has no add-on of this name" in play([unknown]).message
    eks.delete_nodegroup(clusterName=cluster, nodegroupName="n")


def test_examples_of_the_version_of_node_groups(play: Play, client: Client, cluster: str) -> None:
    eks = client("eks")
    everyone, behind, one = examples.of("eks_nodegroup_version", {"cluster: mlflow": f"cluster: {cluster}"})
    role = "arn:aws:iam::123456789012:role/node"
    for name in ("batch", "nodes"):
        eks.create_nodegroup(
            clusterName=cluster, nodegroupName=name, nodeRole=role, subnets=["subnet-1"], version="1.32"
        )

    def versions() -> list[str]:
        described = (eks.describe_nodegroup(clusterName=cluster, nodegroupName=name) for name in ("batch", "nodes"))
        return [one["nodegroup"]["version"] for one in described]

    raised = {"name": "raise", "mlops.mlflow.eks_cluster_config": {"name": cluster, "version": "1.33"}}
    would = play([raised, behind]).succeeded().of(behind["name"])
    assert would["changed"] and would["diff"]["before"] == {"batch": "1.32", "nodes": "1.32"}
    assert versions() == ["1.32", "1.32"]
    done = play([one, one]).succeeded()
    assert (changed(done.results), versions()) == ([True, False], ["1.33", "1.32"])
    done = play([everyone, everyone]).succeeded()
    assert (changed(done.results), versions()) == ([True, False], ["1.33", "1.33"])
    for name in ("batch", "nodes"):
        eks.delete_nodegroup(clusterName=cluster, nodegroupName=name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"version": "1.34"}, "set version to '1.33'"),
        ({"version": 1.3}, "YAML reads 1.30 as 1.3"),
        ({"endpoint_public_access": "no"}, "Nobody could reach it"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_changed(
    play: Play, client: Client, cluster: str, options: dict[str, Any], words: str
) -> None:
    before = client("eks").describe_cluster(name=cluster)["cluster"]
    task = {"name": "configure", "mlops.mlflow.eks_cluster_config": {"name": cluster, "logging": ["api"], **options}}
    refused = play([task])
    assert refused.code != 0 and words in refused.message
    assert client("eks").describe_cluster(name=cluster)["cluster"] == before


def test_a_run_that_was_ended_is_taken_up_by_the_next_one(play: Play, client: Client, cluster: str) -> None:
    eks = client("eks")
    eks.update_cluster_version(name=cluster, version="1.33")
    options = {"name": cluster, "version": "1.33", "logging": ["api"], "public_access_cidrs": CLOSED}
    task = {"name": "configure", "mlops.mlflow.eks_cluster_config": options}
    assert play([task]).succeeded().of("configure")["updates"] == ["endpoint access", "logging"]


def test_a_first_deploy_can_be_tried_before_anything_exists(play: Play) -> None:
    tasks = [
        {"name": "configure", "mlops.mlflow.eks_cluster_config": {"name": "planned", "authentication_mode": "API"}},
        {"name": "provider", "mlops.mlflow.eks_oidc_provider": {"cluster": "planned"}},
    ]
    would = play(tasks, "--check").succeeded()
    assert would.of("configure")["changes"] == {"authentication_mode": {"before": None, "after": "API"}}
    assert (would.of("provider")["changed"], would.of("provider")["issuer"]) == (True, "")
    for task in tasks:
        assert "There is no cluster planned in this region and account" in play([task]).message


def test_a_secret_key_is_in_no_output(play: Play, cluster: str) -> None:
    tasks = [
        {"name": "provider", "mlops.mlflow.eks_oidc_provider": {"cluster": cluster, "tags": {"team": "ml"}}},
        {"name": "configure", "mlops.mlflow.eks_cluster_config": {"name": cluster, "logging": ["api"]}},
        {"name": "fail", "mlops.mlflow.eks_cluster_config": {"name": "nothing", "session_token": f"{SECRET}-token"}},
    ]
    done = play(tasks, "--diff", "-vvv")
    assert "There is no cluster nothing" in done.message
    assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in done.output, "what modules were told is shown"
    assert SECRET not in done.output
    play([{**tasks[0], "mlops.mlflow.eks_oidc_provider": {"cluster": cluster, "state": "absent"}}]).succeeded()
