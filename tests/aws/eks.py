"""What moto's EKS lacks: updates that take their time, access modes, encryption, versions. Runs in moto's environment.

As EKS does: one kind of change in an update, one update at a time, modes only forward and by one, no update to what is
already so.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends
from moto.eks import urls
from moto.eks.responses import EKSResponse

MODES = ("CONFIG_MAP", "API_AND_CONFIG_MAP", "API")
DEFAULTS = {"endpointPublicAccess": True, "endpointPrivateAccess": False, "publicAccessCidrs": ["0.0.0.0/0"]}
ROUTES = {
    "{0}/clusters/(?P<name>[^/]+)/updates$",
    "{0}/clusters/(?P<name>[^/]+)/updates/(?P<updateId>[^/]+)$",
    "{0}/clusters/(?P<name>[^/]+)/encryption-config/associate$",
}
_create_cluster = EKSResponse.create_cluster
_describe_cluster = EKSResponse.describe_cluster
_delete_cluster = EKSResponse.delete_cluster
# What an update of each kind takes; those of EKS take minutes.
SECONDS = {"VersionUpdate": 3.0}
# Of each update what EKS says of it, what it changes, and when that is done.
_updates: dict[str, dict[str, Any]] = {}


class Refused(JsonRESTError):
    code = 400


def create_cluster(response: EKSResponse) -> ActionResult:
    result = _create_cluster(response)
    cluster = response.eks_backend.clusters[response._get_param("name")]
    mode = (response._get_param("accessConfig") or {}).get("authenticationMode", MODES[0])
    cluster.access_config = {"authenticationMode": mode}
    subnets = ec2_backends[response.current_account][response.region].describe_subnets()
    network = next((one.vpc_id for one in subnets if one.id in cluster.resources_vpc_config["subnetIds"]), "")
    group = security_group(response, cluster.name, network) if network else ""
    found = {"vpcId": network, "clusterSecurityGroupId": group}
    cluster.resources_vpc_config = DEFAULTS | cluster.resources_vpc_config | found
    return result


def security_group(response: EKSResponse, cluster: str, network: str) -> str:
    """The group that EKS makes for nodes and control plane; it goes with the cluster."""
    name, ec2 = f"eks-cluster-sg-{cluster}", ec2_backends[response.current_account][response.region]
    return str(ec2.create_security_group(name, "Created by EKS", vpc_id=network).id)


def delete_cluster(response: EKSResponse) -> ActionResult:
    group = response.eks_backend.describe_cluster(response._get_param("name")).resources_vpc_config.get(
        "clusterSecurityGroupId"
    )
    result = _delete_cluster(response)
    if group:
        ec2_backends[response.current_account][response.region].delete_security_group(group_id=group)
    return result


def update_cluster_config(response: EKSResponse) -> ActionResult:
    kinds = ("accessConfig", "resourcesVpcConfig", "logging")
    given = {kind: value for kind in kinds if (value := response._get_param(kind))}
    if len(given) != 1:
        raise Refused("InvalidParameterException", "Only one type of update can be allowed.")
    [(kind, value)] = given.items()
    cluster = response.eks_backend.describe_cluster(response._get_param("name"))
    if kind == "accessConfig":
        now, then = cluster.access_config["authenticationMode"], value["authenticationMode"]
        if MODES.index(then) != MODES.index(now) + 1:
            text = f"Unsupported authentication mode update from {now} to {then}"
            raise Refused("InvalidParameterException", text)
        return begin(cluster, "AccessConfigUpdate", access_config=value)
    if kind == "resourcesVpcConfig":
        after = cluster.resources_vpc_config | value
        if after == cluster.resources_vpc_config:
            raise Refused("InvalidParameterException", "Cluster is already at the desired configuration")
        return begin(cluster, "EndpointAccessUpdate", resources_vpc_config=after)
    return begin(cluster, "LoggingUpdate", logging=value)


def associate_encryption_config(response: EKSResponse) -> ActionResult:
    cluster = response.eks_backend.describe_cluster(response._get_param("name"))
    given = response._get_param("encryptionConfig")
    return begin(cluster, "AssociateEncryptionConfig", encryption_config=given)


def update_cluster_version(response: EKSResponse) -> ActionResult:
    cluster = response.eks_backend.describe_cluster(response._get_param("name"))
    version = response._get_param("version")
    now, then = (int(one.partition(".")[2]) for one in (cluster.version, version))
    if then != now + 1:
        text = f"Unsupported Kubernetes minor version update from {cluster.version} to {version}"
        raise Refused("InvalidParameterException", text)
    return begin(cluster, "VersionUpdate", version=version)


def describe_update(response: EKSResponse) -> ActionResult:
    settle()
    return ActionResult({"update": _updates[response._get_param("updateId")]["answer"]})


def describe_cluster(response: EKSResponse) -> ActionResult:
    settle()
    return _describe_cluster(response)


def settle() -> None:
    """Let all updates end whose time has come."""
    for update in _updates.values():
        if update["answer"]["status"] == "InProgress" and time.monotonic() >= update["ends"]:
            for name, value in update["changes"].items():
                setattr(update["cluster"], name, value)
            update["cluster"].status = "ACTIVE"
            update["answer"]["status"] = "Successful"


def begin(cluster: Any, kind: str, **changes: Any) -> ActionResult:
    if cluster.status != "ACTIVE":
        raise Refused("ResourceInUseException", f"Cannot update because cluster {cluster.name} currently has an update")
    cluster.status = "UPDATING"
    return ActionResult({"update": update_of(kind, cluster, **changes)})


def update_of(kind: str, cluster: Any = None, **changes: Any) -> dict[str, Any]:
    """What EKS says of an update that begins; of something else than a cluster, it is done already."""
    answer: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "status": "InProgress" if cluster else "Successful",
        "type": kind,
        "params": params(changes),
        "errors": [],
    }
    ends = time.monotonic() + SECONDS.get(kind, 0.0)
    _updates[answer["id"]] = {"cluster": cluster, "changes": changes, "ends": ends, "answer": answer}
    return answer


def params(changes: dict[str, Any]) -> list[dict[str, str]]:
    return [{"type": name.title().replace("_", ""), "value": json.dumps(value)} for name, value in changes.items()]


def install() -> None:
    operations = (create_cluster, update_cluster_config, associate_encryption_config, update_cluster_version)
    for operation in (*operations, describe_update, describe_cluster, delete_cluster):
        setattr(EKSResponse, operation.__name__, operation)
    for route in ROUTES:
        urls.url_paths[route] = EKSResponse.dispatch
