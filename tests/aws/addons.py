"""Add-ons, which moto's EKS lacks. Runs in moto's environment."""

from __future__ import annotations

from typing import Any

from aws.access import also_tagged
from aws.eks import Refused, update_of
from aws.eks import delete_cluster as _delete_cluster
from aws.shapes import answer
from moto.core.responses import ActionResult
from moto.eks import urls
from moto.eks.exceptions import ResourceNotFoundException
from moto.eks.responses import EKSResponse

ROUTES = {
    "{0}/addons/supported-versions$",
    "{0}/clusters/(?P<name>[^/]+)/addons$",
    "{0}/clusters/(?P<name>[^/]+)/addons/(?P<addonName>[^/]+)$",
    "{0}/clusters/(?P<name>[^/]+)/addons/(?P<addonName>[^/]+)/update$",
}
# The newest first, as EKS tells them; the second is the default one.
VERSIONS = ("v1.20.0-eksbuild.1", "v1.19.0-eksbuild.1", "v1.18.0-eksbuild.1")
KNOWN = ("aws-ebs-csi-driver", "aws-efs-csi-driver", "coredns", "eks-pod-identity-agent", "kube-proxy", "vpc-cni")
NEED_NODES = ("aws-ebs-csi-driver", "coredns")
# By cluster and name: what EKS says of an add-on.
_addons: dict[tuple[str, str], dict[str, Any]] = {}


def describe_addon_versions(response: EKSResponse) -> ActionResult:
    name, cluster = response._get_param("addonName"), response._get_param("kubernetesVersion")
    versions = [
        {
            "addonVersion": version,
            "compatibilities": [{"clusterVersion": cluster, "defaultVersion": version == VERSIONS[1]}],
        }
        for version in VERSIONS
    ]
    found = [{"addonName": name, "addonVersions": versions}] if name in KNOWN else []
    return answer("DescribeAddonVersions", addons=found)


def create_addon(response: EKSResponse) -> ActionResult:
    cluster, name = response._get_param("name"), response._get_param("addonName")
    response.eks_backend.describe_cluster(cluster)
    if (cluster, name) in _addons:
        raise Refused("ResourceInUseException", "Addon already exists.")
    if name not in KNOWN:
        raise Refused("InvalidParameterException", f"Addon {name} specified is not supported")
    _addons[(cluster, name)] = {
        "addonName": name,
        "clusterName": cluster,
        "addonArn": f"arn:aws:eks:us-west-2:123456789012:addon/{cluster}/{name}/1",
        "status": "ACTIVE",
        "health": {"issues": []},
        "tags": response._get_param("tags") or {},
        **given(response),
    }
    return answer("CreateAddon", addon=_addons[(cluster, name)])


def describe_addon(response: EKSResponse) -> ActionResult:
    addon = existing(response)
    nodes = response.eks_backend.describe_cluster(addon["clusterName"]).nodegroups
    starved = addon["addonName"] in NEED_NODES and not nodes
    issue = {"code": "InsufficientNumberOfReplicas", "message": "The add-on is unhealthy: it has no replicas"}
    addon |= {"status": "DEGRADED" if starved else "ACTIVE", "health": {"issues": [issue] if starved else []}}
    return answer("DescribeAddon", addon=addon)


def update_addon(response: EKSResponse) -> ActionResult:
    addon = existing(response)
    for name in ("configurationValues", "serviceAccountRoleArn"):
        addon.pop(name, None)  # what an update does not repeat
    addon |= given(response, addon["addonVersion"])
    return answer("UpdateAddon", update=update_of("AddonUpdate"))


def delete_addon(response: EKSResponse) -> ActionResult:
    addon = existing(response)
    del _addons[(addon["clusterName"], addon["addonName"])]
    return answer("DeleteAddon", addon=addon)


def delete_cluster(response: EKSResponse) -> ActionResult:
    result = _delete_cluster(response)
    for key in [key for key in _addons if key[0] == response._get_param("name")]:
        del _addons[key]
    return result


def given(response: EKSResponse, version: str = VERSIONS[1]) -> dict[str, Any]:
    names = ("configurationValues", "serviceAccountRoleArn")
    more = {name: value for name in names if (value := response._get_param(name))}
    return {"addonVersion": response._get_param("addonVersion") or version, **more}


def existing(response: EKSResponse) -> dict[str, Any]:
    key = response._get_param("name"), response._get_param("addonName")
    if key not in _addons:
        raise ResourceNotFoundException(message=f"No addon: {key[1]} found in cluster: {key[0]}")
    return _addons[key]


def install() -> None:
    operations = (create_addon, describe_addon, update_addon, delete_addon, describe_addon_versions, delete_cluster)
    for operation in operations:
        setattr(EKSResponse, operation.__name__, operation)
    for route in ROUTES:
        urls.url_paths[route] = EKSResponse.dispatch
    also_tagged(lambda arn: next((one for one in _addons.values() if one["addonArn"] == arn), None))
