# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kinds of resources that a deployment is made of: ids, versions of their APIs, and the roles of Azure."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

GROUPS, CLUSTERS, STORAGE = "2021-04-01", "2025-05-01", "2024-01-01"
IDENTITIES, ASSIGNMENTS, REGISTRIES = "2023-01-31", "2022-04-01", "2023-07-01"
NETWORKS, ZONES, DATABASES = "2024-05-01", "2020-06-01", "2024-08-01"
# Azure's own roles, the same in every subscription.
BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
BLOB_DELEGATOR = "db58b8e5-c6ad-4a2a-8342-4190687cbf4a"
REGISTRY_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"
CLUSTER_ADMIN = "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b"
SUBSCRIPTION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Of the names of our assignments, which are numbers, and must be the same each time.
_NAMES = uuid.UUID("6f1dbf5e-7a0c-4c55-9f6b-1d1cf0a2f8b7")


def resource(what: str, id: str, version: str, body: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """As C(resources.py) takes it; C(more) are C(tagged), C(fixed), C(first) and C(unique)."""
    return {"what": what, "id": id, "version": version, "body": dict(body), **more}


def group_id(settings: Mapping[str, Any]) -> str:
    return f"/subscriptions/{settings['subscription']}/resourceGroups/{settings['resource_group']}"


def cluster_id(settings: Mapping[str, Any]) -> str:
    return f"{group_id(settings)}/providers/Microsoft.ContainerService/managedClusters/{settings['name']}"


def network_id(settings: Mapping[str, Any]) -> str:
    return f"{group_id(settings)}/providers/Microsoft.Network/virtualNetworks/{settings['name']}"


def unique(settings: Mapping[str, Any], provider: str, kind: str, name: str) -> dict[str, Any]:
    """How to ask whether a name is free, which must be unique in all of Azure."""
    path = f"/subscriptions/{settings['subscription']}/providers/{provider}/checkNameAvailability"
    return {"ask": path, "body": {"name": name, "type": f"{provider}/{kind}"}}


def assignment(scope: str, role: str, name: str, principal: Any, whose: str, **more: Any) -> dict[str, Any]:
    """A role of Azure for a principal.

    :param principal: its object id, or where that stands once it is created.
    :param whose: by what it is known that it is the same one as the last time.
    """
    subscription = "/".join(scope.split("/")[:3])
    number = uuid.uuid5(_NAMES, f"{scope} {role} {whose}".lower())
    definition = f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    properties = {"roleDefinitionId": definition, "principalId": principal, **more}
    return resource(
        f"role {name}",
        f"{scope}/providers/Microsoft.Authorization/roleAssignments/{number}",
        ASSIGNMENTS,
        {"properties": properties},
        fixed=True,
    )


def region(name: str) -> str:
    """Central India is centralindia."""
    return name.replace(" ", "").lower()
