# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The network of a cluster where that is the deployment's own: nodes in it, and a database that only it reaches.

Without one AKS makes a network for the cluster, in a group where nothing else belongs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from . import kinds
from .kinds import resource

NODES, DATABASE = "nodes", "database"
# Addresses of Services and pods, which AKS gives no node.
_TAKEN = ("10.0.0.0/16", "10.244.0.0/16")
_SIZES = range(16, 25)
_SERVERS = "Microsoft.DBforPostgreSQL/flexibleServers"


def resources(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The network, and who may put load balancers of the cluster into it; nothing where it is AKS's."""
    if not settings["network"]:
        return []
    network = ipaddress.IPv4Network(settings["network"])
    # Half of it for nodes; pods have addresses of their own.
    nodes, rest = network.subnets()
    database = next(rest.subnets(new_prefix=max(24, rest.prefixlen + 1)))
    delegation = {"name": DATABASE, "properties": {"serviceName": _SERVERS}}
    properties = {
        "addressSpace": {"addressPrefixes": [str(network)]},
        "subnets": [
            {"name": NODES, "properties": {"addressPrefix": str(nodes)}},
            {"name": DATABASE, "properties": {"addressPrefix": str(database), "delegations": [delegation]}},
        ],
    }
    place = {"location": settings["location"], "tags": settings["tags"]}
    id, identity, name = kinds.network_id(settings), _identity(settings), f"{settings['name']}-cluster"
    body, principal = (
        {**place, "properties": properties},
        {"from": identity, "version": kinds.IDENTITIES, "at": "properties.principalId"},
    )
    may = kinds.assignment(
        id,
        kinds.NETWORK_CONTRIBUTOR,
        f"contributor of network {settings['name']} for {name}",
        principal,
        identity,
        principalType="ServicePrincipal",
    )
    return [
        resource(f"network {settings['name']} {network}", id, kinds.NETWORKS, body, tagged=True),
        resource(f"identity {name}", identity, kinds.IDENTITIES, place, tagged=True),
        may,
    ]


def identity_of_cluster(settings: Mapping[str, Any]) -> dict[str, Any]:
    if not settings["network"]:
        return {"type": "SystemAssigned"}
    return {"type": "UserAssigned", "userAssignedIdentities": {_identity(settings): {}}}


def of_nodes(settings: Mapping[str, Any]) -> dict[str, str]:
    """What of a node pool says where its nodes are."""
    return {"vnetSubnetID": f"{kinds.network_id(settings)}/subnets/{NODES}"} if settings["network"] else {}


def of_database(settings: Mapping[str, Any]) -> str:
    """Id of the subnet for a database; empty where there is none."""
    own = settings["network"] and not settings["existing"]
    return f"{kinds.network_id(settings)}/subnets/{DATABASE}" if own else ""


def errors(settings: Mapping[str, Any]) -> list[str]:
    text = settings["network"]
    if not text:
        return []
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        return [f"aks_cluster_network_cidr is '{text}': give a network, as 10.43.0.0/16."]
    if network.prefixlen not in _SIZES:
        return [f"aks_cluster_network_cidr is '{text}': give a network of /16 to /24, as 10.43.0.0/16."]
    return [
        f"aks_cluster_network_cidr {text} overlaps {one}, from which AKS gives addresses to Services and pods."
        for one in _TAKEN
        if network.overlaps(ipaddress.IPv4Network(one))
    ]


def _identity(settings: Mapping[str, Any]) -> str:
    """That of the cluster itself: AKS lets no cluster use a network of somebody's by an identity that it makes."""
    kind = "Microsoft.ManagedIdentity/userAssignedIdentities"
    return f"{kinds.group_id(settings)}/providers/{kind}/{settings['name']}-cluster"
