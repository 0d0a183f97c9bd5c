"""What an EKS cluster is made of, what it costs, and what is refused before anything is created."""

from __future__ import annotations

import ipaddress
from itertools import combinations
from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws import inspect, prices
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws.client import Service
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws.plan import plan
from support.aws import ACCOUNT, Call, answering

NODES = {"name": "nodes", "instance_type": "m7i.large", "min": 2, "max": 4, "disk_size": 50}
SETTINGS: dict[str, Any] = {
    "name": "mlflow",
    "account": ACCOUNT,
    "region": "us-west-2",
    "existing": False,
    "vpc_cidr": "10.42.0.0/16",
    "zones": ["us-west-2a", "us-west-2b"],
    "subnets": [],
    "egress": "nat",
    "public_access_cidrs": ["203.0.113.0/24"],
    "reserved_cidrs": [],
    "version": "1.34",
    "node_groups": [NODES],
    "autoscaler": True,
    "autoscaler_image": "",
    "repositories": [],
    "tags": {"team": "ml"},
    "prices": {},
}
EMPTY: dict[str, Any] = {
    "account": ACCOUNT,
    "principal": f"arn:aws:iam::{ACCOUNT}:user/me",
    "zones": ["us-west-2a", "us-west-2b", "us-west-2c"],
    "vpcs": [{"id": "vpc-default", "name": "", "cidrs": ["172.31.0.0/16"]}],
    "cluster": {},
    "left": {"load_balancers": [], "volumes": [], "others": []},
}
MIRRORED = f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com/cluster-autoscaler:v1.34.4"
OWN = {"id": "vpc-own", "name": "mlflow", "cidrs": ["10.42.0.0/16"]}


