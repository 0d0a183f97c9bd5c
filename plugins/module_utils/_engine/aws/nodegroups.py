# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The version of node groups: that of the control plane, one group after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import BadInput
from .client import AwsError, Service
from .updates import Patience, active_cluster, finish, no_cluster
from .updates import cluster as described

_PASSING = ("CREATING", "UPDATING")


def upgrade(
    eks: Service, cluster: str, names: Sequence[str], force: bool, patience: Patience, check: bool = False
) -> dict[str, Any]:
    """Let node groups have the version of their cluster. EKS replaces their nodes, and asks pods to leave before.

    :param names: of groups; empty for all.
    :param force: whether pods are ended that nothing else makes leave, such as for a disruption budget.
    :raises BadInput: there is no such cluster or group, or one is more than a minor version behind.
    :raises AwsError: an update failed, with what EKS says about it. Groups behind it are as they were.
    """
    found = described(eks, cluster)
    if found is None:
        if check:
            return {"changed": False, "node_groups": {}, "diff": {"before": {}, "after": {}}}
        raise no_cluster(cluster)
    wanted = found["version"]
    before = {name: _settled(eks, cluster, name, patience, check) for name in _names(eks, cluster, names)}
    behind = {name: version for name, version in before.items() if version != wanted}
    _require_one_step(cluster, wanted, behind)
    for name in behind if not check else ():
        active_cluster(eks, cluster, patience)
        patience.say(f"the node group {name} gets version {wanted}")
        update = eks.call("update_nodegroup_version", **_group(cluster, name), version=wanted, force=force)["update"]
        finish(eks, cluster, update["id"], f"version {wanted} of the node group {name}", patience, node_group=name)
        _settled(eks, cluster, name, patience, check)
    after = {**before, **dict.fromkeys(behind, wanted)}
    return {"changed": bool(behind), "node_groups": after, "diff": {"before": before, "after": after}}


def _names(eks: Service, cluster: str, names: Sequence[str]) -> list[str]:
    there = sorted(eks.pages("list_nodegroups", "nodegroups", clusterName=cluster))
    if unknown := [name for name in names if name not in there]:
        raise BadInput(
            f"The cluster {cluster} has no node group {', '.join(unknown)}. It has: {', '.join(there) or 'none'}."
        )
    return list(names) or there


def _require_one_step(cluster: str, wanted: str, behind: dict[str, str]) -> None:
    """EKS goes one minor version at a time, and nodes are never newer than their control plane."""
    minor = int(wanted.partition(".")[2])
    far = {name: version for name, version in behind.items() if minor - int(version.partition(".")[2]) != 1}
    if far:
        told = ", ".join(f"{name} ({version})" for name, version in far.items())
        raise BadInput(
            f"The cluster {cluster} is at {wanted}, and these node groups are not one minor version behind: {told}. "
            f"Replace them by new ones."
        )


def _settled(eks: Service, cluster: str, name: str, patience: Patience, check: bool) -> str:
    """The version of a group when EKS has ended what it does to it.

    :raises AwsError: it never gets well.
    """
    while True:
        group = eks.call("describe_nodegroup", **_group(cluster, name))["nodegroup"]
        if check or group["status"] == "ACTIVE":
            return str(group["version"])
        if group["status"] not in _PASSING:
            issues = (group.get("health") or {}).get("issues") or []
            said = "; ".join(f"{one.get('code')}: {one.get('message')}" for one in issues) or "EKS gives no reason"
            raise AwsError(f"The node group {name} is {group['status']}: {said}")
        patience.wait(group["status"], f"the node group {name}")


def _group(cluster: str, name: str) -> dict[str, str]:
    return {"clusterName": cluster, "nodegroupName": name}
