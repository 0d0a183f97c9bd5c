# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an AKS cluster is made of, what it costs, and what speaks against it.

Pure: the same settings and the same view of the subscription give the same plan, nothing is asked or changed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..estimate import HOURS, Line, said
from . import kinds, network
from .kinds import resource

UPGRADES = ("none", "patch", "stable", "rapid", "node-image")
NODE_UPGRADES = ("None", "Unmanaged", "SecurityPatch", "NodeImage")
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,43}[a-z0-9])?")
_GROUP = re.compile(r"[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]")
_POOL = re.compile(r"[a-z][a-z0-9]{0,11}")
_REGISTRY = re.compile(r"[a-zA-Z0-9]{5,50}")
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")
_TIERS = ("Free", "Standard", "Premium")
# US dollars of East US, on demand and without taxes: an hour, and for disks a GiB and month. Azure changes them.
LISTED = {
    "cluster": 0.10,
    "disk": 0.12,
    "Standard_B4ms": 0.166,
    "Standard_D2s_v5": 0.096,
    "Standard_D4s_v5": 0.192,
    "Standard_D8s_v5": 0.384,
    "Standard_E2s_v5": 0.126,
}


def plan(settings: Mapping[str, Any], observed: Mapping[str, Any]) -> dict[str, Any]:
    """
    :param settings: C(name), C(subscription), C(resource_group), C(location), C(version), C(tier), C(node_pools),
        C(authorized_ranges), C(upgrade_channel), C(node_upgrade_channel), C(admins), C(registry), C(tags), C(prices),
        C(existing), C(resource_group_existing), C(network); as in the role aks_cluster.
    :param observed: what the module aks_cluster_info returned; {} before.
    :returns: C(errors) of the settings, C(misfits) of the subscription, each a sentence; C(location) as Azure writes
        it; C(resources), C(images) (the registry) and C(rights) as C(resources.py) takes them; C(id) of the cluster;
        C(costs).
    """
    settings = {**settings, "location": kinds.region(settings["location"])}
    errors = [*_account_errors(settings), *_name_errors(settings)]
    if not settings["existing"]:
        errors += [*_cluster_errors(settings), *network.errors(settings), *_pool_errors(settings["node_pools"])]
    return {
        "errors": errors,
        "misfits": _misfits(settings, observed) if observed and not errors else [],
        "location": settings["location"],
        "id": kinds.cluster_id(settings),
        "database_subnet": network.of_database(settings),
        "resources": [] if errors else _resources(settings, observed),
        "images": [] if errors else _registry(settings),
        "rights": [] if errors else [*_admins(settings, observed.get("principal", "")), *_pulls(settings)],
        "costs": [] if errors or settings["existing"] else _costs(settings),
    }


