# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: efs_plan
short_description: Plan the EFS file systems of a cluster
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Turns the variables of the role P(mlops.mlflow.efs_csi#role) into file systems, storage classes and mount targets. Asks
    nothing and changes nothing.
options:
  _input:
    description: The role's variables without their prefix.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show which storage classes there would be
  ansible.builtin.debug:
    msg: "{{ (settings | mlops.mlflow.efs_plan).file_systems }}"
  vars:
    settings:
      name: mlflow
      file_systems: 2
      volumes_each: 1000
      storage_class: efs
      uid: 1000
      gid: 1000
      subnets: [subnet-0123456789abcdef0]
      security_group: sg-0123456789abcdef0
      tags: {managed-by: mlops.mlflow}
"""

RETURN = r"""
_value:
  description: The plan, with C(errors) (of the settings), C(file_systems) and C(targets).
  type: dict
"""

from collections.abc import Mapping
from typing import Any


def efs_plan(settings: Mapping[str, Any]) -> dict[str, Any]:
    # Not before: Ansible loads the files of all filters, anew for each task, where one of them is used.
    from ansible_collections.mlops.mlflow.plugins.module_utils._engine.aws.efs import plan

    return plan(settings)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"efs_plan": efs_plan}
