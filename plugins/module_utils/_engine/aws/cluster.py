# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The configuration of an EKS cluster that exists: who may use it, from where, what it logs, the key of its Secrets,
and its version.

All that is wrong with a request is said before the first change. EKS takes one kind of change in an update, so that
there are several; the version is the last.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BadInput
from .client import AwsError, Service
from .updates import Patience, active_cluster, finish, no_cluster
from .updates import cluster as described

# From left to right, a step an update, and never back.
MODES = ("CONFIG_MAP", "API_AND_CONFIG_MAP", "API")
LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
# In the order in which they are changed.
OPTIONS = (
    "authentication_mode",
    "endpoint_public_access",
    "endpoint_private_access",
    "public_access_cidrs",
    "logging",
    "encryption_key",
    "version",
)


@dataclass(frozen=True)
class Update:
    """One update: how it is called in messages, the operation of EKS, and its request."""

    what: str
    operation: str
    request: dict[str, Any]


def configure(
    eks: Service,
    name: str,
    requested: Mapping[str, Any],
    patience: Patience,
    check: bool = False,
    create: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Let a cluster be as requested; options that are None stay as they are.

    :param create: C(role), C(subnets), C(security_groups), C(tags) of one that is created where there is none. It is
        as requested from its first minute: never open to networks that are not meant.
    :raises BadInput: the request contradicts itself, or no update of EKS leads there.
    """
    given = _checked({option: requested[option] for option in OPTIONS if requested.get(option) is not None})
    found = described(eks, name)
    if check and found is None:
        # A check run that would have created it: nobody knows which defaults EKS would have given it.
        return _result({}, given, ["creation"] if create else [], created=bool(create))
    if found is None and create:
        _create(eks, name, create, given, patience)
        made = state_of(active_cluster(eks, name, patience))
        return _result({}, given, ["creation"], created=True) | {"configuration": made}
    if found is None:
        raise no_cluster(name)
    if not check:
        found = active_cluster(eks, name, patience)
    before = state_of(found)
    updates = plan(name, before, given)
    for update in updates if not check else []:
        patience.say(f"{update.what} begins")
        begun = eks.call(update.operation, **update.request)["update"]
        finish(eks, name, begun["id"], f"{update.what} of the cluster {name}", patience)
        active_cluster(eks, name, patience)
    return _result(before, before | given, [update.what for update in updates])


def _create(eks: Service, name: str, create: Mapping[str, Any], given: Mapping[str, Any], patience: Patience) -> None:
    if errors := _endpoint_errors(
        {}, given, {"endpoint_public_access": True, "endpoint_private_access": False, **given}
    ):
        raise BadInput(f"The cluster {name} cannot be created so. " + " ".join(errors))
    network = {
        "subnetIds": list(create["subnets"]),
        "securityGroupIds": create.get("security_groups"),
        "endpointPublicAccess": given.get("endpoint_public_access"),
        "endpointPrivateAccess": given.get("endpoint_private_access"),
        "publicAccessCidrs": given.get("public_access_cidrs"),
    }
    key = {"resources": ["secrets"], "provider": {"keyArn": given.get("encryption_key")}}
    request = {
        "name": name,
        "version": given.get("version"),
        "roleArn": create["role"],
        "resourcesVpcConfig": {option: value for option, value in network.items() if value not in (None, [])},
        "accessConfig": {"authenticationMode": given.get("authentication_mode", MODES[1])},
        "logging": {"clusterLogging": [{"types": given["logging"], "enabled": True}]} if given.get("logging") else None,
        "encryptionConfig": [key] if "encryption_key" in given else None,
        # EKS manages them as add-ons; what it installs by itself, nobody upgrades.
        "bootstrapSelfManagedAddons": False,
        "tags": create.get("tags") or None,
    }
    while True:
        try:
            eks.call("create_cluster", **request)
            return
        except AwsError as error:
            # IAM needs some seconds until everybody knows a new role.
            if "could not be assumed" not in str(error):
                raise
            patience.wait("not known to EKS yet", f"the role {create['role']}")


def state_of(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a cluster as EKS describes it."""
    network = cluster.get("resourcesVpcConfig", {})
    logs = cluster.get("logging", {}).get("clusterLogging", [])
    return {
        "authentication_mode": cluster.get("accessConfig", {}).get("authenticationMode", MODES[0]),
        "endpoint_public_access": network.get("endpointPublicAccess", True),
        "endpoint_private_access": network.get("endpointPrivateAccess", False),
        "public_access_cidrs": sorted(network.get("publicAccessCidrs", [])),
        "logging": sorted(kind for setup in logs if setup.get("enabled") for kind in setup.get("types", [])),
        "encryption_key": next((one["provider"]["keyArn"] for one in cluster.get("encryptionConfig") or []), ""),
        "version": cluster["version"],
    }


def plan(name: str, before: Mapping[str, Any], given: Mapping[str, Any]) -> list[Update]:
    """The updates that lead from one state to what is given, in their order.

    :raises BadInput: there is no way there; all reasons at once.
    """
    after = {**before, **given}
    check = (_mode_errors, _endpoint_errors, _encryption_errors, _version_errors)
    if errors := [error for one in check for error in one(before, given, after)]:
        raise BadInput(f"The cluster {name} cannot be changed so. " + " ".join(errors))
    updates: list[Update] = []

    def add(what: str, operation: str = "update_cluster_config", **request: Any) -> None:
        updates.append(Update(what, operation, request))

    start, end = (MODES.index(state["authentication_mode"]) for state in (before, after))
    for mode in MODES[start + 1 : end + 1]:
        add(f"access mode {mode}", name=name, accessConfig={"authenticationMode": mode})
    if any(before[option] != after[option] for option in OPTIONS[1:4]):
        network = {
            "endpointPublicAccess": after["endpoint_public_access"],
            "endpointPrivateAccess": after["endpoint_private_access"],
        }
        if "public_access_cidrs" in given:
            network["publicAccessCidrs"] = after["public_access_cidrs"]
        add("endpoint access", name=name, resourcesVpcConfig=network)
    if before["logging"] != after["logging"]:
        off = [kind for kind in LOGS if kind not in after["logging"]]
        setups = [{"types": kinds, "enabled": kinds is not off} for kinds in (after["logging"], off) if kinds]
        add("logging", name=name, logging={"clusterLogging": setups})
    if before["encryption_key"] != after["encryption_key"]:
        key = {"resources": ["secrets"], "provider": {"keyArn": after["encryption_key"]}}
        add("encryption of Secrets", "associate_encryption_config", clusterName=name, encryptionConfig=[key])
    if before["version"] != after["version"]:
        add(f"version {after['version']}", "update_cluster_version", name=name, version=after["version"])
    return updates


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """What is given, in the form in which EKS tells it."""
    for option in ("public_access_cidrs", "logging"):
        if option in given:
            given[option] = sorted(set(given[option]))
    errors = [error for cidr in given.get("public_access_cidrs", []) if (error := _cidr_error(cidr))]
    if not re.fullmatch(r"1\.[1-9]\d*", given.get("version", "1.1")):
        errors.append(
            f"version is '{given['version']}': write the minor version of Kubernetes in quotes, as in '1.33'."
        )
    if not re.fullmatch(r"arn:[\w-]+:kms:.+", given.get("encryption_key", "arn:aws:kms:x")):
        errors.append(f"encryption_key is '{given['encryption_key']}': give the ARN of a key of KMS.")
    if errors:
        raise BadInput(" ".join(errors))
    return given


def _cidr_error(cidr: str) -> str:
    try:
        written = str(ipaddress.ip_network(cidr, strict=False))
    except ValueError:
        written = "203.0.113.0/24, for example"
    return "" if cidr == written else f"public_access_cidrs holds '{cidr}': write the network as {written}."


State = Mapping[str, Any]


def _mode_errors(before: State, _given: State, after: State) -> list[str]:
    now, then = before["authentication_mode"], after["authentication_mode"]
    if MODES.index(then) >= MODES.index(now):
        return []
    return [f"Its access mode is {now}, and EKS never goes back to {then}: leave authentication_mode at {now}."]


def _endpoint_errors(_before: State, given: State, after: State) -> list[str]:
    if not after["endpoint_public_access"] and not after["endpoint_private_access"]:
        return ["Nobody could reach it: set endpoint_private_access or endpoint_public_access to true."]
    if "public_access_cidrs" not in given:
        return []
    if not after["endpoint_public_access"]:
        return ["public_access_cidrs are of the public endpoint, which is off: leave them out, or turn it on."]
    if not given["public_access_cidrs"]:
        return [
            "public_access_cidrs is empty, which EKS reads as everybody: set endpoint_public_access to false instead."
        ]
    return []


def _encryption_errors(before: State, _given: State, after: State) -> list[str]:
    now, then = before["encryption_key"], after["encryption_key"]
    if not now or now == then:
        return []
    return [f"Its Secrets are encrypted with {now}, and EKS takes no other key: leave encryption_key at that."]


def _version_errors(before: State, _given: State, after: State) -> list[str]:
    now, then = (int(state["version"].partition(".")[2]) for state in (before, after))
    if then < now:
        return [
            f"Its version is {before['version']}, and this module lowers none: {after['version']} is lower. Write "
            f"versions in quotes: YAML reads 1.30 as 1.3."
        ]
    if then > now + 1:
        return [
            f"Its version is {before['version']}, and EKS goes one minor version at a time: set version to "
            f"'1.{now + 1}', bring nodes and add-ons along, and go on from there to {after['version']}."
        ]
    return []


def _result(
    before: Mapping[str, Any], after: Mapping[str, Any], updates: list[str], created: bool = False
) -> dict[str, Any]:
    differing = [option for option in OPTIONS if option in after and before.get(option) != after[option]]
    changes = {option: {"before": before.get(option), "after": after[option]} for option in differing}
    return {
        "changed": bool(changes) or created,
        "changes": changes,
        "updates": updates,
        "configuration": dict(after),
        "diff": {"before": dict(before), "after": dict(after)},
    }
