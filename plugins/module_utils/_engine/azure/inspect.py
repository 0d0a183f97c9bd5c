# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a subscription holds of a cluster and around it, before anything is changed."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ..errors import BadInput
from . import kinds
from .client import Arm, state_of
from .web import AzureError

# What a first run does, and of it what is somebody else's business where these are there.
NEEDED = (
    "Microsoft.Resources/subscriptions/resourceGroups/write",
    "Microsoft.ContainerService/managedClusters/write",
    "Microsoft.Storage/storageAccounts/write",
    "Microsoft.ManagedIdentity/userAssignedIdentities/write",
    "Microsoft.Authorization/roleAssignments/write",
)
_MADE_BY = {"resource_group": NEEDED[0], "cluster": NEEDED[1]}
_LOCATIONS, _SKUS, _PERMISSIONS = "2022-12-01", "2021-07-01", "2022-04-01"
_DISKS = "2021-04-01"
_CLAIM = "kubernetes.io-created-for-pvc-name"


def inspect(
    arm: Arm, subscription: str, group: str, name: str, location: str, existing: Collection[str] = ()
) -> dict[str, Any]:
    """
    :param location: region of a new cluster; of one that is there sizes and versions are not asked for.
    :param existing: which of C(resource_group) and C(cluster) somebody else has created. Rights to create these are
        not needed, and in a group of somebody else only those in it.
    :returns: C(principal) and C(tenant) of who asks; C(denied): what it may not; C(locations), C(sizes), C(versions)
        that are offered; C(group), whether the resource group is there; C(cluster) ({} where there is none); C(left):
        what pods have made that goes with the cluster, C(disks) with their claims.
    :raises BadInput: who asks does not see the subscription.
    """
    settings = {"subscription": subscription, "resource_group": group, "name": name}
    root, location = f"/subscriptions/{subscription}", kinds.region(location)
    try:
        arm.get(root, _LOCATIONS)
    except AzureError as error:
        if error.status not in (401, 403, 404):
            raise
        raise BadInput(f"The subscription {subscription} is not seen by who is logged in. {error}") from error
    locations = [kinds.region(one["name"]) for one in arm.pages(f"{root}/locations", _LOCATIONS)]
    place = arm.find(kinds.group_id(settings), kinds.GROUPS)
    found = arm.find(kinds.cluster_id(settings), kinds.CLUSTERS)
    new = not found and location in locations
    needed = [one for one in NEEDED if one not in [_MADE_BY[what] for what in existing]]
    scope = kinds.group_id(settings) if place and "resource_group" in existing else root
    return {
        "principal": arm.principal.principal,
        "tenant": arm.principal.tenant,
        "denied": _denied(arm, scope, needed),
        "locations": sorted(locations),
        "sizes": _sizes(arm, root, location) if new else [],
        "versions": _versions(arm, root, location) if new else [],
        "group": bool(place),
        "cluster": _cluster(arm, kinds.cluster_id(settings), found) if found else {},
        "left": {"disks": _disks(arm, root, found) if found else []},
    }


def _cluster(arm: Arm, id: str, found: Mapping[str, Any]) -> dict[str, Any]:
    properties = found.get("properties", {})
    ready = state_of(found) == "Succeeded"
    server, authority = _reached(arm, id) if ready else ("", "")
    return {
        "id": id,
        "state": state_of(found),
        "location": kinds.region(str(found.get("location", ""))),
        "version": str(properties.get("currentKubernetesVersion") or properties.get("kubernetesVersion") or ""),
        "issuer": str((properties.get("oidcIssuerProfile") or {}).get("issuerURL") or ""),
        "workload_identity": bool(
            ((properties.get("securityProfile") or {}).get("workloadIdentity") or {}).get("enabled")
        ),
        "network": _network(properties),
        "node_group": str(properties.get("nodeResourceGroup") or ""),
        "endpoint": server,
        "certificate_authority": authority,
    }


def _network(properties: Mapping[str, Any]) -> str:
    """Id of the network of its nodes, where that is not AKS's."""
    pools = properties.get("agentPoolProfiles") or [{}]
    return str(pools[0].get("vnetSubnetID") or "").partition("/subnets/")[0]


def _reached(arm: Arm, id: str) -> tuple[str, str]:
    """URL and authority of the API server, which Azure tells in a kubeconfig alone. It holds no secret: there are no
    local accounts."""
    body = arm.post(f"{id}/listClusterUserCredential", kinds.CLUSTERS)
    text = base64.b64decode(next((one["value"] for one in body.get("kubeconfigs", [])), "")).decode("utf-8", "replace")
    server = re.search(r"^\s*server:\s*(https://\S+)", text, re.MULTILINE)
    authority = re.search(r"^\s*certificate-authority-data:\s*([A-Za-z0-9+/=]+)", text, re.MULTILINE)
    return (server.group(1) if server else "", authority.group(1) if authority else "")


def _denied(arm: Arm, scope: str, needed: Sequence[str]) -> list[str]:
    """What of it who asks may not; nothing where Azure does not tell."""
    try:
        rules = arm.pages(f"{scope}/providers/Microsoft.Authorization/permissions", _PERMISSIONS)
    except AzureError:
        return []
    return [one for one in needed if not any(_allows(rule, one) for rule in rules)]


def _allows(rule: Mapping[str, Any], action: str) -> bool:
    return _matches(rule.get("actions") or [], action) and not _matches(rule.get("notActions") or [], action)


def _matches(patterns: Sequence[str], action: str) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)


def _sizes(arm: Arm, root: str, location: str) -> list[str]:
    """Sizes of machines that the subscription may have there."""
    only = {"$filter": f"location eq '{location}'"}
    offered = arm.pages(f"{root}/providers/Microsoft.Compute/skus", _SKUS, **only)
    return sorted(
        one["name"]
        for one in offered
        if one.get("resourceType") == "virtualMachines"
        and not any(limit.get("type") == "Location" for limit in one.get("restrictions") or [])
    )


def _versions(arm: Arm, root: str, location: str) -> list[str]:
    path = f"{root}/providers/Microsoft.ContainerService/locations/{location}/kubernetesVersions"
    found = [str(one["version"]) for one in arm.get(path, kinds.CLUSTERS).get("values", []) if not one.get("isPreview")]
    return sorted(found, key=lambda one: [int(part) for part in one.split(".")])


def _disks(arm: Arm, root: str, found: Mapping[str, Any]) -> list[str]:
    """Volumes of pods are in the group of the nodes, and go with it."""
    group = found.get("properties", {}).get("nodeResourceGroup")
    if not group:
        return []
    path, only = f"{root}/resourceGroups/{group}/resources", {"$filter": "resourceType eq 'Microsoft.Compute/disks'"}
    try:
        disks = arm.pages(path, _DISKS, **only)
    except AzureError as error:
        if error.status == 404:
            return []
        raise
    claims = {one["name"]: (one.get("tags") or {}).get(_CLAIM, "") for one in disks}
    return sorted(f"{name} {claim}" for name, claim in claims.items() if claim)
