# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: eks_plan
short_description: Plan an EKS cluster
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Turns the variables of the role P(mlops.mlflow.eks_cluster#role) and what the account holds into subnets, an estimate of
    the price, and what speaks against it. Asks nothing and changes nothing.
positional: observed
options:
  _input:
    description: The role's variables without their prefix.
    type: dict
    required: true
  observed:
    description: What M(mlops.mlflow.eks_cluster_info) returned. Empty where nobody has asked yet.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what a cluster would cost
  ansible.builtin.debug:
    msg: "{{ (settings | mlops.mlflow.eks_plan).costs }}"
  vars:
    settings:
      name: mlflow
      account: "123456789012"
      region: us-west-2
      existing: false
      vpc_cidr: 10.42.0.0/16
      zones: [us-west-2a, us-west-2b]
      subnets: []
      egress: nat
      public_access_cidrs: []
      reserved_cidrs: []
      version: "1.34"
      autoscaler: true
      autoscaler_image: ""
      repositories: [mlflow]
      node_groups: [{name: nodes, instance_type: m7i.large, min: 2, max: 4, disk_size: 50}]
      tags: {managed-by: mlops.mlflow}
      prices: {}
"""

RETURN = r"""
_value:
  description: >-
    The plan, with C(errors) (of the settings), C(misfits) (of what was observed), C(subnets), C(gateways), C(endpoints),
    C(node_groups), C(sizes), C(autoscaler_image), C(costs) and C(creates).
  type: dict
"""

from collections.abc import Mapping
from typing import Any


def eks_plan(settings: Mapping[str, Any], observed: Mapping[str, Any] | None = None) -> dict[str, Any]:
    # Not before: Ansible loads the files of all filters, anew for each task, where one of them is used.
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws.plan import plan

    return plan(settings, observed or {})


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"eks_plan": eks_plan}