def planned(observed: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    return plan(SETTINGS | settings, observed or {})


@pytest.mark.parametrize("cidr", ["10.42.0.0/16", "192.168.4.0/22"])
@pytest.mark.parametrize("count", [2, 6])
def test_each_zone_has_a_subnet_for_nodes_and_one_for_load_balancers(cidr: str, count: int) -> None:
    zones = [f"us-west-2{letter}" for letter in "abcdef"[:count]]
    subnets = planned(vpc_cidr=cidr, zones=zones)["subnets"]
    assert [(one["zone"], one["public"]) for one in subnets] == [(z, p) for z in zones for p in (False, True)]
    networks = [ipaddress.ip_network(one["cidr"]) for one in subnets]
    assert all(one.subnet_of(ipaddress.ip_network(cidr)) for one in networks)  # type: ignore[arg-type]
    assert not any(one.overlaps(other) for one, other in combinations(networks, 2))
    assert networks[0].num_addresses == 8 * networks[1].num_addresses >= 128
    inner, outer = subnets[:2]
    assert inner["tags"] == {
        "Name": f"mlflow-private-{zones[0]}",
        "team": "ml",
        "kubernetes.io/role/internal-elb": "1",
        "kubernetes.io/cluster/mlflow": "shared",
    }
    assert outer["tags"]["kubernetes.io/role/elb"] == "1"


@pytest.mark.parametrize(
    ("egress", "gateways", "endpoints"),
    [("nat", ["a", "a"], False), ("nat_per_zone", ["a", "b"], False), ("endpoints", ["", ""], True)],
)
def test_how_nodes_reach_registries(egress: str, gateways: list[str], endpoints: bool) -> None:
    found = planned(egress=egress, autoscaler_image=MIRRORED)
    public, *private = found["routes"]
    assert (public["gateway"], len(public["subnets"])) == ("igw", 2)
    names = {"a": "mlflow-public-us-west-2a", "b": "mlflow-public-us-west-2b", "": ""}
    assert [table["gateway"] for table in private] == [names[one] for one in gateways]
    assert [one["subnet"] for one in found["gateways"]] == sorted({names[one] for one in gateways if one})
    assert ("ecr.dkr" in found["endpoints"]) == endpoints


def test_the_price_counts_what_costs_and_names_what_it_does_not_know() -> None:
    gpu = {"name": "gpu", "instance_type": "g6.xlarge", "min": 0, "max": 1, "disk_size": 100}
    assert planned(node_groups=[NODES, gpu])["costs"] == [
        "EKS control plane: 73",
        "NAT gateways (1): 36",
        "node group nodes: 2 to 4 m7i.large: 155 to 310",
        "together about 265 to 420 US dollars a month by prices of us-west-2 to be checked at https://calculator.aws, "
        "without traffic, logs and what is stored",
        "not counted, because eks_cluster_prices does not say what they cost: g6.xlarge",
    ]
    own = planned(
        node_groups=[gpu],
        egress="endpoints",
        autoscaler=False,
        prices={"g6.xlarge": 1, "volume": 0.1, "cluster": "0.2"},
    )
    assert own["costs"][:3] == [
        "EKS control plane: 146",
        "endpoints in zones (14): 102",
        "node group gpu: 0 to 1 g6.xlarge: 0 to 740",
    ]
    assert "us-west-2" not in own["costs"][-1]
    assert planned(existing=True)["costs"][0].startswith("node group")


def test_a_standby_of_a_database_costs_as_much_again() -> None:
    given = {"name": "d", "instance_class": "db.m7g.large", "storage_size": 20, "multi_az": True, "prices": {}}
    assert prices.database(given)[0] == "RDS d: 2 db.m7g.large with 20 GiB each: 250"
    assert prices.database({**given, "multi_az": False})[0].endswith(": 125")
    other = prices.database({**given, "instance_class": "db.x", "prices": {"storage": 1}})
    assert other[-1].endswith("rds_postgresql_prices does not say what they cost: db.x")


def test_what_a_check_run_lists_is_what_there_would_be() -> None:
    listed = planned()["creates"]
    assert listed[:4] == [
        "VPC mlflow 10.42.0.0/16",
        "internet gateway mlflow",
        "subnet mlflow-private-us-west-2a 10.42.0.0/19",
        "subnet mlflow-public-us-west-2a 10.42.224.0/22",
    ]
    assert listed[-3:] == ["EKS cluster mlflow", "node group nodes of 2 to 4 nodes", "autoscaler of nodes"]
    assert planned(repositories=["mlflow"])["creates"][-4] == "repository of images mlflow"
    given = planned(subnets=["subnet-1", "subnet-2"], autoscaler=False)
    assert given["creates"] == ["EKS cluster mlflow", "node group nodes of 2 to 4 nodes"] and given["vpc"] == ""
    assert planned(existing=True)["creates"] == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"account": ""}, "eks_cluster_account is ''"),
        ({"account": "123"}, "12 digits of the account in quotes"),
        ({"name": "My_cluster"}, "eks_cluster_name is 'My_cluster'"),
        ({"region": "oregon", "zones": ["oregona", "oregonb"]}, "eks_cluster_region is 'oregon'"),
        ({"zones": ["us-west-2a"]}, "eks_cluster_zones is us-west-2a: name two to six"),
        ({"zones": ["us-west-2a", "us-west-2a"]}, "name two to six different ones"),
        ({"zones": ["us-west-2a", "eu-west-1a"]}, "eu-west-1a, which is not of the region us-west-2"),
        ({"vpc_cidr": "10.42.0.0/24"}, "give a network of /16 to /22"),
        ({"vpc_cidr": "10.42.0.1/16"}, "eks_cluster_vpc_cidr is '10.42.0.1/16'"),
        ({"reserved_cidrs": ["10.0.0.0/8"]}, "10.42.0.0/16 overlaps 10.0.0.0/8 of eks_cluster_reserved_cidrs"),
        ({"reserved_cidrs": ["office"]}, "reserved_cidrs holds 'office', which is no network"),
        ({"public_access_cidrs": ["me"]}, "public_access_cidrs holds 'me'"),
        ({"node_groups": [NODES, NODES]}, "names nodes 2 times"),
        ({"node_groups": [NODES | {"min": 5}]}, "The node group nodes has 5 to 4 nodes"),
        ({"version": "1.99"}, "of Kubernetes 1.99 no version of the autoscaler is known here"),
        ({"egress": "endpoints"}, "put a copy into ECR and name it in eks_cluster_autoscaler_image"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], words: str) -> None:
    found = planned(**settings)
    assert len(found["errors"]) == 1 and words in found["errors"][0]
    assert (found["subnets"], found["misfits"]) == ([], [])


