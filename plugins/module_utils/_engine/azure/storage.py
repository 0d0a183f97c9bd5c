# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The storage account of a deployment, and the identities by which pods reach its containers without any key.

Pure, as C(plan.py): a pod shows the token of its ServiceAccount, a federated credential says that Azure believes it,
and roles say what the identity may do: the contents of a container, and for servers signing of URLs in its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import kinds
from .kinds import resource

AUDIENCE = "api://AzureADTokenExchange"
REDUNDANCIES = ("Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_GZRS", "Standard_RAGRS", "Standard_RAGZRS")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")


def plan(settings: Mapping[str, Any]) -> dict[str, Any]:
    """
    :param settings: C(name), C(cluster) (the connection of the role aks_cluster), C(account), C(artifact_container),
        C(backup_container), C(namespace), C(server_account), C(backup_account), C(redundancy), C(retention_days),
        C(tags); as in the role aks_storage.
    :returns: C(errors), each a sentence; C(data) and C(rights), as C(resources.py) takes them: the account with its
        containers, and the identities with what they may; C(read): where their client ids stand, by whose they are.
    """
    errors = _errors(settings)
    pods = [] if errors else _pods(settings)
    account = "" if errors else _account_id(settings)
    return {
        "errors": errors,
        "data": [] if errors else _data(settings, account),
        "rights": [one for pod in pods for one in _rights(settings, account, pod)],
        "read": {
            pod["for"]: {"from": pod["id"], "version": kinds.IDENTITIES, "at": "properties.clientId"} for pod in pods
        },
    }


def _group(settings: Mapping[str, Any]) -> str:
    return kinds.group_id(settings["cluster"])


def _account_id(settings: Mapping[str, Any]) -> str:
    return f"{_group(settings)}/providers/Microsoft.Storage/storageAccounts/{settings['account']}"


def _data(settings: Mapping[str, Any], account: str) -> list[dict[str, Any]]:
    """TLS alone, nothing public, no keys that somebody could copy; what was removed can be had back for a time."""
    kept = {"enabled": True, "days": int(settings["retention_days"])}
    containers = [settings["artifact_container"], *filter(None, [settings["backup_container"]])]
    return [
        resource(
            f"storage account {settings['account']}",
            account,
            kinds.STORAGE,
            {
                "location": settings["cluster"]["location"],
                "tags": settings["tags"],
                "properties": {
                    "supportsHttpsTrafficOnly": True,
                    "minimumTlsVersion": "TLS1_2",
                    "allowBlobPublicAccess": False,
                    "allowSharedKeyAccess": False,
                    "allowCrossTenantReplication": False,
                    "defaultToOAuthAuthentication": True,
                },
                "kind": "StorageV2",
                "sku": {"name": settings["redundancy"]},
            },
            tagged=True,
            unique=kinds.unique(settings["cluster"], "Microsoft.Storage", "storageAccounts", settings["account"]),
        ),
        resource(
            f"retention of {settings['account']} of {kept['days']} days",
            f"{account}/blobServices/default",
            kinds.STORAGE,
            {"properties": {"deleteRetentionPolicy": kept, "containerDeleteRetentionPolicy": kept}},
        ),
        *(
            resource(
                f"container {settings['account']}/{name}",
                f"{account}/blobServices/default/containers/{name}",
                kinds.STORAGE,
                {"properties": {"publicAccess": "None"}},
            )
            for name in containers
        ),
    ]


def _pods(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Whose identities there are. A backup reads artifacts, and a restore writes them; servers never reach backups."""
    artifacts, backups = settings["artifact_container"], settings["backup_container"]
    kinds_of_pods = [("server", settings["server_account"], [artifacts])]
    if backups:
        kinds_of_pods.append(("backup", settings["backup_account"], [artifacts, backups]))
    prefix = f"{_group(settings)}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{settings['name']}"
    return [
        {"for": whose, "account": account, "containers": containers, "id": f"{prefix}-{whose}"}
        for whose, account, containers in kinds_of_pods
    ]


def _rights(settings: Mapping[str, Any], account: str, pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    name = pod["id"].rpartition("/")[2]
    principal = {"from": pod["id"], "version": kinds.IDENTITIES, "at": "properties.principalId"}
    issuer = {
        "from": settings["cluster"]["id"],
        "version": kinds.CLUSTERS,
        "at": "properties.oidcIssuerProfile.issuerURL",
    }
    credential = {
        "issuer": issuer,
        "subject": f"system:serviceaccount:{settings['namespace']}:{pod['account']}",
        "audiences": [AUDIENCE],
    }
    scopes = [
        (f"{account}/blobServices/default/containers/{one}", kinds.BLOB_CONTRIBUTOR, f"contributor of {one}")
        for one in pod["containers"]
    ]
    # With it servers sign URLs for clients that transfer artifacts themselves, in their own name.
    scopes += [(account, kinds.BLOB_DELEGATOR, f"delegator of {settings['account']}")] * (pod["for"] == "server")
    return [
        resource(
            f"identity {name}",
            pod["id"],
            kinds.IDENTITIES,
            {"location": settings["cluster"]["location"], "tags": settings["tags"]},
            tagged=True,
        ),
        resource(
            f"credential of {name} for {credential['subject']}",
            f"{pod['id']}/federatedIdentityCredentials/{settings['cluster']['name']}",
            kinds.IDENTITIES,
            {"properties": credential},
        ),
        *(
            kinds.assignment(scope, role, f"{what} for {name}", principal, pod["id"], principalType="ServicePrincipal")
            for scope, role, what in scopes
        ),
    ]


def _errors(settings: Mapping[str, Any]) -> list[str]:
    errors = []
    if not settings["cluster"].get("id"):
        errors.append("aks_storage_cluster is empty: run the role aks_cluster first, or its entry point connection.")
    if not _ACCOUNT.fullmatch(settings["account"]):
        errors.append(
            f"aks_storage_account is '{settings['account']}': 3 to 24 lower-case letters and digits, which nobody else "
            f"in Azure has."
        )
    for option in ("artifact_container", "backup_container"):
        name = settings[option]
        if (name or option == "artifact_container") and not _CONTAINER.fullmatch(name):
            errors.append(
                f"aks_storage_{option} is '{name}': 3 to 63 lower-case letters and digits, with single dashes between."
            )
    if settings["artifact_container"] == settings["backup_container"]:
        errors.append("aks_storage_backup_container is the container of the artifacts. Choose another one.")
    if settings["redundancy"] not in REDUNDANCIES:
        errors.append(f"aks_storage_redundancy is '{settings['redundancy']}'; offered are {', '.join(REDUNDANCIES)}.")
    if not 1 <= int(settings["retention_days"]) <= 365:
        errors.append(f"aks_storage_retention_days is {settings['retention_days']}: 1 to 365.")
    return errors
