# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an account holds of a cluster and around it, before anything is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import ownership
from .client import Service
from .plan import INNER
from .updates import cluster as described


def inspect(service: Callable[[str], Service], name: str) -> dict[str, Any]:
    """
    :param service: gives a service of AWS by its name.
    :returns: C(account), C(principal), C(zones), C(vpcs), C(cluster) ({} where there is none), C(left): what pods have
        made outside of the cluster, C(load_balancers) of its network and C(volumes), and C(others): what somebody
        else put into its network.
    """
    caller = service("sts").call("get_caller_identity")
    ec2, eks = service("ec2"), service("eks")
    only = [{"Name": "zone-type", "Values": ["availability-zone"]}]
    zones = ec2.call("describe_availability_zones", Filters=only)["AvailabilityZones"]
    vpcs = [_vpc(vpc) for vpc in ec2.pages("describe_vpcs", "Vpcs")]
    found = described(eks, name)
    cluster = _cluster(eks, ec2, found) if found else {}
    network = cluster.get("vpc") or next((vpc["id"] for vpc in vpcs if vpc["name"] == name), "")
    return {
        "account": caller["Account"],
        "principal": caller["Arn"],
        "zones": sorted(zone["ZoneName"] for zone in zones if zone.get("State", "available") == "available"),
        "vpcs": vpcs,
        "cluster": cluster,
        "left": {
            "load_balancers": _load_balancers(service, network) if network else [],
            "volumes": _volumes(ec2, name),
            "others": _others(ec2, network, ownership.deployment(ownership.Place(service), name)) if network else [],
        },
    }


def _vpc(vpc: Mapping[str, Any]) -> dict[str, Any]:
    blocks = vpc.get("CidrBlockAssociationSet") or [vpc]
    cidrs = sorted(
        {block["CidrBlock"] for block in blocks if block.get("CidrBlockState", {}).get("State") != "disassociated"}
    )
    return {"id": vpc["VpcId"], "name": _name(vpc.get("Tags", [])), "cidrs": cidrs}


def _cluster(eks: Service, ec2: Service, found: Mapping[str, Any]) -> dict[str, Any]:
    network = found.get("resourcesVpcConfig", {})
    # By a filter: asked by their names, one that is gone would be an error.
    own = [{"Name": "subnet-id", "Values": sorted(network.get("subnetIds", []))}]
    subnets = ec2.pages("describe_subnets", "Subnets", Filters=own)
    names = eks.pages("list_nodegroups", "nodegroups", clusterName=found["name"])
    groups = [eks.find("describe_nodegroup", clusterName=found["name"], nodegroupName=name) for name in names]
    return {
        "status": found.get("status", ""),
        "version": found.get("version", ""),
        "vpc": network.get("vpcId", ""),
        "subnets": sorted(network.get("subnetIds", [])),
        "inner_subnets": _one_a_zone(subnets),
        "security_group": network.get("clusterSecurityGroupId", ""),
        "endpoint": found.get("endpoint", ""),
        "certificate_authority": found.get("certificateAuthority", {}).get("data", ""),
        "issuer": found.get("identity", {}).get("oidc", {}).get("issuer", ""),
        "node_groups": {
            group["nodegroup"]["nodegroupName"]: group["nodegroup"].get("scalingConfig", {}).get("desiredSize", 0)
            for group in groups
            if group
        },
    }


def _one_a_zone(subnets: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where what pods alone reach is put; of a zone's subnets that of its nodes, and the same one each time."""
    found: dict[str, str] = {}
    for subnet in sorted(subnets, key=lambda one: (not _tag(one.get("Tags", []), INNER), one["SubnetId"])):
        found.setdefault(subnet["AvailabilityZone"], subnet["SubnetId"])
    return sorted(found.values())


def _load_balancers(service: Callable[[str], Service], network: str) -> list[str]:
    """Of both kinds: a network that has one cannot be removed."""
    newer = service("elbv2").pages("describe_load_balancers", "LoadBalancers")
    older = service("elb").pages("describe_load_balancers", "LoadBalancerDescriptions")
    found = [(one.get("VpcId"), one["LoadBalancerName"]) for one in newer]
    found += [(one.get("VPCId"), one["LoadBalancerName"]) for one in older]
    return sorted(name for vpc, name in found if vpc == network)


def _others(ec2: Service, network: str, deployment: str) -> list[str]:
    """Ways out of the network that the deployment did not make; it would go only with them."""
    within = [{"Name": "vpc-id", "Values": [network]}]
    found = [(one["VpcEndpointId"], one) for one in ec2.pages("describe_vpc_endpoints", "VpcEndpoints", Filters=within)]
    there = [*within, {"Name": "state", "Values": ["pending", "available", "failed"]}]
    found += [(one["NatGatewayId"], one) for one in ec2.pages("describe_nat_gateways", "NatGateways", Filter=there)]
    tags = {one: {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])} for one, described in found}
    return sorted(one for one in tags if not ownership.is_ours(tags[one], deployment))


def _volumes(ec2: Service, cluster: str) -> list[str]:
    """By the tag that the driver of volumes gives them; with the claim that they are of, where it says that."""
    owned = [{"Name": f"tag:kubernetes.io/cluster/{cluster}", "Values": ["owned"]}]
    volumes = ec2.pages("describe_volumes", "Volumes", Filters=owned)
    claims = {one["VolumeId"]: _tag(one.get("Tags", []), "kubernetes.io/created-for/pvc/name") for one in volumes}
    # The disk of a node goes with its node.
    disks = {one["VolumeId"] for one in volumes if _tag(one.get("Tags", []), "eks:cluster-name")}
    return sorted(f"{volume} {claim}".strip() for volume, claim in claims.items() if volume not in disks)


def _name(tags: Sequence[Mapping[str, str]]) -> str:
    return _tag(tags, "Name")


def _tag(tags: Sequence[Mapping[str, str]], name: str) -> str:
    return next((tag["Value"] for tag in tags if tag["Key"] == name), "")