def _resources(settings: Mapping[str, Any], observed: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What somebody else has created is not among them: it is neither changed nor removed."""
    group = [] if settings["resource_group_existing"] else [_group(settings)]
    if settings["existing"]:
        return group
    return [*group, *network.resources(settings), _cluster(settings, observed.get("cluster") or {})]


def _group(settings: Mapping[str, Any]) -> dict[str, Any]:
    body = {"location": settings["location"], "tags": settings["tags"]}
    what = f"resource group {settings['resource_group']}"
    group = kinds.group_id(settings)
    return resource(what, group, kinds.GROUPS, body, tagged=True, holds=f"{group}/resources")


def _cluster(settings: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Entra ID says who may use it and there is no other login; policies of networks are enforced, by Cilium."""
    version = settings["version"]
    properties = {
        "agentPoolProfiles": [{**_pool(one), **network.of_nodes(settings)} for one in settings["node_pools"]],
        "oidcIssuerProfile": {"enabled": True},
        "securityProfile": {"workloadIdentity": {"enabled": True}},
        "apiServerAccessProfile": {"authorizedIPRanges": _ranges(settings["authorized_ranges"])},
        "autoUpgradeProfile": {
            "upgradeChannel": settings["upgrade_channel"],
            "nodeOSUpgradeChannel": settings["node_upgrade_channel"],
        },
        "aadProfile": {"managed": True, "enableAzureRBAC": True},
        "disableLocalAccounts": True,
        # A channel may have led further than what was requested once: nothing goes back.
        **({"kubernetesVersion": version} if _number(found.get("version")) < _number(version) else {}),
    }
    first = {
        "identity": network.identity_of_cluster(settings),
        "properties": {
            "dnsPrefix": settings["name"],
            "enableRBAC": True,
            "networkProfile": {
                "networkPlugin": "azure",
                "networkPluginMode": "overlay",
                "networkDataplane": "cilium",
                "networkPolicy": "cilium",
                "loadBalancerSku": "standard",
            },
            "agentPoolProfiles": [_first_of(one) for one in settings["node_pools"]],
        },
    }
    body = {
        "location": settings["location"],
        "tags": settings["tags"],
        "sku": {"name": "Base", "tier": settings["tier"]},
        "properties": properties,
    }
    what = f"AKS cluster {settings['name']}"
    return resource(what, kinds.cluster_id(settings), kinds.CLUSTERS, body, tagged=True, first=first)


def _ranges(texts: Sequence[str]) -> list[str]:
    """Azure knows everybody as nobody in particular."""
    networks = [ipaddress.ip_network(one) for one in texts]
    return [] if any(one.prefixlen == 0 for one in networks) else [str(one) for one in networks]


def _pool(pool: Mapping[str, Any]) -> dict[str, Any]:
    least, most = int(pool["min"]), int(pool["max"])
    # How many there are between the bounds, the autoscaler decides.
    count = {"count": least, "enableAutoScaling": False}
    bounds = {"enableAutoScaling": True, "minCount": least, "maxCount": most}
    return {"name": pool["name"], "vmSize": pool["size"], **(count if least == most else bounds)}


def _first_of(pool: Mapping[str, Any]) -> dict[str, Any]:
    """What of a node pool never changes."""
    sysctls = dict(pool.get("sysctls") or {})
    return {
        "name": pool["name"],
        "mode": "System",
        "type": "VirtualMachineScaleSets",
        "osType": "Linux",
        "osDiskSizeGB": int(pool["disk_size"]),
        "count": int(pool["min"]),
        **({"linuxOSConfig": {"sysctls": sysctls}} if sysctls else {}),
    }


def _registry_id(settings: Mapping[str, Any]) -> str:
    return f"{kinds.group_id(settings)}/providers/Microsoft.ContainerRegistry/registries/{settings['registry']}"


def _registry(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Where images are; who pushes to it logs in as to Azure."""
    name = settings["registry"]
    body = {
        "location": settings["location"],
        "tags": settings["tags"],
        "sku": {"name": "Basic"},
        "properties": {"adminUserEnabled": False},
    }
    free = kinds.unique(settings, "Microsoft.ContainerRegistry", "registries", name)
    return [
        resource(f"registry {name}", _registry_id(settings), kinds.REGISTRIES, body, tagged=True, unique=free)
    ] * bool(name)


def _pulls(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Nodes read images of the registry without a login in any pod."""
    id, scope = kinds.cluster_id(settings), _registry_id(settings)
    nodes = {"from": id, "version": kinds.CLUSTERS, "at": "properties.identityProfile.kubeletidentity.objectId"}
    what = f"reader of {settings['registry']} for nodes"
    return [kinds.assignment(scope, kinds.REGISTRY_PULL, what, nodes, id, principalType="ServicePrincipal")] * bool(
        settings["registry"]
    )


def _admins(settings: Mapping[str, Any], principal: str) -> list[dict[str, Any]]:
    """Who creates it and those who are named administer it. There is no other way in."""
    if settings["existing"]:
        return []
    named = dict.fromkeys(filter(None, [principal, *settings["admins"]]))
    scope = kinds.cluster_id(settings)
    return [
        kinds.assignment(scope, kinds.CLUSTER_ADMIN, f"administrator of the cluster for {one}", one, one)
        for one in named
    ]


def _costs(settings: Mapping[str, Any]) -> list[str]:
    prices = {**LISTED, **{name: float(price) for name, price in settings["prices"].items()}}
    lines: list[Line] = [] if settings["tier"] == "Free" else [("AKS control plane", prices["cluster"] * HOURS, 0.0)]
    unknown = []
    for pool in settings["node_pools"]:
        size, least, most = pool["size"], int(pool["min"]), int(pool["max"])
        if size not in prices:
            unknown.append(size)
            continue
        node = prices[size] * HOURS + prices["disk"] * int(pool["disk_size"])
        lines.append((f"node pool {pool['name']}: {least} to {most} {size}", node * least, node * (most - least)))
    where = "" if settings["prices"] else " by prices of East US to be checked at https://azure.com/pricing/calculator"
    return said(lines, where, unknown, "aks_cluster_prices")


def _account_errors(settings: Mapping[str, Any]) -> list[str]:
    errors = []
    if not kinds.SUBSCRIPTION.fullmatch(settings["subscription"]):
        errors.append(
            f"aks_cluster_subscription is '{settings['subscription']}': give the id of the subscription, as az account "
            f"show names it, so that nothing is created in another one."
        )
    if not re.fullmatch(r"[a-z]+\d?", settings["location"]):
        errors.append(f"aks_cluster_location is '{settings['location']}': give a region, such as centralindia.")
    if not _GROUP.fullmatch(settings["resource_group"]):
        errors.append(
            f"aks_cluster_resource_group is '{settings['resource_group']}': use up to 90 letters, digits, dashes, dots "
            f"and underscores, with no dot at the end."
        )
    return errors


def _name_errors(settings: Mapping[str, Any]) -> list[str]:
    errors = []
    if not _NAME.fullmatch(settings["name"]):
        errors.append(f"aks_cluster_name is '{settings['name']}': use up to 45 lower-case letters, digits and dashes.")
    if settings["registry"] and not _REGISTRY.fullmatch(settings["registry"]):
        errors.append(
            f"aks_cluster_registry is '{settings['registry']}': 5 to 50 letters and digits, which nobody else in Azure "
            f"has."
        )
    return errors


def _cluster_errors(settings: Mapping[str, Any]) -> list[str]:
    errors = [
        f"aks_cluster_authorized_ranges holds '{one}', which is no network: write it as 203.0.113.0/24."
        for one in settings["authorized_ranges"]
        if _network(one) is None
    ]
    if not settings["authorized_ranges"]:
        errors.append(
            "aks_cluster_authorized_ranges is empty: name the networks from which the API server is reached, at least "
            "yours, as 203.0.113.0/24; 0.0.0.0/0 is everybody."
        )
    if not _VERSION.fullmatch(settings["version"]):
        errors.append(f"aks_cluster_version is '{settings['version']}': write it in quotes, as '1.34'.")
    for option, offered in (
        ("tier", _TIERS),
        ("upgrade_channel", UPGRADES),
        ("node_upgrade_channel", NODE_UPGRADES),
    ):
        if settings[option] not in offered:
            errors.append(f"aks_cluster_{option} is '{settings[option]}'; offered are {', '.join(offered)}.")
    errors += [
        f"aks_cluster_admins holds '{one}': give the object id of a user, a group or a service principal."
        for one in settings["admins"]
        if not kinds.SUBSCRIPTION.fullmatch(one)
    ]
    return errors


def _pool_errors(pools: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [pool["name"] for pool in pools]
    errors = [] if pools else ["aks_cluster_node_pools is empty: pods need nodes."]
    errors += [f"aks_cluster_node_pools names {name} twice." for name in sorted(set(names)) if names.count(name) > 1]
    for pool in pools:
        least, most = int(pool["min"]), int(pool["max"])
        if not _POOL.fullmatch(pool["name"]):
            errors.append(f"The node pool '{pool['name']}' needs a name of up to 12 lower-case letters and digits.")
        if not 1 <= least <= most:
            errors.append(f"The node pool {pool['name']} has {least} to {most} nodes: 1 <= min <= max.")
    return errors


def _misfits(settings: Mapping[str, Any], observed: Mapping[str, Any]) -> list[str]:
    location, cluster = settings["location"], observed["cluster"]
    errors = [
        f"Who is logged in may not {', '.join(observed['denied'])} in {_scope(settings)}: let an owner of it assign "
        f"the roles Contributor and Role Based Access Control Administrator."
    ] * bool(observed["denied"])
    if settings["resource_group_existing"] and not observed["group"]:
        errors.append(
            f"There is no resource group {settings['resource_group']} in the subscription {settings['subscription']}, "
            f"and aks_cluster_resource_group_existing says that it exists."
        )
    if observed["locations"] and location not in observed["locations"]:
        return [*errors, f"aks_cluster_location is {location}, which the subscription does not have."]
    if settings["existing"]:
        return [*errors, *_existing_misfits(settings, cluster)]
    if cluster and cluster["location"] != location:
        errors.append(
            f"The cluster {settings['name']} is in {cluster['location']}, and aks_cluster_location is {location}: a "
            f"cluster does not move. Set aks_cluster_location to that, or choose another aks_cluster_name."
        )
    if cluster and bool(settings["network"]) != bool(cluster["network"]):
        errors.append(
            f"The cluster {settings['name']} is in {cluster['network'] or 'a network that AKS made for it'}, and "
            f"aks_cluster_network_cidr is '{settings['network']}': a cluster does not move to another network. Set it "
            f"to what it was, or choose another aks_cluster_name."
        )
    if not cluster:
        errors += _offer_misfits(settings, observed)
    return errors


def _scope(settings: Mapping[str, Any]) -> str:
    """Where who asks needs rights."""
    if settings["resource_group_existing"]:
        return f"the resource group {settings['resource_group']}"
    return f"the subscription {settings['subscription']}"


def _existing_misfits(settings: Mapping[str, Any], cluster: Mapping[str, Any]) -> list[str]:
    """Why pods of a cluster of somebody else could have no identity."""
    name, group = settings["name"], settings["resource_group"]
    if not cluster:
        return [
            f"There is no cluster {name} in the resource group {group}, and aks_cluster_existing says that it exists."
        ]
    if cluster["issuer"] and cluster["workload_identity"]:
        return []
    return [
        f"The cluster {name} gives pods no identity: whoever has created it runs az aks update --resource-group "
        f"{group} --name {name} --enable-oidc-issuer --enable-workload-identity."
    ]


def _offer_misfits(settings: Mapping[str, Any], observed: Mapping[str, Any]) -> list[str]:
    """What a region does not have for a new cluster."""
    location, sizes, versions = settings["location"], observed["sizes"], observed["versions"]
    errors = []
    for size in sorted({pool["size"] for pool in settings["node_pools"]} - set(sizes)):
        alike = [one for one in sizes if one.startswith(size[: len("Standard_D")])][:6]
        errors.append(
            f"aks_cluster_node_pools: {location} has no {size} for this subscription. Of the kind it has "
            f"{', '.join(alike) or 'none'}."
        )
    if versions and not any(f"{one}.".startswith(f"{settings['version']}.") for one in versions):
        errors.append(f"aks_cluster_version is {settings['version']}; AKS has {', '.join(versions)} in {location} now.")
    return errors


def _number(version: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in str(version or "0").split(".")[:2])


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None
