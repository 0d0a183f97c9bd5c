# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an EKS cluster is made of: its subnets, what it costs, and what speaks against it.

Pure: the same settings and the same view of the account give the same plan, nothing is asked or changed.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .prices import estimate

# How nodes reach AWS, and the registry of an image.
EGRESS = ("nat", "nat_per_zone", "endpoints")
# Without a way out, these are asked through endpoints in the network; S3 has one in any case, which costs nothing.
ENDPOINTS = ("ec2", "ecr.api", "ecr.dkr", "eks", "elasticloadbalancing", "logs", "sts")
# Cluster Autoscaler, by the minor version of Kubernetes that it is built with: it simulates that one's scheduler.
AUTOSCALERS = {"1.33": "v1.33.5", "1.34": "v1.34.4", "1.35": "v1.35.1"}
_AUTOSCALER = "registry.k8s.io/autoscaling/cluster-autoscaler"
# Tags of subnets: what is in those of nodes is reached from within alone.
INNER = "kubernetes.io/role/internal-elb"
_ROLES = {True: "kubernetes.io/role/elb", False: INNER}
_SIZES = range(16, 23)
_NAME = re.compile(r"[a-z][a-z0-9-]{0,37}[a-z0-9]")


def plan(settings: Mapping[str, Any], observed: Mapping[str, Any]) -> dict[str, Any]:
    """
    :param settings: C(name), C(account), C(region), C(existing), C(vpc_cidr), C(zones), C(subnets) (those of somebody
        else), C(egress), C(public_access_cidrs), C(reserved_cidrs), C(version), C(node_groups), C(autoscaler),
        C(autoscaler_image), C(repositories), C(prices), C(tags); as in the role eks_cluster.
    :param observed: what the module eks_cluster_info returned; {} before.
    :returns: C(errors) of the settings, C(misfits) of the account, each a sentence; C(vpc): id of the role's own
        network if it is there; C(subnets) (C(name), C(zone), C(cidr), C(public), C(tags)); C(gateways) of NAT
        (C(subnet), C(tags)); C(routes), the route tables (C(name), C(subnets), C(tags), C(gateway): the public subnet
        of one of NAT, C(igw), or empty); C(endpoints); C(tags) of all else; C(node_groups): names of those that are
        there; C(sizes): how many nodes each requested one is to have; C(autoscaler_image): empty for no autoscaler;
        C(costs); C(creates): what a first run creates.
    """
    image = _autoscaler_image(settings)
    errors = [
        *_account_errors(settings),
        *_network_errors(settings),
        *_node_errors(settings["node_groups"]),
        *_autoscaler_errors(settings, image),
    ]
    own = not settings["existing"] and not settings["subnets"]
    subnets = _subnets(settings) if own and not errors else []
    gateways = _gateways(settings, subnets)
    endpoints = _endpoints(settings) if own else []
    costs = [] if errors else estimate(settings, len(gateways), len(endpoints) * len(settings["zones"]))
    return {
        "errors": errors,
        "misfits": _misfits(settings, observed, own) if observed and not errors else [],
        "vpc": next((vpc["id"] for vpc in observed.get("vpcs", []) if vpc["name"] == settings["name"]), "")
        if own
        else "",
        "subnets": subnets,
        "gateways": [{"subnet": name, "tags": {"Name": name, **settings["tags"]}} for name in gateways],
        "routes": _routes(settings, subnets, gateways),
        "endpoints": endpoints,
        "tags": {"Name": settings["name"], **settings["tags"]},
        "node_groups": sorted((observed.get("cluster") or {}).get("node_groups", {})),
        "sizes": _sizes(settings["node_groups"], (observed.get("cluster") or {}).get("node_groups", {})),
        "autoscaler_image": image,
        "costs": costs,
        "creates": _creates(settings, subnets, gateways, endpoints),
    }


def _endpoints(settings: Mapping[str, Any]) -> list[str]:
    if settings["egress"] != "endpoints":
        return []
    return sorted([*ENDPOINTS, *(["autoscaling"] if settings["autoscaler"] else [])])


def _autoscaler_image(settings: Mapping[str, Any]) -> str:
    if not settings["autoscaler"] or settings["existing"]:
        return ""
    tag = AUTOSCALERS.get(settings["version"], "")
    return str(settings["autoscaler_image"] or (f"{_AUTOSCALER}:{tag}" if tag else ""))


