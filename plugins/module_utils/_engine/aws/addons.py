# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An add-on of an EKS cluster: its version, its configuration, and the role that its service account assumes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import BadInput
from .client import AwsError, Service
from .tags import difference
from .updates import Patience, active_cluster, finish, no_cluster
from .updates import cluster as described

# What EKS does with fields of the add-on's objects that somebody else has changed.
CONFLICTS = ("NONE", "OVERWRITE", "PRESERVE")
# Instead of a version: the one that EKS has for the version of the cluster.
DEFAULT = "default"
_PASSING = ("CREATING", "UPDATING", "DELETING")
_FAILED = ("CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED")
_LISTED = 6


def ensure(
    eks: Service, cluster: str, name: str, requested: Mapping[str, Any], patience: Patience | None, check: bool = False
) -> dict[str, Any]:
    """Let a cluster have such an add-on.

    :param requested: C(version), C(configuration), C(service_account_role), C(resolve_conflicts), C(tags),
        C(purge_tags); what is None stays as it is.
    :param patience: None: whatever EKS does goes on alone.
    :raises BadInput: there is no such cluster, or no such version of the add-on for it.
    """
    found = described(eks, cluster)
    if found is None and not check:
        raise no_cluster(cluster)
    answer = _described(eks, cluster, name) if found else None
    if answer and patience and not check:
        answer = _settled(eks, cluster, name, patience)
    before = _state(answer) if answer else None
    given = {option: requested[option] for option in ("configuration", "service_account_role")}
    given["version"] = _version(eks, name, requested["version"], found, before)
    tags = difference(before["tags"] if before else {}, requested["tags"], requested["purge_tags"])
    after = {
        **(before or {"arn": "", "version": "", "configuration": {}, "service_account_role": ""}),
        **{option: value for option, value in given.items() if value is not None},
        "tags": tags.after,
    }
    addon = {"clusterName": cluster, "addonName": name}
    broken = answer is not None and answer["status"] in _FAILED
    if check:
        return _result(before, after, repaired=broken)
    if before is None:
        if patience:
            active_cluster(eks, cluster, patience)
        created = eks.call("create_addon", **addon, **_request(after, requested), tags=tags.after or None)["addon"]
        after |= {"arn": created["addonArn"], "version": created.get("addonVersion", after["version"])}
    else:
        if broken or any(before[option] != after[option] for option in given):
            # All of it, because EKS forgets what an update does not repeat.
            update = eks.call("update_addon", **addon, **_request(after, requested))["update"]
            if patience:
                finish(eks, cluster, update["id"], _what(cluster, name), patience, addon=name)
        if tags.set:
            eks.call("tag_resource", resourceArn=after["arn"], tags=tags.set)
        if tags.removed:
            eks.call("untag_resource", resourceArn=after["arn"], tagKeys=tags.removed)
    if patience:
        _running(eks, cluster, name, patience)
    return _result(before, after, repaired=broken)


def remove(
    eks: Service, cluster: str, name: str, preserve: bool, patience: Patience | None, check: bool = False
) -> dict[str, Any]:
    """Let there be none.

    :param preserve: whether what it has made in the cluster stays there and runs on, managed by nobody.
    """
    found = described(eks, cluster) and _described(eks, cluster, name)
    if not found:
        return _result(None, None)
    before = _state(found)
    if not check:
        if found["status"] != "DELETING":
            eks.call("delete_addon", clusterName=cluster, addonName=name, preserve=preserve)
        if patience and (left := _settled(eks, cluster, name, patience)):
            raise AwsError(f"{_what(cluster, name)} was not removed, it is {left['status']}: {_issues(left)}")
    return _result(before, None)


def _settled(eks: Service, cluster: str, name: str, patience: Patience) -> dict[str, Any] | None:
    """The add-on when EKS has ended what it does to it; None where there is none."""
    while (found := _described(eks, cluster, name)) and found["status"] in _PASSING:
        patience.wait(found["status"], _what(cluster, name))
    return found


def _running(eks: Service, cluster: str, name: str, patience: Patience) -> None:
    """Wait until it runs.

    :raises AwsError: it does not, with what EKS says about it.
    """
    while True:
        found = _settled(eks, cluster, name, patience)
        if found is None:
            raise AwsError(f"{_what(cluster, name)} is gone: somebody else removed it meanwhile. Run this again.")
        if found["status"] == "ACTIVE":
            return
        if found["status"] in _FAILED:
            raise AwsError(f"{_what(cluster, name)} is {found['status']}: {_issues(found)}")
        # A degraded one, such as one without a node to run on, recovers by itself when the reason goes.
        patience.wait(f"{found['status']} ({_issues(found)})", _what(cluster, name))


def _version(
    eks: Service, name: str, asked: str | None, cluster: Mapping[str, Any] | None, before: Mapping[str, Any] | None
) -> str | None:
    """The version that is meant; None: whichever it is, or EKS takes."""
    if asked is None or cluster is None:
        return None if asked == DEFAULT else asked
    if before and before["version"] == asked:
        return asked
    listed = eks.pages("describe_addon_versions", "addons", addonName=name, kubernetesVersion=cluster["version"])
    offered = [one for addon in listed for one in addon.get("addonVersions", [])]
    if asked == DEFAULT:
        for one in offered:
            if any(fit.get("defaultVersion") for fit in one.get("compatibilities", [])):
                return str(one["addonVersion"])
    versions = [str(one["addonVersion"]) for one in offered]
    if asked not in versions:
        some = ", ".join(versions[:_LISTED]) + (" and older ones" if len(versions) > _LISTED else "")
        raise BadInput(
            f"There is no version {asked} of the add-on {name} for Kubernetes {cluster['version']}: "
            + (f"set version to one of {some}." if versions else "EKS has no add-on of this name for it.")
        )
    return asked


def _request(after: Mapping[str, Any], requested: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "addonVersion": after["version"] or None,
        "configurationValues": json.dumps(after["configuration"], sort_keys=True) if after["configuration"] else None,
        "serviceAccountRoleArn": after["service_account_role"] or None,
        "resolveConflicts": requested["resolve_conflicts"],
    }


def _described(eks: Service, cluster: str, name: str) -> dict[str, Any] | None:
    found = eks.find("describe_addon", clusterName=cluster, addonName=name)
    return dict(found["addon"]) if found else None


def _state(addon: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "arn": addon["addonArn"],
        "version": addon["addonVersion"],
        "configuration": _parsed(addon.get("configurationValues") or ""),
        "service_account_role": addon.get("serviceAccountRoleArn") or "",
        "tags": addon.get("tags") or {},
    }


def _parsed(values: str) -> Any:
    """What EKS was given; others may give it YAML, which is then another configuration than ours."""
    try:
        return json.loads(values) if values else {}
    except ValueError:
        return values


def _issues(addon: Mapping[str, Any]) -> str:
    found = [f"{one.get('code')}: {one.get('message')}" for one in addon.get("health", {}).get("issues", [])]
    return "; ".join(found) or "EKS gives no reason"


def _what(cluster: str, name: str) -> str:
    return f"the add-on {name} of the cluster {cluster}"


def _result(before: dict[str, Any] | None, after: dict[str, Any] | None, repaired: bool = False) -> dict[str, Any]:
    addon = after or {"arn": "", "version": "", "configuration": {}, "service_account_role": "", "tags": {}}
    return {
        "changed": before != after or repaired,
        "addon": addon,
        "diff": {"before": before or {}, "after": after or {}},
    }