@pytest.mark.parametrize(
    ("observed", "settings", "words"),
    [
        ({"account": "210987654321"}, {}, "me in the account 210987654321, and eks_cluster_account is 123456789012"),
        ({}, {"existing": True}, "There is no cluster mlflow in us-west-2"),
        ({}, {"zones": ["us-west-2a", "us-west-2d"]}, "holds us-west-2d; the zones of us-west-2 are us-west-2a, "),
        ({"zones": []}, {}, "the zones of us-west-2 are none"),
        ({"cluster": {"vpc": "vpc-1"}}, {}, "The cluster mlflow exists, in the VPC vpc-1"),
        ({"cluster": {"vpc": "vpc-1"}, "vpcs": [OWN]}, {}, "The cluster mlflow exists, in the VPC vpc-1"),
        ({"vpcs": [OWN | {"cidrs": ["10.1.0.0/16"]}]}, {}, "is 10.1.0.0/16, and eks_cluster_vpc_cidr 10.42.0.0/16"),
        ({"vpcs": [OWN | {"name": "a", "cidrs": ["10.0.0.0/8"]}]}, {}, "overlaps the VPC vpc-own a (10.0.0.0/8)"),
    ],
)
def test_what_the_account_does_not_offer_is_refused(
    observed: dict[str, Any], settings: dict[str, Any], words: str
) -> None:
    [misfit] = planned(EMPTY | observed, **settings)["misfits"]
    assert words in misfit


def test_the_autoscaler_is_that_of_the_version_unless_an_image_is_named() -> None:
    assert planned()["autoscaler_image"] == "registry.k8s.io/autoscaling/cluster-autoscaler:v1.34.4"
    found = planned(egress="endpoints", autoscaler_image=MIRRORED)
    assert found["autoscaler_image"] == MIRRORED and "autoscaling" in found["endpoints"]
    assert planned(version="1.99", autoscaler=False)["errors"] == planned(version="1.99", existing=True)["errors"] == []
    assert planned(autoscaler=False)["autoscaler_image"] == planned(existing=True)["autoscaler_image"] == ""


def test_an_empty_account_and_what_a_first_run_has_left_are_both_good() -> None:
    assert planned(EMPTY)["misfits"] == []
    made = EMPTY | {"vpcs": [OWN], "cluster": {"vpc": "vpc-own", "node_groups": {"nodes": 3}}}
    found = planned(made)
    assert (found["misfits"], found["vpc"], found["node_groups"]) == ([], "vpc-own", ["nodes"])
    assert planned(made, subnets=["subnet-1"])["misfits"] == planned(made, existing=True)["misfits"] == []


@pytest.mark.parametrize(("now", "then"), [({}, 2), ({"nodes": 1}, 2), ({"nodes": 3}, 3), ({"nodes": 9}, 4)])
def test_how_many_nodes_there_are_stays_within_the_bounds(now: dict[str, int], then: int) -> None:
    made = EMPTY | {"vpcs": [OWN], "cluster": {"vpc": "vpc-own", "node_groups": now}}
    assert planned(made)["sizes"] == {"nodes": then}


