# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: superfluous_objects
short_description: List objects of a cluster that must go before others are applied
version_added: 0.1.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Lists what changed settings no longer ask for, and the setup Job where it would be another or has failed, because a
    Job cannot be changed.
positional: objects, name, setup
options:
  _input:
    description: What M(mlops.mlflow.mlflow_kubernetes_info) returned.
    type: dict
    required: true
  objects:
    description: The objects that will be applied, the setup Job among them.
    type: list
    elements: dict
    required: true
  name:
    description: Name of the deployment.
    type: str
    required: true
  setup:
    description: Name of the Job.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what goes
  ansible.builtin.debug:
    msg: "{{ found | mlops.mlflow.superfluous_objects(objects, 'mlflow', 'mlflow-setup') | map(attribute='kind') }}"
"""

RETURN = r"""
_value:
  description: The objects.
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.kubernetes import changes


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"superfluous_objects": changes.superfluous}