def _autoscaler_errors(settings: Mapping[str, Any], image: str) -> list[str]:
    if not settings["autoscaler"] or settings["existing"]:
        return []
    if not image:
        return [
            f"eks_cluster_autoscaler_image is empty, and of Kubernetes {settings['version']} no version of the "
            f"autoscaler is known here (known are those of {', '.join(AUTOSCALERS)}): name the image, or set "
            f"eks_cluster_autoscaler to false."
        ]
    if settings["egress"] == "endpoints" and image.startswith("registry.k8s.io/"):
        return [
            f"eks_cluster_egress is endpoints, so that nodes reach no registry but AWS's, and the autoscaler is "
            f"{image}: put a copy into ECR and name it in eks_cluster_autoscaler_image, or set eks_cluster_autoscaler "
            f"to false."
        ]
    return []


def _subnets(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One for nodes and one for load balancers a zone; nodes and their pods get most of the addresses."""
    network = ipaddress.IPv4Network(settings["vpc_cidr"])
    parts = list(network.subnets(prefixlen_diff=3))
    small = list(parts[-1].subnets(prefixlen_diff=3))
    found = []
    for number, zone in enumerate(settings["zones"]):
        for public in (False, True):
            name = f"{settings['name']}-{'public' if public else 'private'}-{zone}"
            cidr = str((small if public else parts)[number])
            tags = {
                "Name": name,
                **settings["tags"],
                _ROLES[public]: "1",
                f"kubernetes.io/cluster/{settings['name']}": "shared",
            }
            found.append({"name": name, "zone": zone, "cidr": cidr, "public": public, "tags": tags})
    return found


def _gateways(settings: Mapping[str, Any], subnets: Sequence[Mapping[str, Any]]) -> list[str]:
    public = [str(subnet["name"]) for subnet in subnets if subnet["public"]]
    return {"nat": public[:1], "nat_per_zone": public}.get(settings["egress"], [])


def _routes(
    settings: Mapping[str, Any], subnets: Sequence[Mapping[str, Any]], gateways: list[str]
) -> list[dict[str, Any]]:
    """One for all public subnets; and one a private one, so that a zone can have a gateway of its own."""
    public = [subnet["name"] for subnet in subnets if subnet["public"]]
    tables = [(f"{settings['name']}-public", public, "igw")] if public else []
    for number, subnet in enumerate(subnet for subnet in subnets if not subnet["public"]):
        gateway = gateways[number % len(gateways)] if gateways else ""
        tables.append((subnet["name"], [subnet["name"]], gateway))
    return [
        {"name": name, "subnets": members, "gateway": gateway, "tags": {"Name": name, **settings["tags"]}}
        for name, members, gateway in tables
    ]


def _sizes(groups: Sequence[Mapping[str, Any]], now: Mapping[str, int]) -> dict[str, int]:
    """How many nodes: those that there are, which an autoscaler or people decide, within the bounds."""
    return {
        group["name"]: min(max(now.get(group["name"], 0), int(group["min"])), int(group["max"])) for group in groups
    }


def _creates(
    settings: Mapping[str, Any], subnets: Sequence[Mapping[str, Any]], gateways: list[str], endpoints: list[str]
) -> list[str]:
    name = settings["name"]
    if settings["existing"]:
        return []
    network = [f"VPC {name} {settings['vpc_cidr']}", f"internet gateway {name}"] if subnets else []
    return [
        *network,
        *(f"subnet {subnet['name']} {subnet['cidr']}" for subnet in subnets),
        *(f"NAT gateway in {subnet}" for subnet in gateways),
        *(f"endpoint {service}" for service in [*(["s3"] if subnets else []), *endpoints]),
        *(f"repository of images {one}" for one in settings["repositories"]),
        f"EKS cluster {name}",
        *(f"node group {one['name']} of {one['min']} to {one['max']} nodes" for one in settings["node_groups"]),
        *(["autoscaler of nodes"] if settings["autoscaler"] else []),
    ]


def _account_errors(settings: Mapping[str, Any]) -> list[str]:
    errors = []
    if not _NAME.fullmatch(settings["name"]):
        errors.append(f"eks_cluster_name is '{settings['name']}': use up to 39 lower-case letters, digits and dashes.")
    if not re.fullmatch(r"\d{12}", settings["account"]):
        errors.append(
            f"eks_cluster_account is '{settings['account']}': give the 12 digits of the account in quotes, so that "
            f"nothing is created in another one."
        )
    if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", settings["region"]):
        errors.append(f"eks_cluster_region is '{settings['region']}': give a region, such as us-west-2.")
    return errors


def _network_errors(settings: Mapping[str, Any]) -> list[str]:
    errors = [
        f"{option} holds '{cidr}', which is no network: write it as 203.0.113.0/24."
        for option in ("public_access_cidrs", "reserved_cidrs")
        for cidr in settings[option]
        if _network(cidr) is None
    ]
    if settings["existing"] or settings["subnets"]:
        return errors
    zones = settings["zones"]
    if not 2 <= len(zones) <= 6 or len(set(zones)) < len(zones):
        errors.append(f"eks_cluster_zones is {', '.join(zones) or 'empty'}: name two to six different ones.")
    errors += [
        f"eks_cluster_zones holds {zone}, which is not of the region {settings['region']}."
        for zone in zones
        if not re.fullmatch(re.escape(settings["region"]) + "[a-z]", zone)
    ]
    network = _network(settings["vpc_cidr"])
    if network is None or network.version != 4 or network.prefixlen not in _SIZES:
        errors.append(
            f"eks_cluster_vpc_cidr is '{settings['vpc_cidr']}': give a network of /16 to /22, as 10.42.0.0/16."
        )
        return errors
    for cidr in settings["reserved_cidrs"]:
        if (reserved := _network(cidr)) and network.overlaps(reserved):
            errors.append(f"eks_cluster_vpc_cidr {network} overlaps {cidr} of eks_cluster_reserved_cidrs.")
    return errors


def _node_errors(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    names = Counter(group["name"] for group in groups)
    errors = [f"eks_cluster_node_groups names {name} {count} times." for name, count in names.items() if count > 1]
    for group in groups:
        least, most = int(group["min"]), int(group["max"])
        if not 0 <= least <= most or most < 1:
            errors.append(f"The node group {group['name']} has {least} to {most} nodes: 0 <= min <= max, and max >= 1.")
    return errors


def _misfits(settings: Mapping[str, Any], observed: Mapping[str, Any], own: bool) -> list[str]:
    name, cluster = settings["name"], observed["cluster"]
    if observed["account"] != settings["account"]:
        return [
            f"The credentials are of {observed['principal']} in the account {observed['account']}, and "
            f"eks_cluster_account is {settings['account']}: log in to that one."
        ]
    if not cluster and settings["existing"]:
        return [f"There is no cluster {name} in {settings['region']}, and eks_cluster_existing says that it exists."]
    if not own:
        return []
    return [*_zone_misfits(settings, observed), *_vpc_misfits(settings, observed)]


def _zone_misfits(settings: Mapping[str, Any], observed: Mapping[str, Any]) -> list[str]:
    missing = [zone for zone in settings["zones"] if zone not in observed["zones"]]
    if not missing:
        return []
    there = ", ".join(observed["zones"]) or "none"
    return [f"eks_cluster_zones holds {', '.join(missing)}; the zones of {settings['region']} are {there}."]


def _vpc_misfits(settings: Mapping[str, Any], observed: Mapping[str, Any]) -> list[str]:
    name, cluster, errors = settings["name"], observed["cluster"], []
    network = ipaddress.ip_network(settings["vpc_cidr"])
    own = [vpc for vpc in observed["vpcs"] if vpc["name"] == name]
    other = [vpc for vpc in own if settings["vpc_cidr"] not in vpc["cidrs"]]
    if other:
        errors.append(
            f"The VPC {other[0]['id']} {name} is {', '.join(other[0]['cidrs'])}, and eks_cluster_vpc_cidr {network}: "
            f"a network does not change. Set eks_cluster_vpc_cidr to that, or choose another eks_cluster_name."
        )
    elif cluster and cluster["vpc"] not in [vpc["id"] for vpc in own]:
        errors.append(
            f"The cluster {name} exists, in the VPC {cluster['vpc']}, which this role has not created: choose another "
            f"eks_cluster_name, or use it as it is with eks_cluster_existing."
        )
    for vpc in observed["vpcs"]:
        if vpc not in own and any(network.overlaps(ipaddress.ip_network(cidr)) for cidr in vpc["cidrs"]):
            errors.append(
                f"eks_cluster_vpc_cidr {network} overlaps the VPC {vpc['id']} {vpc['name']} "
                f"({', '.join(vpc['cidrs'])}): choose another network, because the two could never be connected."
            )
    return errors


def _network(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(cidr)
    except ValueError:
        return None
