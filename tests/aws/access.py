"""Access entries, which moto's EKS lacks. Runs in moto's environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws.eks import Refused
from moto.core.responses import ActionResult, EmptyResult
from moto.eks import urls
from moto.eks.exceptions import ResourceNotFoundException
from moto.eks.responses import EKSResponse

ROUTES = {
    "{0}/clusters/(?P<name>[^/]+)/access-entries$",
    "{0}/clusters/(?P<name>[^/]+)/access-entries/(?P<principalArn>.+)$",
}
_tag_resource, _untag_resource = EKSResponse.tag_resource, EKSResponse.untag_resource
# By cluster and principal: what EKS says of an entry, and its policies.
_entries: dict[tuple[str, str], dict[str, Any]] = {}
_policies: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
# Who finds what has an ARN and tags, besides moto.
_tagged: list[Callable[[str], dict[str, Any] | None]] = []


def create_access_entry(response: EKSResponse) -> ActionResult:
    cluster, principal = key = of(response)
    mode = response.eks_backend.describe_cluster(cluster).access_config["authenticationMode"]
    if mode == "CONFIG_MAP":
        text = "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP]"
        raise Refused("InvalidRequestException", text)
    if key in _entries:
        raise Refused(
            "ResourceInUseException", "The specified access entry resource is already in use on this cluster."
        )
    _entries[key] = {
        "clusterName": cluster,
        "principalArn": principal,
        "accessEntryArn": f"arn:aws:eks:us-west-2:123456789012:access-entry/{cluster}/{principal.rpartition('/')[2]}",
        "kubernetesGroups": response._get_param("kubernetesGroups") or [],
        "username": response._get_param("username") or principal,
        "type": response._get_param("type") or "STANDARD",
        "tags": response._get_param("tags") or {},
    }
    _policies[key] = {}
    return ActionResult({"accessEntry": _entries[key]})


def describe_access_entry(response: EKSResponse) -> ActionResult:
    return ActionResult({"accessEntry": existing(response)})


def update_access_entry(response: EKSResponse) -> ActionResult:
    entry = existing(response)
    changed = {name: response._get_param(name) for name in ("kubernetesGroups", "username")}
    entry |= {name: value for name, value in changed.items() if value is not None}
    return ActionResult({"accessEntry": entry})


def delete_access_entry(response: EKSResponse) -> EmptyResult:
    existing(response)
    del _entries[of(response)]
    return EmptyResult()


def list_associated_access_policies(response: EKSResponse) -> ActionResult:
    existing(response)
    return ActionResult({"associatedAccessPolicies": list(_policies[of(response)].values())})


def associate_access_policy(response: EKSResponse) -> ActionResult:
    existing(response)
    policy, scope = response._get_param("policyArn"), response._get_param("accessScope")
    _policies[of(response)][policy] = {"policyArn": policy, "accessScope": scope}
    return ActionResult({"associatedAccessPolicy": _policies[of(response)][policy]})


def disassociate_access_policy(response: EKSResponse) -> EmptyResult:
    existing(response)
    del _policies[of(response)][response._get_param("policyArn")]
    return EmptyResult()


def tag_resource(response: EKSResponse) -> ActionResult | EmptyResult:
    if (entry := by_arn(response)) is None:
        return _tag_resource(response)
    entry["tags"] |= response._get_param("tags")
    return EmptyResult()


def untag_resource(response: EKSResponse) -> ActionResult | EmptyResult:
    if (entry := by_arn(response)) is None:
        return _untag_resource(response)
    removed = response._get_param("tagKeys")
    entry["tags"] = {name: value for name, value in entry["tags"].items() if name not in removed}
    return EmptyResult()


def by_arn(response: EKSResponse) -> dict[str, Any] | None:
    arn = response._get_param("resourceArn")
    return next((found for find in _tagged if (found := find(arn))), None)


def also_tagged(find: Callable[[str], dict[str, Any] | None]) -> None:
    _tagged.append(find)


def of(response: EKSResponse) -> tuple[str, str]:
    return response._get_param("name"), response._get_param("principalArn")


def existing(response: EKSResponse) -> dict[str, Any]:
    if of(response) not in _entries:
        text = "The specified principalArn could not be found"
        raise ResourceNotFoundException(message=text)
    return _entries[of(response)]


def install() -> None:
    operations = (create_access_entry, describe_access_entry, update_access_entry, delete_access_entry)
    policies = (list_associated_access_policies, associate_access_policy, disassociate_access_policy)
    for operation in (*operations, *policies, tag_resource, untag_resource):
        setattr(EKSResponse, operation.__name__, operation)
    for route in ROUTES:
        urls.url_paths[route] = EKSResponse.dispatch
    also_tagged(lambda arn: next((one for one in _entries.values() if one["accessEntryArn"] == arn), None))
