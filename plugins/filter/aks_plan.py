# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: aks_plan
short_description: Plan an AKS cluster
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Turns the variables of the role P(mlops.mlflow.aks_cluster#role) and what the subscription holds into resources of
    Azure, an estimate of the price, and what speaks against it. Asks nothing and changes nothing.
positional: observed
options:
  _input:
    description: The role's variables without their prefix.
    type: dict
    required: true
  observed:
    description: What M(mlops.mlflow.aks_cluster_info) returned. Empty where nobody has asked yet.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what a cluster would cost
  ansible.builtin.debug:
    msg: "{{ (settings | mlops.mlflow.aks_plan).costs }}"
  vars:
    settings:
      name: mlflow
      subscription: 00000000-0000-0000-0000-000000000000
      existing: false
      resource_group: mlflow
      resource_group_existing: false
      location: centralindia
      version: "1.34"
      tier: Standard
      node_pools: [{name: nodes, size: Standard_D4s_v5, min: 1, max: 1, disk_size: 64}]
      network: 10.43.0.0/16
      authorized_ranges: [203.0.113.0/24]
      upgrade_channel: patch
      node_upgrade_channel: NodeImage
      admins: []
      registry: mlflow0aa3981a
      tags: {managed-by: mlops.mlflow}
      prices: {}
"""

RETURN = r"""
_value:
  description: >-
    The plan, with C(errors) (of the settings), C(misfits) (of what was observed), C(id), C(location), C(resources),
    C(images) and C(rights) (for M(mlops.mlflow.azure_resources)) and C(costs).
  type: dict
"""

from collections.abc import Mapping
from typing import Any


def aks_plan(settings: Mapping[str, Any], observed: Mapping[str, Any] | None = None) -> dict[str, Any]:
    # Not before: Ansible loads the files of all filters, anew for each task, where one of them is used.
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.azure.plan import plan

    return plan(settings, observed or {})


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"aks_plan": aks_plan}
