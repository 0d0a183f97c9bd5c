# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The access entry of a principal to an EKS cluster: its groups in Kubernetes, and policies of EKS with their scope."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import BadInput
from .client import Service
from .tags import difference
from .updates import cluster as described
from .updates import no_cluster

# The other types are of nodes: EKS gives them their groups itself, and lets them have no policy.
STANDARD = "STANDARD"
TYPES = (STANDARD, "EC2", "EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX")
_PRINCIPAL = re.compile(r"arn:(aws[\w-]*):iam::\d{12}:(role|user)/.+")


def ensure(
    eks: Service, cluster: str, principal: str, requested: Mapping[str, Any], check: bool = False
) -> dict[str, Any]:
    """Let the principal have such an entry.

    :param requested: C(type), C(groups), C(username), C(policies), C(tags), C(purge_tags); what is None stays as it is.
    :raises BadInput: the request contradicts itself, or an entry that is there cannot become so.
    """
    given = _checked(principal, requested)
    before = _entry(eks, cluster, principal, check)
    tags = difference(before["tags"] if before else {}, requested["tags"], requested["purge_tags"])
    start = before or {"arn": "", "type": given["type"], "groups": [], "username": "", "policies": [], "tags": {}}
    if start["type"] != given["type"]:
        raise BadInput(
            f"The access entry of {principal} is of the type {start['type']}, which EKS does not change: remove it "
            f"(state: absent) and create it as {given['type']}. Nobody has access by it in between."
        )
    after = {**start, **given, "tags": tags.after}
    if check:
        return _result(before, after)
    entry = {"clusterName": cluster, "principalArn": principal}
    named = {"kubernetesGroups": given.get("groups"), "username": given.get("username")}
    if before is None:
        created = eks.call("create_access_entry", **entry, **named, type=given["type"], tags=tags.after or None)
        after |= {
            "arn": created["accessEntry"]["accessEntryArn"],
            "username": created["accessEntry"].get("username", ""),
        }
    else:
        if any(before[name] != after[name] for name in ("groups", "username")):
            eks.call("update_access_entry", **entry, **named)
        if tags.set:
            eks.call("tag_resource", resourceArn=before["arn"], tags=tags.set)
        if tags.removed:
            eks.call("untag_resource", resourceArn=before["arn"], tagKeys=tags.removed)
    _set_policies(eks, entry, start["policies"], after["policies"])
    return _result(before, after)


def remove(eks: Service, cluster: str, principal: str, check: bool = False) -> dict[str, Any]:
    """Let there be none: the principal has no access by it any more."""
    _partition(principal)
    before = _entry(eks, cluster, principal, absent=True)
    if before is not None and not check:
        eks.call("delete_access_entry", clusterName=cluster, principalArn=principal)
    return _result(before, None)


def _set_policies(
    eks: Service, entry: Mapping[str, str], before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]
) -> None:
    """First those that are new or get another scope, so that nobody is without access in between."""
    for one in after:
        if one not in before:
            scope = {"type": "namespace", "namespaces": one["namespaces"]} if one["namespaces"] else {"type": "cluster"}
            eks.call("associate_access_policy", **entry, policyArn=one["policy"], accessScope=scope)
    kept = {one["policy"] for one in after}
    for one in before:
        if one["policy"] not in kept:
            eks.call("disassociate_access_policy", **entry, policyArn=one["policy"])


def _result(before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, Any]:
    entry = after or {"arn": "", "type": "", "groups": [], "username": "", "policies": [], "tags": {}}
    diff = {"before": before or {}, "after": after or {}}
    return {"changed": before != after, "entry": entry, "diff": diff}


def _checked(principal: str, requested: Mapping[str, Any]) -> dict[str, Any]:
    """What is requested, without what stays as it is, in the form in which EKS tells it."""
    given = {
        name: requested[name] for name in ("type", "groups", "username", "policies") if requested[name] is not None
    }
    if given["type"] != STANDARD and (given.get("groups") or given.get("policies")):
        raise BadInput(f"An entry of the type {given['type']} takes neither groups nor policies: it is one of nodes.")
    if "groups" in given:
        given["groups"] = sorted(set(given["groups"]))
    partition = _partition(principal)
    if "policies" in given:
        given["policies"] = _policies(given["policies"], f"arn:{partition}:eks::aws:cluster-access-policy/")
    return given


def _partition(principal: str) -> str:
    if not (found := _PRINCIPAL.fullmatch(principal)):
        raise BadInput(
            f"'{principal}' is no role or user of IAM: give its ARN, as arn:aws:iam::123456789012:role/NAME. Of an "
            f"assumed role (arn:aws:sts) that is the ARN of the role itself."
        )
    return found[1]


def _policies(given: Sequence[Mapping[str, Any]], prefix: str) -> list[dict[str, Any]]:
    """Each policy once, by its ARN, and the namespaces that it is for; without any it is for the whole cluster."""
    found: dict[str, dict[str, Any]] = {}
    for one in given:
        arn = one["policy"] if one["policy"].startswith("arn:") else prefix + one["policy"]
        if arn in found:
            raise BadInput(
                f"policies names {one['policy']} twice, and EKS takes one scope of each: join the namespaces."
            )
        found[arn] = {"policy": arn, "namespaces": sorted(set(one.get("namespaces") or []))}
    return [found[arn] for arn in sorted(found)]


def _entry(eks: Service, cluster: str, principal: str, absent: bool) -> dict[str, Any] | None:
    """The entry; None where there is none.

    :param absent: whether a cluster that is not there, or takes no entries, only means that there is none.
    :raises BadInput: the cluster is not there, or takes no entries.
    """
    found = described(eks, cluster)
    if found is None:
        if absent:
            return None
        raise no_cluster(cluster)
    if found.get("accessConfig", {}).get("authenticationMode", "CONFIG_MAP") == "CONFIG_MAP":
        if absent:
            return None
        raise BadInput(
            f"The cluster {cluster} takes no access entries: its access mode is CONFIG_MAP. Set authentication_mode to "
            f"API_AND_CONFIG_MAP or API first (eks_cluster_config)."
        )
    answer = eks.find("describe_access_entry", clusterName=cluster, principalArn=principal)
    if answer is None:
        return None
    entry = answer["accessEntry"]
    listed = eks.pages(
        "list_associated_access_policies", "associatedAccessPolicies", clusterName=cluster, principalArn=principal
    )
    policies = [
        {"policy": one["policyArn"], "namespaces": sorted(one["accessScope"].get("namespaces") or [])} for one in listed
    ]
    return {
        "arn": entry["accessEntryArn"],
        "type": entry["type"],
        "groups": sorted(entry.get("kubernetesGroups") or []),
        "username": entry.get("username", ""),
        "policies": sorted(policies, key=lambda policy: str(policy["policy"])),
        "tags": entry.get("tags") or {},
    }
