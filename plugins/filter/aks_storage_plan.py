# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: aks_storage_plan
short_description: Plan the storage account of a deployment on AKS
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Turns the variables of the role P(mlops.mlflow.aks_storage#role) into resources of Azure, and says what speaks
    against them. Asks nothing and changes nothing.
options:
  _input:
    description: The role's variables without their prefix.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what a deployment would have
  ansible.builtin.debug:
    msg: "{{ (settings | mlops.mlflow.aks_storage_plan).data | map(attribute='what') }}"
  vars:
    settings:
      name: mlflow
      cluster:
        id: /subscriptions/S/resourceGroups/mlflow/providers/Microsoft.ContainerService/managedClusters/mlflow
        subscription: S
        resource_group: mlflow
        location: centralindia
        name: mlflow
      account: mlflow0aa3981a
      artifact_container: artifactroot
      backup_container: backups
      namespace: mlflow
      server_account: mlflow
      backup_account: mlflow-backup
      redundancy: Standard_ZRS
      retention_days: 30
      tags: {managed-by: mlops.mlflow}
"""

RETURN = r"""
_value:
  description: >-
    The plan, with C(errors), C(data) (the account and its containers) and C(rights) (identities and what they may), both
    for M(mlops.mlflow.azure_resources), and C(read) (where client ids stand).
  type: dict
"""

from collections.abc import Mapping
from typing import Any


def aks_storage_plan(settings: Mapping[str, Any]) -> dict[str, Any]:
    # Not before: Ansible loads the files of all filters, anew for each task, where one of them is used.
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure.storage import plan

    return plan(settings)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"aks_storage_plan": aks_storage_plan}
