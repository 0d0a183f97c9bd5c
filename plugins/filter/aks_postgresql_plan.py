# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: aks_postgresql_plan
short_description: Plan the PostgreSQL of a deployment on AKS
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Turns the variables of the role P(mlops.mlflow.aks_postgresql#role) into resources of Azure, and says what speaks
    against them. Asks nothing and changes nothing.
options:
  _input:
    description: The role's variables without their prefix.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what a database would cost
  ansible.builtin.debug:
    msg: "{{ (settings | mlops.mlflow.aks_postgresql_plan).costs }}"
  vars:
    settings:
      name: mlflow
      cluster:
        id: /subscriptions/S/resourceGroups/mlflow/providers/Microsoft.ContainerService/managedClusters/mlflow
        subscription: S
        resource_group: mlflow
        location: centralindia
        name: mlflow
      server: mlflow0aa3981a
      subnet: >-
        /subscriptions/S/resourceGroups/mlflow/providers/Microsoft.Network/virtualNetworks/mlflow/subnets/database
      version: "17"
      size: Standard_D2ds_v5
      storage_size: 32
      standby: ZoneRedundant
      backup_days: 7
      geo_backup: false
      database: mlflow
      user: mlflow
      password: "{{ vaulted_password | default('a password from a vault') }}"
      prices: {}
      tags: {managed-by: mlops.mlflow}
"""

RETURN = r"""
_value:
  description: >-
    The plan, with C(errors), C(resources) and C(secrets) (for M(mlops.mlflow.azure_resources)), C(id), C(host), C(uri)
    and C(costs).
  type: dict
"""

from collections.abc import Mapping
from typing import Any


def aks_postgresql_plan(settings: Mapping[str, Any]) -> dict[str, Any]:
    # Not before: Ansible loads the files of all filters, anew for each task, where one of them is used.
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure.database import plan

    return plan(settings)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"aks_postgresql_plan": aks_postgresql_plan}