def test_an_account_is_inspected() -> None:
    def tags(**given: str) -> list[dict[str, str]]:
        return [{"Key": name.replace("_", "/"), "Value": value} for name, value in given.items()]

    claim = [{"Key": "kubernetes.io/created-for/pvc/name", "Value": "data"}]
    disk = [{"Key": "eks:cluster-name", "Value": "mlflow"}]
    within = [{"Name": "vpc-id", "Values": ["v"]}]
    ours = [{"Key": "mlops.mlflow/deployment", "Value": "us-west-2/mlflow"}]
    owned = [{"Name": "tag:kubernetes.io/cluster/mlflow", "Values": ["owned"]}]
    vpc = {"VpcId": "v", "Tags": tags(Name="mlflow"), "CidrBlock": "10.42.0.0/16"}
    gone = {"CidrBlock": "10.9.0.0/16", "CidrBlockState": {"State": "disassociated"}}
    vpc["CidrBlockAssociationSet"] = [{"CidrBlock": "10.42.0.0/16"}, gone]
    network = {"vpcId": "v", "subnetIds": ["s2", "s1", "s3"], "clusterSecurityGroupId": "sg-1"}
    cluster = {"name": "mlflow", "status": "ACTIVE", "version": "1.34", "resourcesVpcConfig": network}
    asked = [{"Name": "subnet-id", "Values": ["s1", "s2", "s3"]}]
    inner = tags(**{"kubernetes.io_role_internal-elb": "1"})
    subnets: list[dict[str, Any]] = [
        {"SubnetId": "s1", "AvailabilityZone": "us-west-2a", "Tags": []},
        {"SubnetId": "s2", "AvailabilityZone": "us-west-2b", "Tags": []},
        {"SubnetId": "s3", "AvailabilityZone": "us-west-2a", "Tags": inner},
    ]
    group = {"nodegroupName": "nodes", "scalingConfig": {"desiredSize": 3}}
    only = [{"Name": "zone-type", "Values": ["availability-zone"]}]
    zones = [{"ZoneName": "us-west-2b", "State": "available"}, {"ZoneName": "us-west-2a", "State": "impaired"}]
    calls: dict[str, list[Call]] = {
        "sts": [("get_caller_identity", {}, {"Account": ACCOUNT, "Arn": "arn:aws:iam::1:user/me"})],
        "ec2": [
            ("describe_availability_zones", {"Filters": only}, {"AvailabilityZones": zones}),
            ("describe_vpcs", {}, {"Vpcs": [vpc]}),
            ("describe_subnets", {"Filters": asked}, {"Subnets": subnets}),
            (
                "describe_volumes",
                {"Filters": owned},
                {"Volumes": [{"VolumeId": "vol-1", "Tags": claim}, {"VolumeId": "vol-2", "Tags": disk}]},
            ),
            (
                "describe_vpc_endpoints",
                {"Filters": within},
                {"VpcEndpoints": [{"VpcEndpointId": "e1", "Tags": ours}, {"VpcEndpointId": "e2", "Tags": []}]},
            ),
            (
                "describe_nat_gateways",
                {"Filter": [*within, {"Name": "state", "Values": ["pending", "available", "failed"]}]},
                {"NatGateways": [{"NatGatewayId": "n1", "Tags": ours}, {"NatGatewayId": "n2"}]},
            ),
        ],
        "eks": [
            ("describe_cluster", {"name": "mlflow"}, {"cluster": cluster}),
            ("list_nodegroups", {"clusterName": "mlflow"}, {"nodegroups": ["nodes"]}),
            ("describe_nodegroup", {"clusterName": "mlflow", "nodegroupName": "nodes"}, {"nodegroup": group}),
        ],
        "elbv2": [
            (
                "describe_load_balancers",
                {},
                {"LoadBalancers": [{"VpcId": "v", "LoadBalancerName": "new"}, {"VpcId": "w", "LoadBalancerName": "x"}]},
            )
        ],
        "elb": [
            ("describe_load_balancers", {}, {"LoadBalancerDescriptions": [{"VPCId": "v", "LoadBalancerName": "old"}]})
        ],
    }
    opened: dict[str, Service] = {}
    contexts = {name: answering(name, *given) for name, given in calls.items()}
    for name, context in contexts.items():
        opened[name] = context.__enter__()
    found = inspect.inspect(opened.__getitem__, "mlflow")
    for context in contexts.values():
        context.__exit__(None, None, None)
    assert found["zones"] == ["us-west-2b"] and found["vpcs"] == [
        {"id": "v", "name": "mlflow", "cidrs": ["10.42.0.0/16"]}
    ]
    assert found["cluster"]["subnets"] == ["s1", "s2", "s3"] and found["cluster"]["security_group"] == "sg-1"
    assert found["cluster"]["inner_subnets"] == ["s2", "s3"], "one a zone, where its nodes are"
    assert found["cluster"]["node_groups"] == {"nodes": 3}
    assert found["left"] == {"load_balancers": ["new", "old"], "volumes": ["vol-1 data"], "others": ["e2", "n2"]}
